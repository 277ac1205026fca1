"""EF1 and P1 on stored records: claims about the unmodified model."""

import pandas as pd

from scr_lens.analysis.bootstrap import DEFAULT_SAMPLING, Sampling
from scr_lens.analysis.predictions.entropy_hallucination import (
    PAPER_BINS,
    BinnedCorrelation,
    binned_correlation,
    entropy_hallucination,
)
from scr_lens.analysis.predictions.norm_credit import norm_credit
from scr_lens.analysis.records import (
    absent_questions,
    normalized_entropy,
    of_condition,
    said_yes,
    stack_column,
)
from scr_lens.analysis.verdict import PredictionResult


def ef1(
    frame: pd.DataFrame,
    *,
    layers: range,
    estimator: str = "attention",
    condition: str = "vanilla",
    paper_value: float | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> PredictionResult:
    """EF1 on records: stored norms against a stored credit column.

    Args:
        frame: Records of one model and one grid size.
        layers: Early layers, 0-based.
        estimator: Credit column: one map per record, or one per layer stored flat.
        condition: Condition to use.
        paper_value: The paper's r.
        sampling: Resampling settings.

    Returns:
        The result; questions of one image are one cluster.

    Raises:
        DataError: If norms or credit are not stored.
    """
    rows = of_condition(frame, condition)
    n_layers = int(rows["n_layers"].iloc[0])
    norm = stack_column(rows, "resid_norm", n_layers)
    credit = stack_column(rows, estimator)
    shaped = credit.reshape(len(rows), -1, norm.shape[-1])
    images = rows["image_id"].tolist()
    return norm_credit(
        norm, shaped, images, layers=layers, estimator=estimator, paper_value=paper_value, **sampling
    )


def p1(
    frame: pd.DataFrame,
    *,
    estimator: str = "attention",
    layers: range | None = None,
    condition: str = "vanilla",
    paper_value: float | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> PredictionResult:
    """P1 on records, per question.

    Args:
        frame: Records of one model.
        estimator: Entropy column `entropy_<estimator>_nats`.
        layers: Layers to average an entropy stored per layer over.
        condition: Condition to use.
        paper_value: The paper's r for this model.
        sampling: Resampling settings.

    Returns:
        The result.

    Raises:
        DataError: If the column is missing or no absent-object question exists.
    """
    rows = absent_questions(of_condition(frame, condition))
    entropy, hits, images = (
        normalized_entropy(rows, estimator, layers),
        said_yes(rows),
        rows["image_id"].tolist(),
    )
    return entropy_hallucination(
        entropy, hits, images, estimator=estimator, paper_value=paper_value, **sampling
    )


def p1_binned(
    frame: pd.DataFrame,
    *,
    estimator: str = "attention",
    layers: range | None = None,
    condition: str = "vanilla",
    n_bins: int = PAPER_BINS,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> BinnedCorrelation:
    """P1 on records, over bins as in the paper.

    Args:
        frame: Records of one model.
        estimator: Entropy column `entropy_<estimator>_nats`.
        layers: Layers to average an entropy stored per layer over.
        condition: Condition to use.
        n_bins: Number of bins.
        sampling: Resampling settings.

    Returns:
        The binned correlation, labeled as such.

    Raises:
        DataError: As `p1`.
    """
    rows = absent_questions(of_condition(frame, condition))
    entropy, hits, images = (
        normalized_entropy(rows, estimator, layers),
        said_yes(rows),
        rows["image_id"].tolist(),
    )
    return binned_correlation(entropy, hits, images, n_bins=n_bins, **sampling)
