"""The two-lines test of an inverted U over a grid of levels (Simonsohn 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from scipy import special

from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import require_images
from scr_lens.errors import DataError

_PENALTIES = np.logspace(-6, 4, 41)


@dataclass(frozen=True)
class Line:
    """One of the two lines.

    Attributes:
        slope: Gain per unit of the level.
        rise: Slope times the length of its segment: the gain's change along the line.
        se: Image-clustered standard error of `rise`.
        low: Lower end of the interval of `rise`.
        high: Upper end.
    """

    slope: float
    rise: float
    se: float
    low: float
    high: float


@dataclass(frozen=True)
class TwoLines:
    """Result of the two-lines test.

    Attributes:
        breakpoint: Level where the lines meet, by the Robin Hood rule.
        before: Line up to the breakpoint; an inverted U rises here.
        after: Line from the breakpoint; an inverted U falls here.
        p_value: Two-sided p-value that at least one line does not have its sign (the larger of the two).
        levels: The levels.
        gains: Mean gain at each level.
        n_images: Number of images.
    """

    breakpoint: float
    before: Line
    after: Line
    p_value: float
    levels: tuple[float, ...]
    gains: tuple[float, ...]
    n_images: int

    def weaker(self) -> tuple[float, float, float]:
        """The claim's weak side: min(rise before, fall after) with the minimum of the ends.

        Returns:
            Estimate, lower and upper end; an inverted U is as certain as the less certain of its two sides.
        """
        parts = [
            (self.before.rise, self.before.low, self.before.high),
            (-self.after.rise, -self.after.high, -self.after.low),
        ]
        estimate, low, high = (min(values) for values in zip(*parts, strict=True))
        return estimate, low, high


def level_means(
    gains: Num[np.ndarray, "question level"], image_ids: Sequence[object]
) -> tuple[Float[np.ndarray, "level"], Float[np.ndarray, "level level"], int]:
    """Mean gain at every level with the image-clustered covariance of these means.

    Args:
        gains: Gain of each question at each level.
        image_ids: Image of each question.

    Returns:
        Means, their covariance, and the number of images.

    Raises:
        DataError: If there are fewer than 2 images.
    """
    terms = np.concatenate([gains, np.ones((len(gains), 1))], axis=1)
    totals = image_totals(terms, image_ids)
    n_images = len(totals)
    require_images(n_images)
    means = totals[:, :-1].sum(axis=0) / totals[:, -1].sum()
    influence = (totals[:, :-1] - means * totals[:, -1:]) / totals[:, -1].sum()
    return means, influence.T @ influence * n_images / (n_images - 1), n_images


def _curvature(x: np.ndarray) -> np.ndarray:
    """Penalty matrix of a natural cubic spline through its knots: f'Kf is the integral of f''^2."""
    h = np.diff(x)
    n = len(x)
    q, r = np.zeros((n, n - 2)), np.zeros((n - 2, n - 2))
    for j in range(n - 2):
        q[j : j + 3, j] = 1 / h[j], -1 / h[j] - 1 / h[j + 1], 1 / h[j + 1]
        r[j, j] = (h[j] + h[j + 1]) / 3
        if j + 1 < n - 2:
            r[j, j + 1] = r[j + 1, j] = h[j + 1] / 6
    penalty: np.ndarray = q @ np.linalg.solve(r, q.T)
    return penalty


def smoother(
    levels: Float[np.ndarray, "level"], means: Float[np.ndarray, "level"]
) -> Float[np.ndarray, "level level"]:
    """Matrix of the natural cubic smoothing spline chosen by generalized cross-validation.

    Args:
        levels: Increasing levels.
        means: Mean gain at each level.

    Returns:
        Symmetric matrix S; the smooth curve is S @ means, and S reproduces straight lines.

    Source: Green and Silverman (1994), Nonparametric Regression and Generalized Linear Models, ch. 2-3.
    """
    scaled = (levels - levels[0]) / (levels[-1] - levels[0])
    roughness, basis = np.linalg.eigh(_curvature(scaled))
    shrink = _PENALTIES[:, None] * np.maximum(roughness, 0.0)
    shrink = shrink / (1 + shrink)
    residual = shrink * (basis.T @ means)
    scores = np.sum(residual**2, axis=1) / np.sum(shrink, axis=1) ** 2
    matrix: np.ndarray = (basis * (1 - shrink[int(np.argmin(scores))])) @ basis.T
    return matrix


def _segment_weights(levels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Row vector w such that w @ means is the least-squares slope on the chosen levels."""
    centered = np.where(chosen, levels - levels[chosen].mean(), 0.0)
    weights: np.ndarray = centered / np.sum(centered**2)
    return weights


def _segments(levels: np.ndarray, at: float) -> tuple[np.ndarray, np.ndarray]:
    return levels <= at + 1e-12, levels >= at - 1e-12


def robin_hood(
    levels: Float[np.ndarray, "level"],
    means: Float[np.ndarray, "level"],
    cov: Float[np.ndarray, "level level"],
) -> float:
    """Breakpoint that gives more levels to the weaker of the two lines.

    The flat top is the set of interior levels whose smooth value is within one standard error of the smooth
    interior maximum. Lines through its median give |z1| and |z2|; the breakpoint is the quantile
    |z2| / (|z1| + |z2|) of the flat top, kept between the second and the last but one level.

    Args:
        levels: Increasing levels.
        means: Mean gain at each level.
        cov: Covariance of the means.

    Returns:
        The breakpoint.

    Source: Simonsohn (2018), "Two lines", AMPPS 1(4), the Robin Hood algorithm.
    """
    matrix = smoother(levels, means)
    smooth, error = matrix @ means, np.sqrt(np.maximum(np.diag(matrix @ cov @ matrix.T), 0.0))
    top = 1 + int(np.argmax(smooth[1:-1]))
    interior = np.arange(1, len(levels) - 1)
    flat = levels[interior][smooth[interior] >= smooth[top] - error[top]]
    z = [
        abs(slope) / max(spread, 1e-12)
        for slope, spread in _slopes(levels, means, cov, float(np.median(flat)))
    ]
    share = z[1] / (z[0] + z[1]) if z[0] + z[1] > 0 else 0.5
    return float(np.clip(np.quantile(flat, share), levels[1], levels[-2]))


def _slopes(levels: np.ndarray, means: np.ndarray, cov: np.ndarray, at: float) -> list[tuple[float, float]]:
    weights = [_segment_weights(levels, chosen) for chosen in _segments(levels, at)]
    return [(float(w @ means), float(np.sqrt(max(w @ cov @ w, 0.0)))) for w in weights]


def two_lines(
    levels: Sequence[float],
    gains: Num[np.ndarray, "question level"],
    image_ids: Sequence[object],
    *,
    confidence: float = 0.95,
) -> TwoLines:
    """Test an inverted U: does the gain rise up to a breakpoint and fall after it?

    Two least-squares lines through the mean gains up to and from the breakpoint (which belongs to both), with
    image-clustered errors. Both must have their sign: a quadratic term alone would also accept a saturating
    curve.

    Args:
        levels: At least 5 increasing levels of lambda; include 1 (gain 0 by definition).
        gains: Baseline minus treated outcome of each question at each level.
        image_ids: Image of each question.
        confidence: Confidence level of the lines' intervals.

    Returns:
        Breakpoint, both lines and the p-value of their conjunction.

    Raises:
        DataError: If there are fewer than 5 levels, they do not increase, or shapes differ.

    Source: Simonsohn (2018), AMPPS 1(4), doi 10.1177/2515245918805755; SCR paper, Sec. 5.5 (P4).
    """
    x = np.asarray(levels, dtype=np.float64)
    if len(x) < 5 or (np.diff(x) <= 0).any() or gains.shape[1:] != x.shape:
        raise DataError(
            f"levels {x.tolist()} with gains of shape {gains.shape}: expected >= 5 increasing levels"
        )
    means, cov, n_images = level_means(gains, image_ids)
    at = robin_hood(x, means, cov)
    quantile = float(special.stdtrit(n_images - 1, 0.5 + confidence / 2))
    lines, p_values = [], []
    for (slope, error), chosen, sign in zip(
        _slopes(x, means, cov, at), _segments(x, at), (1, -1), strict=True
    ):
        length = float(np.ptp(x[chosen]))
        rise, spread = slope * length, error * length
        lines.append(Line(slope, rise, spread, rise - quantile * spread, rise + quantile * spread))
        t_value = sign * rise / spread if spread > 0 else np.sign(sign * rise) * np.inf if rise else 0.0
        p_values.append(min(1.0, 2 * float(special.stdtr(n_images - 1, -t_value))))
    return TwoLines(at, lines[0], lines[1], max(p_values), tuple(x.tolist()), tuple(means.tolist()), n_images)
