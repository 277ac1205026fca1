"""Everything stored about one model, read into frames."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scr_lens.analysis.correlation import pearson, spearman
from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError, StoreError
from scr_lens.evidence.captions import score_captions
from scr_lens.evidence.joins import with_controls, with_main_rows
from scr_lens.evidence.side_tables import read_side_table
from scr_lens.evidence.times import read_times
from scr_lens.store import read_run

POPE, CONTROLS, CHOSEN, ABLATIONS, CAPTIONS = "pope", "controls", "chosen", "ablations", "captions"
"""Folders of the runs in an experiment folder."""

CHOSEN_CONDITION = "scr-chosen"
"""Condition of SCR with settings chosen on validation scenes, where they are not the paper's."""

CAUSAL = "causal"
"""Folder of the causal tests in an experiment folder."""

FACTS = "experiment.json"
"""File of an experiment folder with what the runs do not record, such as the blocks of SCR."""

MAP_ESTIMATOR = "attention map A"
"""Name of the credit that every run stores: the diagnostic attention map."""

P3_DISTANCE = 2**0.5
"""Patch distance of the autocorrelation that strata are made of, the paper's."""

P3_MEASURE = "pixels"

_ANSWERS = (
    "key", "model_id", "model_revision", "dtype", "benchmark", "splits", "image_id", "grid_h", "grid_w",
    "question", "object", "label", "condition", "config_digest", "config_json", "status", "answer", "p_yes",
    "p_no", "n_layers", "neighbors_per_source", "attention", "resid_norm", "entropy_norm_nats",
    "entropy_attention_nats", "sources",
)  # fmt: skip


_MAPS = ["attention", "resid_norm", "sources"]

STEP_IMAGES = 24
"""Images whose first application of SCR is kept as maps, for the trade-off of the Proposition."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """All methods on the same questions, as `scr-lens compare` stores them in a folder of their own.

    Attributes:
        name: Name of the folder.
        begun: Day on which its run was begun, such as "2026-01-31".
        answers: Yes/no records of every method.
        left_out: Why methods are not in it, by name.
        times: Time of every method alone; None if none was timed.
    """

    name: str
    begun: str
    answers: pd.DataFrame
    left_out: Mapping[str, str]
    times: pd.DataFrame | None = None

    @property
    def n_images(self) -> int:
        """Images that its questions are about."""
        return int(self.answers["image_id"].nunique())


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What is known about one model.

    Attributes:
        name: Name of the model.
        answers: Yes/no records of the main run and the controls, without maps, plus `norm_sum` (sum of patch
            norms per layer) and, where known, `autocorrelation` of the image.
        credit: Correlation of norm and credit per question, estimator and layer; None if nothing allows it.
        captions: Scored captions; None if there are none.
        boxes: Objects in the images; None if unknown.
        autocorrelation: Autocorrelation of each image by patch distance; None if unknown.
        scr_layers: Blocks that SCR acts on; None if not recorded.
        chosen: Condition with the settings chosen on validation scenes; None if none were chosen.
        steps: Patch norms before and after the first application of SCR, of a few images; None if not stored.
        ablations: Records of every condition on the questions of the ablations, which are about fewer images;
            None where the conditions are part of `answers`.
        times: Time of every method alone, as `scr-lens compare` stores it; None if no method was timed.
        comparison: All methods of the paper's comparison on the same model, see `with_comparison`; None if
            there is none or it was not looked for.
        no_comparison: Why there is none.
    """

    name: str
    answers: pd.DataFrame
    credit: pd.DataFrame | None = None
    captions: pd.DataFrame | None = None
    boxes: pd.DataFrame | None = None
    autocorrelation: pd.DataFrame | None = None
    scr_layers: LayerRange | None = None
    chosen: str | None = None
    ablations: pd.DataFrame | None = None
    steps: pd.DataFrame | None = None
    times: pd.DataFrame | None = None
    comparison: Comparison | None = None
    no_comparison: str = ""

    @property
    def every_condition(self) -> pd.DataFrame:
        """Records with every condition that was run, all on the same questions where possible."""
        return self.answers if self.ablations is None else self.ablations

    @property
    def early_layers(self) -> range:
        """The layers that SCR acts on; the first half of the model where that is not recorded."""
        if self.scr_layers is not None:
            return self.scr_layers.layers
        return range(max(1, int(self.answers["n_layers"].max()) // 2))


def read_evidence(path: str | Path) -> Evidence:
    """Read a run or an experiment folder.

    Args:
        path: A run directory, or a folder with `pope/` and side tables.

    Returns:
        The evidence; the same for the same files.

    Raises:
        StoreError: If there is no run, or a stored file is damaged.
    """
    folder = Path(path)
    run = next((p for p in (folder, folder / POPE) if (p / "run.json").exists()), None)
    if run is None:
        raise StoreError(
            f"{folder} is neither a run nor an experiment folder (no run.json in it or in its {POPE}/); "
            "give the folder of a run"
        )
    records = read_run(run, _ANSWERS)
    for name in (CONTROLS, CHOSEN):
        records = with_controls(records, _beside(folder, name), folder / name)
    boxes, profile = (read_side_table(folder, name) for name in ("boxes", "autocorrelation"))
    answers = with_autocorrelation(with_norm_sums(records), profile)
    ablations = _beside(folder, ABLATIONS)
    if ablations is not None:
        ablations = with_norm_sums(with_main_rows(ablations, records, folder / ABLATIONS)).drop(columns=_MAPS)
    layers, chosen = _facts(folder)
    return Evidence(
        name=str(answers["model_id"].iloc[0]) if len(answers) else folder.name,
        answers=answers.drop(columns=_MAPS),
        ablations=ablations,
        credit=_credit(records, read_side_table(folder, "credit")),
        captions=_captions(folder),
        boxes=boxes,
        autocorrelation=profile,
        scr_layers=layers,
        chosen=chosen,
        steps=first_steps(records, 0 if layers is None else layers.first),
        times=read_times(folder),
    )


def _beside(folder: Path, name: str) -> pd.DataFrame | None:
    """A further run of an experiment; None where there is none."""
    return read_run(folder / name, _ANSWERS) if (folder / name / "run.json").exists() else None


def with_norm_sums(records: pd.DataFrame) -> pd.DataFrame:
    """Add the total norm of the image tokens per layer.

    Args:
        records: Records with `resid_norm`.

    Returns:
        A copy with the column `norm_sum`: one array [layer] per record, None where no norms are stored.
    """
    sums = [None if norm is None else norm.sum(axis=-1, dtype=np.float64) for norm in records["resid_norm"]]
    return records.assign(norm_sum=pd.Series(sums, index=records.index, dtype=object))


def with_autocorrelation(records: pd.DataFrame, profile: pd.DataFrame | None) -> pd.DataFrame:
    """Add the spatial autocorrelation of each record's image.

    Args:
        records: Records with `image_id`.
        profile: Side table "autocorrelation"; None leaves the records alone.

    Returns:
        The records with the column `autocorrelation` (pixels at distance sqrt 2), NaN for unknown images.
    """
    if profile is None:
        return records
    chosen = profile[(profile["measure"] == P3_MEASURE) & np.isclose(profile["distance"], P3_DISTANCE)]
    return records.assign(autocorrelation=records["image_id"].map(chosen.set_index("image_id")["rho"]))


def first_steps(records: pd.DataFrame, layer: int, n_images: int = STEP_IMAGES) -> pd.DataFrame | None:
    """Patch norms before and after the first application of SCR, one question per image.

    Both conditions give the first block the same input, so its output without SCR is exactly what SCR's
    first application starts from.

    Args:
        records: Records with norms and sources.
        layer: First block that SCR acts on.
        n_images: Images, the first by name that have both.

    Returns:
        image_id, question, grid_h, grid_w, sources, before, after (float64 [patch]); None if there are none.
    """
    key = ["image_id", "question"]
    kept = [*key, "grid_h", "grid_w", "resid_norm"]
    before, after = (
        records[records["condition"].eq(name) & records["resid_norm"].notna()] for name in ("vanilla", "scr")
    )
    after = after[after["sources"].notna()]
    names = sorted(set(before["image_id"]) & set(after["image_id"]))[:n_images]
    before, after = (rows[rows["image_id"].isin(names)] for rows in (before, after))
    pairs = before[kept].merge(after[[*key, "resid_norm", "sources"]], on=key, suffixes=("", "_after"))
    chosen = pairs.sort_values(key).drop_duplicates("image_id").reset_index(drop=True)
    if chosen.empty:
        return None
    columns = {"before": "resid_norm", "after": "resid_norm_after"}
    maps = {
        name: pd.Series([norm[layer].astype(np.float64) for norm in chosen[column]], dtype=object)
        for name, column in columns.items()
    }
    return chosen[[*key, "grid_h", "grid_w", "sources"]].assign(**maps)


def map_credit(records: pd.DataFrame, condition: str = "vanilla") -> pd.DataFrame | None:
    """Correlation of the patch norms with the stored attention map, per question and layer.

    Args:
        records: Records with maps.
        condition: Condition to use.

    Returns:
        Rows of the side table "credit" for the estimator "attention map A"; None if no record has maps.
    """
    chosen = records["condition"].eq(condition) & records["resid_norm"].notna() & records["attention"].notna()
    parts = [_map_part(part) for _, part in records[chosen].groupby(["grid_h", "grid_w", "n_layers"])]
    return pd.concat(parts, ignore_index=True) if parts else None


def _map_part(rows: pd.DataFrame) -> pd.DataFrame:
    norms = np.stack(rows["resid_norm"].tolist()).astype(np.float64)
    maps = np.stack(rows["attention"].tolist()).astype(np.float64)[:, None, :]
    n_layers = norms.shape[1]
    return pd.DataFrame(
        {
            "image_id": np.repeat(rows["image_id"].to_numpy(dtype=object), n_layers),
            "question": np.repeat(rows["question"].to_numpy(dtype=object), n_layers),
            "estimator": MAP_ESTIMATOR,
            "layer": np.tile(np.arange(n_layers), len(rows)),
            "pearson": pearson(norms, maps).reshape(-1),
            "spearman": spearman(norms, maps).reshape(-1),
            "entropy_nats": np.repeat(rows["entropy_attention_nats"].to_numpy(dtype=np.float64), n_layers),
        }
    )


def _facts(folder: Path) -> tuple[LayerRange | None, str | None]:
    """Blocks that SCR acts on and the condition with the chosen settings; None for what is not recorded."""
    file = folder / FACTS
    if not file.exists():
        return None, None
    try:
        facts = json.loads(file.read_bytes())
        return LayerRange.parse(facts["scr_layers"]), facts.get("chosen")
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise StoreError(f"cannot read {file} ({error}); delete it and run the experiment again") from error


def _credit(records: pd.DataFrame, stored: pd.DataFrame | None) -> pd.DataFrame | None:
    parts: Sequence[pd.DataFrame] = [part for part in (stored, map_credit(records)) if part is not None]
    return pd.concat(parts, ignore_index=True) if parts else None


def _captions(folder: Path) -> pd.DataFrame | None:
    objects, references = (read_side_table(folder, name) for name in ("caption_objects", "references"))
    if objects is None or references is None or not (folder / CAPTIONS / "run.json").exists():
        return None
    rows = read_run(folder / CAPTIONS, ["image_id", "condition", "status", "answer_text"])
    return score_captions(rows, objects, references)
