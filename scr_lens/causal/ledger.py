"""Records of one causal test on disk: Parquet parts, whole or absent, one per finished unit of work."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from scr_lens.errors import DataError, StoreError
from scr_lens.store.atomic import write_bytes
from scr_lens.store.lock import WriterLock
from scr_lens.store.provenance import describe_run
from scr_lens.trace import Lens

ABOUT = "test.json"
WHOLE = "records.parquet"
UNIT = "unit"


class Ledger:
    """One test's records, open for writing by one process; use it as a context manager.

    A *unit* is a piece of work that is done in one go; its records are written at once. `finish` puts all
    parts into one file.
    """

    def __init__(self, run: str | Path, test: str, about: Mapping[str, Any]) -> None:
        """Start a test's records, or go on with them.

        Args:
            run: Folder of all causal tests of one model.
            test: Name of the test.
            about: Model and settings as plain values (see `provenance`); a ledger belongs to one such set.

        Raises:
            StoreError: If the records there are of another model or other settings, or another process
                writes them.
        """
        self.folder = Path(run) / test
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot create {self.folder} ({error.strerror}); give a writable folder"
            ) from error
        self._lock = WriterLock(self.folder, "main")
        try:
            _claim(self.folder, json.loads(json.dumps(about)))
            self.done = frozenset(_read(self.folder).get(UNIT, pd.Series(dtype=object)))
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def append(self, unit: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep the records of a finished unit; they are on the disk when the call returns.

        Args:
            unit: Key of the unit, as in `unit_key`.
            rows: Its records; numbers, texts and lists of numbers.
        """
        frame = pd.DataFrame([{**row, UNIT: unit} for row in rows])
        write_bytes(self.folder / f"part-{unit}.parquet", _parquet(frame))
        self.done |= {unit}

    def finish(self, order: Sequence[str]) -> pd.DataFrame:
        """Put all parts into one file, in the order of the plan.

        Args:
            order: Keys of the units of the plan.

        Returns:
            The records of the plan.

        Raises:
            StoreError: If a unit of the plan is missing.
        """
        missing = [unit for unit in order if unit not in self.done]
        if missing:
            raise StoreError(
                f"{self.folder}: {len(missing)} of {len(order)} units are not done; run the test again"
            )
        frame = _read(self.folder)
        rank = {unit: number for number, unit in enumerate(order)}
        kept = frame[frame[UNIT].isin(rank)]
        whole = kept.iloc[kept[UNIT].map(rank).argsort(kind="stable")].reset_index(drop=True)
        if not _is_whole(self.folder, whole):
            write_bytes(self.folder / WHOLE, _parquet(whole))
        for part in self.folder.glob("part-*.parquet"):
            part.unlink()
        return whole.drop(columns=UNIT)


def unit_key(*names: object) -> str:
    """The key of a unit of work: the same for the same names.

    Args:
        *names: What the unit asks, such as image names and questions.

    Returns:
        24 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps([str(name) for name in names]).encode()).hexdigest()[:24]


def provenance(lens: Lens, settings: Mapping[str, Any], seeds: Mapping[str, int]) -> dict[str, Any]:
    """What a test's records were made with.

    Args:
        lens: The model.
        settings: Settings of the test as plain values.
        seeds: Every seed by its purpose.

    Returns:
        Plain values; of these `config` and `seeds` must agree to go on with a ledger.
    """
    model = {
        "model_id": lens.model_id,
        "model_revision": lens.revision,
        "processor_digest": lens.processor_digest,
        "dtype": lens.dtype,
        "attn_implementation": lens.attn_implementation,
    }
    return describe_run({**model, "settings": dict(settings)}, seeds, str(lens.device))


def read_ledger(run: str | Path, test: str) -> pd.DataFrame:
    """Read the records of a test.

    Args:
        run: Folder of all causal tests of one model.
        test: Name of the test.

    Returns:
        The records, of a finished test in the order of its plan.

    Raises:
        DataError: If there are none.
    """
    frame = _read(Path(run) / test)
    if len(frame) == 0:
        raise DataError(f"{Path(run) / test}: no records; run `scr-lens causal MODEL --out {run}` first")
    return frame.drop(columns=UNIT)


def _claim(folder: Path, about: dict[str, Any]) -> None:
    try:
        write_bytes(folder / ABOUT, json.dumps(about, indent=1, sort_keys=True).encode(), overwrite=False)
    except FileExistsError:
        try:
            there = json.loads((folder / ABOUT).read_bytes())
            other = [name for name in ("config", "seeds") if there[name] != about[name]]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"cannot read {folder / ABOUT} ({error}); give another folder") from error
        if other:
            raise StoreError(
                f"{folder} holds records of another model or of other settings ({', '.join(other)} differ); "
                "give another folder"
            ) from None


def _read(folder: Path) -> pd.DataFrame:
    """All records, each unit once: a part whose unit is in the whole file was left by a killed `finish`."""
    frames = [_load(folder / WHOLE)] if (folder / WHOLE).exists() else []
    known = set(frames[0][UNIT]) if frames else set()
    for path in sorted(folder.glob("part-*.parquet")):
        if path.stem.removeprefix("part-") not in known:
            frames.append(_load(path))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _load(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path} ({error}); delete it and run the test again") from error


def _is_whole(folder: Path, frame: pd.DataFrame) -> bool:
    return not any(folder.glob("part-*.parquet")) and len(_load(folder / WHOLE)) == len(frame)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()
