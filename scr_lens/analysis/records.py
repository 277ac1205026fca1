"""Records: the rows of a stored run, checked, selected and paired before any statistic."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from scr_lens.analysis.entropy import layer_summary
from scr_lens.errors import DataError

OK_STATUS = "ok"
PAIR_KEY = ("image_id", "question")
LABELS = ("yes", "no")


def require_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a frame that lacks a column.

    Args:
        frame: Records.
        columns: Names that must be present.

    Raises:
        DataError: Naming the missing columns and those at hand.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(
            f"records lack {missing}: found {sorted(map(str, frame.columns))}; read the run with those"
        )


def usable_records(frame: pd.DataFrame) -> pd.DataFrame:
    """Records that were computed without error.

    Args:
        frame: Records; without a `status` column every row counts as usable.

    Returns:
        The rows whose status is "ok", with a fresh index.

    Raises:
        DataError: If a label is neither "yes" nor "no", or no row is left.
    """
    require_columns(frame, ["image_id", "label", "answer"])
    kept = frame[frame["status"] == OK_STATUS] if "status" in frame.columns else frame
    if len(kept) == 0:
        raise DataError(
            f"0 of {len(frame)} records are usable: expected status 'ok'; look at the run's errors"
        )
    wrong = set(kept["label"]) - set(LABELS)
    if wrong:
        raise DataError(
            f"label {sorted(map(str, wrong))[0]!r}: expected 'yes' or 'no'; fix the benchmark file"
        )
    return kept.reset_index(drop=True)


def of_condition(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Usable records of one condition.

    Args:
        frame: Records.
        condition: Value of the `condition` column.

    Returns:
        Its rows.

    Raises:
        DataError: If the condition does not occur.
    """
    require_columns(frame, ["condition"])
    rows = frame[frame["condition"] == condition]
    if len(rows) == 0:
        known = sorted(map(str, frame["condition"].unique()))
        raise DataError(f"condition {condition!r}: expected one of {known}; choose a condition of this run")
    return usable_records(rows)


def of_split(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Records that belong to a benchmark split (a question may belong to several).

    Args:
        frame: Records with a list column `splits`.
        split: Name of the split.

    Returns:
        Its rows, each once.

    Raises:
        DataError: If no record belongs to it.
    """
    require_columns(frame, ["splits"])
    held = [tuple(names) for names in frame["splits"]]
    belongs = {names: split in names for names in set(held)}  # few distinct ones among many rows
    rows = frame[[belongs[names] for names in held]]
    if len(rows) == 0:
        known = split_names(frame)
        raise DataError(f"split {split!r}: expected one of {known}; choose a split of this run")
    return rows.reset_index(drop=True)


def split_names(frame: pd.DataFrame) -> list[str]:
    """Splits that occur, in alphabetical order.

    Args:
        frame: Records; without a `splits` column there are none.

    Returns:
        Names of the splits.
    """
    if "splits" not in frame.columns:
        return []
    return sorted({str(name) for names in set(map(tuple, frame["splits"])) for name in names})


def pair_conditions(frame: pd.DataFrame, baseline: str, treated: str) -> pd.DataFrame:
    """Match the answers of two conditions question by question.

    Args:
        frame: Records of one model.
        baseline: Condition compared against, for example "vanilla".
        treated: Condition of interest, for example "scr".

    Returns:
        The baseline's rows of questions answered under both, with the other answer in `answer_treated`;
        `answer` keeps the baseline's. `attrs["n_unpaired"]` counts questions found under one condition only.

    Raises:
        DataError: If a question occurs twice under a condition or nothing can be paired.
    """
    before, after = of_condition(frame, baseline), of_condition(frame, treated)
    key = list(PAIR_KEY)
    require_columns(frame, key)
    for name, rows in ((baseline, before), (treated, after)):
        if rows.duplicated(key).any():
            twice = rows.loc[rows.duplicated(key), key].iloc[0].to_dict()
            raise DataError(
                f"condition {name!r} has {twice} more than once: expected one row; select one model and run"
            )
    paired = before.merge(after[[*key, "answer"]], on=key, suffixes=("", "_treated"), validate="one_to_one")
    if len(paired) == 0:
        raise DataError(
            f"no question is answered under both {baseline!r} and {treated!r}; run both on the same set"
        )
    paired.attrs["n_unpaired"] = len(before) + len(after) - 2 * len(paired)
    return paired


def said_yes(frame: pd.DataFrame, column: str = "answer") -> Float[np.ndarray, "question"]:
    """Whether each answer is exactly "yes".

    Args:
        frame: Records.
        column: Answer column.

    Returns:
        1.0 for "yes", 0.0 for "no" and for an answer that is neither.
    """
    return (frame[column] == "yes").to_numpy(dtype=np.float64)


def is_absent(frame: pd.DataFrame) -> Float[np.ndarray, "question"]:
    """Whether each question asks about an absent object.

    Args:
        frame: Records.

    Returns:
        1.0 where the label is "no", else 0.0.
    """
    return (frame["label"] == "no").to_numpy(dtype=np.float64)


def is_correct(frame: pd.DataFrame, column: str = "answer") -> Float[np.ndarray, "question"]:
    """Whether each answer equals its label.

    Args:
        frame: Records.
        column: Answer column.

    Returns:
        1.0 when equal, else 0.0; an answer that is neither "yes" nor "no" is never correct.
    """
    return (frame[column] == frame["label"]).to_numpy(dtype=np.float64)


def stack_column(
    frame: pd.DataFrame, column: str, n_rows: int | None = None
) -> Float[np.ndarray, "question *shape"]:
    """Stack an array-valued column into one array.

    Args:
        frame: Records of one grid size.
        column: Column holding one array per record.
        n_rows: When given, each array is reshaped to (n_rows, -1): layers stored flat become a layer axis.

    Returns:
        Array with one leading entry per record.

    Raises:
        DataError: If a record has no array or the lengths differ.
    """
    require_columns(frame, [column])
    arrays = [np.asarray(value, dtype=np.float64) for value in frame[column] if value is not None]
    sizes = {array.shape for array in arrays}
    if len(arrays) != len(frame) or len(sizes) != 1 or () in sizes:
        raise DataError(
            f"column {column!r} holds {len(arrays)} arrays of shapes {sorted(sizes)} for {len(frame)} rows:"
            " expected one shape; group by grid size first"
        )
    stacked = np.stack(arrays)
    return stacked if n_rows is None else stacked.reshape(len(arrays), n_rows, -1)


def normalized_entropy(
    frame: pd.DataFrame, estimator: str = "attention", layers: range | None = None
) -> Float[np.ndarray, "question"]:
    """Credit entropy of each record divided by ln of its own number of patches.

    Reads `entropy_<estimator>_nats`: a number per record, or one per layer, which is averaged over `layers`.

    Args:
        frame: Records with `grid_h` and `grid_w`.
        estimator: Credit estimator, for example "attention" or "norm".
        layers: 0-based layers to average; None takes all stored ones.

    Returns:
        Normalized entropy in [0, 1]: 0 all credit on one patch, 1 all patches equal.

    Raises:
        DataError: If the column is missing or a layer is not stored.
    """
    column = f"entropy_{estimator}_nats"
    require_columns(frame, [column, "grid_h", "grid_w"])
    nats = np.array([_entropy_value(value, layers) for value in frame[column]])
    patches = frame["grid_h"].to_numpy(dtype=np.float64) * frame["grid_w"].to_numpy(dtype=np.float64)
    entropy: np.ndarray = nats / np.log(patches)
    return entropy


def _entropy_value(value: object, layers: range | None) -> float:
    stored = np.asarray(value, dtype=np.float64)
    return float(stored) if stored.ndim == 0 else float(layer_summary(stored, layers))


def absent_questions(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that ask about an absent object, where a yes is a hallucination.

    Args:
        rows: Records.

    Returns:
        Rows whose label is "no".

    Raises:
        DataError: If there is none.
    """
    kept: pd.DataFrame = rows[is_absent(rows) == 1.0].reset_index(drop=True)
    if len(kept) == 0:
        raise DataError(f"0 of {len(rows)} records ask about an absent object: expected label 'no' on some")
    return kept
