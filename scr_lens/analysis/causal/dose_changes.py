"""What every dose changed, question by question and on average."""

import numpy as np
import pandas as pd

from scr_lens.analysis.causal.means import clustered_mean
from scr_lens.analysis.multiplicity import holm
from scr_lens.errors import DataError

NO_INSTRUMENT = "none"
KEY = ["image_id", "question"]


def paired_changes(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Every treated row with its change against the untouched row of the same question.

    Args:
        frame: As for `dose_response`.
        column: Entropy column.

    Returns:
        Treated rows with x (log dose), d_entropy, d_p_yes, d_yes and the untouched value of each
        (`entropy_before`, `p_yes_before`, `yes_before`).

    Raises:
        DataError: If a treated question has no untouched row, or a dose is not above 0.
    """
    rows = frame.assign(yes=(frame["answer"] == "yes").astype(float), entropy=frame[column])
    measured = ["entropy", "p_yes", "yes"]
    is_before = rows["instrument"] == NO_INSTRUMENT
    before = rows.loc[is_before, [*KEY, *measured]]
    treated = rows[~is_before]
    if len(before) == 0 or len(treated) == 0 or not (treated["dose"] > 0).all():
        raise DataError(
            f"{len(before)} untouched and {len(treated)} treated rows: expected both, with doses above 0; "
            "run the doses on questions that were also asked without intervention"
        )
    merged = treated.merge(before, on=KEY, how="left", suffixes=("", "_before"), validate="many_to_one")
    if merged["p_yes_before"].isna().any():
        raise DataError(
            "a treated question has no untouched row: expected instrument 'none' for every question"
        )
    changes = {f"d_{name}": merged[name] - merged[f"{name}_before"] for name in measured}
    return merged.assign(x=np.log(merged["dose"].to_numpy(dtype=np.float64)), **changes)


def dose_table(changes: pd.DataFrame) -> pd.DataFrame:
    """Mean change per instrument, dose and quantity.

    Args:
        changes: As returned by `paired_changes`.

    Returns:
        The table `DoseResponse.doses`.
    """
    rows = []
    for (instrument, dose), part in changes.groupby(["instrument", "dose"], sort=True):
        absent, present = (part[part["label"] == label] for label in ("no", "yes"))
        wanted = {
            "entropy": (absent, "entropy"),
            "p_yes absent": (absent, "p_yes"),
            "hallucination_rate": (absent, "yes"),
            "p_yes present": (present, "p_yes"),
            "recall": (present, "yes"),
        }
        for quantity, (asked, name) in wanted.items():
            if asked["image_id"].nunique() < 2:
                continue
            mean = clustered_mean(asked[f"d_{name}"].to_numpy(), asked["image_id"].tolist())
            head = {"instrument": instrument, "dose": dose, "quantity": quantity}
            rows.append(head | mean.to_row() | {"baseline": float(asked[f"{name}_before"].mean())})
    table = pd.DataFrame(rows)
    table["p_holm"] = table.groupby(["instrument", "quantity"])["p_value"].transform(
        lambda p: holm(p.tolist())
    )
    return table
