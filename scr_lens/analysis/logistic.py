"""Logistic regression of a yes/no outcome on one predictor, with image-clustered errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from scipy import special

from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import require_images
from scr_lens.errors import DataError

_MAX_STEPS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class LogisticSlope:
    """Change of the log odds per standard deviation of the predictor.

    Attributes:
        estimate: Slope in log odds per standard deviation.
        low: Lower end of the interval.
        high: Upper end.
        se: Image-clustered (sandwich) standard error.
        p_value: Two-sided p-value of a zero slope.
        n_images: Number of images.
    """

    estimate: float
    low: float
    high: float
    se: float
    p_value: float
    n_images: int


def _fit(design: Float[np.ndarray, "question 2"], y: Float[np.ndarray, "question"]) -> Float[np.ndarray, "2"]:
    beta: np.ndarray = np.zeros(2)
    for _ in range(_MAX_STEPS):
        p = special.expit(design @ beta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), design.T @ (y - p))
        beta = beta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < _TOLERANCE:
            return beta
    raise DataError(
        "logistic regression did not converge: the predictor separates the outcomes; use more questions"
    )


def logistic_slope(
    predictor: Num[np.ndarray, "question"],
    outcome: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    level: float = 0.95,
) -> LogisticSlope:
    """Slope of logit P(outcome) on the standardized predictor.

    Maximum likelihood by Newton steps; variance B M B with B the inverse information and M the outer product
    of the images' scores, times n/(n-1); t interval with n - 1 degrees of freedom.

    Args:
        predictor: One value per question, standardized inside.
        outcome: 0 or 1 per question.
        image_ids: Image of each question.
        level: Confidence level.

    Returns:
        The slope; negative when larger predictors go with fewer events.

    Raises:
        DataError: If the predictor or the outcome is constant, the fit diverges, or there are fewer than 2
            images.

    Source: Liang and Zeger (1986), Biometrika 73 (the sandwich variance).
    """
    x, y = np.asarray(predictor, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if x.std() == 0 or y.std() == 0:
        raise DataError(
            "predictor or outcome is constant: a slope needs variation in both; use more questions"
        )
    design = np.stack([np.ones_like(x), (x - x.mean()) / x.std()], axis=-1)
    beta = _fit(design, y)
    p = special.expit(design @ beta)
    bread = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)
    scores = image_totals(design * (y - p)[:, None], image_ids)
    n_images = len(scores)
    require_images(n_images)
    variance = bread @ (scores.T @ scores) @ bread * n_images / (n_images - 1)
    slope, error = float(beta[1]), float(np.sqrt(variance[1, 1]))
    half = float(special.stdtrit(n_images - 1, 0.5 + level / 2)) * error
    p_value = 2 * float(special.stdtr(n_images - 1, -abs(slope) / error))
    return LogisticSlope(slope, slope - half, slope + half, error, p_value, n_images)
