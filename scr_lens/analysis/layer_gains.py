"""Measured norm gain per layer on records, from the stored total norm of the image tokens."""

import numpy as np
import pandas as pd

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.conditions import MissingEvidenceError, require_conditions
from scr_lens.analysis.norm_gain import norm_gain
from scr_lens.analysis.records import PAIR_KEY, of_condition, require_columns


def layer_gains(frame: pd.DataFrame, treated: str = "scr") -> tuple[np.ndarray, list[object]]:
    """Ratio of the total norm after and before, per question and layer.

    Args:
        frame: Records with `norm_sum`: the sum of the patch norms per layer.
        treated: Condition of interest.

    Returns:
        Ratios [question, layer] and the image of each question.

    Raises:
        MissingEvidenceError: If conditions or norms are missing.
    """
    require_conditions(frame, "vanilla", treated)
    require_columns(frame, ["norm_sum"])
    key = list(PAIR_KEY)
    before, after = (of_condition(frame, name).dropna(subset=["norm_sum"]) for name in ("vanilla", treated))
    rows = before.merge(after[[*key, "norm_sum"]], on=key, suffixes=("", "_after"), validate="one_to_one")
    if rows.empty:
        raise MissingEvidenceError(f"needs stored norms under vanilla and {treated} of the same questions")
    sums = [np.stack(rows[column].tolist())[..., None] for column in ("norm_sum", "norm_sum_after")]
    return norm_gain(sums[0], sums[1]), rows["image_id"].tolist()


def layer_gain_table(frame: pd.DataFrame, treated: str = "scr") -> pd.DataFrame:
    """Mean norm gain per layer with image-clustered intervals.

    Args:
        frame: Records with `norm_sum`.
        treated: Condition of interest.

    Returns:
        Table: condition, layer, estimate (ratio; 1 where nothing changed), ci_low, ci_high, n_images,
        n_questions.

    Raises:
        MissingEvidenceError: As `layer_gains`.
    """
    gains, images = layer_gains(frame, treated)
    rows = []
    for layer, column in enumerate(gains.T):
        terms = np.stack([column, np.ones_like(column)], axis=-1)
        found = cluster_interval(image_totals(terms, images))
        ends = {"estimate": found.estimate, "ci_low": found.low, "ci_high": found.high}
        sizes = {"n_images": found.n_images, "n_questions": len(images)}
        rows.append({"condition": treated, "layer": layer, **ends, **sizes})
    return pd.DataFrame(rows)
