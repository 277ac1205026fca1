"""The paired reduction of the hallucination rate, with the interval that claims, tables and figures share."""

import numpy as np
import pandas as pd

from scr_lens.analysis.interval import Interval
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.records import absent_questions, said_yes
from scr_lens.analysis.unchanged import widened

IDENTITY = "identity"
"""Condition that changes nothing by construction: its interval stays a point."""


def gain_of(paired: pd.DataFrame) -> np.ndarray:
    """Hallucinations removed per question.

    Args:
        paired: Rows of `records.pair_conditions`, absent objects only.

    Returns:
        False yes at baseline minus false yes under treatment: 1 removed, -1 added, 0 unchanged.
    """
    gain: np.ndarray = said_yes(paired) - said_yes(paired, "answer_treated")
    return gain


def rate_reduction(paired: pd.DataFrame, condition: str) -> Interval:
    """Hallucination rate of the baseline minus that under a condition, on the same absent objects.

    Args:
        paired: Rows of `records.pair_conditions`.
        condition: The treated condition.

    Returns:
        Reduction in [-1, 1], positive where the condition hallucinates less. Where not a single image
        changed, the ends are those of no event in as many images (`unchanged.widened`), not a point; only
        the identity keeps its point.

    Raises:
        DataError: If no question asks about an absent object, or there are fewer than 2 images.
    """
    rows = absent_questions(paired)
    mean = mean_interval(gain_of(rows), rows["image_id"].tolist())
    return mean if condition == IDENTITY else widened(mean)
