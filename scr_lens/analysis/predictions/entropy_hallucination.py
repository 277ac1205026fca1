"""P1: does low credit entropy go with hallucination?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Num
from scipy import stats

from scr_lens.analysis.bootstrap import N_RESAMPLES, cluster_interval, resample_weights
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.correlation import pearson
from scr_lens.analysis.interval import FISHER
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.power import detectable_correlation
from scr_lens.analysis.statistic import CORRELATION, correlation_totals
from scr_lens.analysis.strata import quantile_strata
from scr_lens.analysis.verdict import PredictionResult, conclude

PAPER_BINS = 30
_CAVEATS = (
    "an association: entropy is not set here, so a third cause (a cluttered image) may drive both",
    "per question; the paper's r of about -0.65 fits a correlation of about 30 bins and is not comparable",
)


def entropy_hallucination(
    entropy: Num[np.ndarray, "question"],
    hallucinated: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    estimator: str,
    paper_value: float | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> PredictionResult:
    """Test P1 on questions about absent objects.

    Point-biserial (Pearson) r between the entropy and the false yes of each question; interval by a
    studentized bootstrap over images on Fisher's scale; p-value by flipping the sign of the images' scores.

    Args:
        entropy: Normalized credit entropy per question.
        hallucinated: 1 for a false yes, else 0; absent-object questions only.
        image_ids: Image of each question.
        estimator: Name of the credit estimator behind the entropy.
        paper_value: The paper's r for this model (a binned one).
        n_resamples: Number of resamples.
        seed: Seed of resampling and flips.

    Returns:
        r in [-1, 1], negative when hallucinations have low entropy, with the verdict of rule P1.

    Raises:
        DataError: If entropy or outcome is constant, or there are fewer than 2 images.

    Source: SCR paper, Sec. 5.5 (P1).
    """
    x, y = np.asarray(entropy, dtype=np.float64), np.asarray(hallucinated, dtype=np.float64)
    totals = image_totals(correlation_totals(x, y), image_ids)
    r = cluster_interval(
        totals, CORRELATION, method="studentized", scale=FISHER, n_resamples=n_resamples, seed=seed
    )
    se_z = r.se / (1 - r.estimate**2)
    return conclude(
        "P1",
        interval=(r.estimate, r.low, r.high),
        p_value=sign_flip_test(totals[:, 5], seed=seed),
        size=(r.n_images, len(x)),
        estimator=f"{estimator} entropy, per-question point-biserial",
        detectable_effect=-detectable_correlation(se_z, r.n_images),
        paper_value=paper_value,
        caveats=_CAVEATS,
    )


@dataclass(frozen=True)
class BinnedCorrelation:
    """Correlation over bins of questions, the kind of number the paper reports.

    Attributes:
        r: Pearson r between the bins' mean entropy and hallucination rate.
        low: Lower end of the image-clustered percentile interval (bins fixed).
        high: Upper end.
        p_naive: The p-value that takes bins as independent points, as the paper's p-values do.
        n_bins: Number of bins.
        bins: Table: bin, entropy_mean, rate, n_questions.
        label: What this number is and is not.
    """

    r: float
    low: float
    high: float
    p_naive: float
    n_bins: int
    bins: pd.DataFrame
    label: str


def _bin_correlation(sums: np.ndarray) -> np.ndarray:
    counts, x, hits = np.moveaxis(sums, -1, 0)
    filled = counts > 0
    safe = np.where(filled, counts, 1.0)
    if filled.all():
        return pearson(x / safe, hits / safe)
    rows = zip(
        x.reshape(-1, x.shape[-1]), hits.reshape(-1, x.shape[-1]), safe.reshape(-1, x.shape[-1]), strict=True
    )
    kept = filled.reshape(-1, x.shape[-1])
    return np.array([pearson((a / n)[k], (b / n)[k]) for (a, b, n), k in zip(rows, kept, strict=True)])


def binned_correlation(
    entropy: Num[np.ndarray, "question"],
    hallucinated: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    n_bins: int = PAPER_BINS,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> BinnedCorrelation:
    """Correlation of bin means: the paper's kind of r, for comparison with its table only.

    Questions are cut into bins of equal size by entropy. Averaging removes the question-level noise, so |r|
    grows with the number of questions per bin and says little about single questions.

    Args:
        entropy: Normalized credit entropy per question.
        hallucinated: 1 for a false yes, else 0.
        image_ids: Image of each question.
        n_bins: Number of bins; about 30 reproduces the paper's pairs of r and p.
        n_resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        r over bins with an image-clustered percentile interval and the naive p-value.

    Raises:
        DataError: If there are fewer than 3 bins or ties leave a bin empty.

    Source: SCR paper, Table 6; method note: its p-values fit about 30 points.
    """
    x, y = np.asarray(entropy, dtype=np.float64), np.asarray(hallucinated, dtype=np.float64)
    strata, _ = quantile_strata(x, n_bins)
    member = np.eye(n_bins)[strata]
    terms = np.stack([member, member * x[:, None], member * y[:, None]], axis=-1).reshape(len(x), -1)
    totals = image_totals(terms, image_ids)
    sums = totals.sum(axis=0).reshape(n_bins, 3)
    r = float(_bin_correlation(sums))
    draws = resample_weights(len(totals), n_resamples, seed) @ totals
    replicates = _bin_correlation(draws.reshape(n_resamples, n_bins, 3))
    low, high = np.nanquantile(replicates, [0.025, 0.975])
    bins = {"bin": range(n_bins), "entropy_mean": sums[:, 1] / sums[:, 0], "rate": sums[:, 2] / sums[:, 0]}
    return BinnedCorrelation(
        r=r,
        low=float(low),
        high=float(high),
        p_naive=naive_p_value(r, n_bins),
        n_bins=n_bins,
        bins=pd.DataFrame(bins | {"n_questions": sums[:, 0].astype(int)}),
        label=f"correlation of {n_bins} bin means (as in the paper), not of questions",
    )


def naive_p_value(r: float, n_points: int) -> float:
    """Two-sided p-value of Pearson's r over independent points.

    t = r sqrt((n - 2) / (1 - r^2)) with n - 2 degrees of freedom.

    Args:
        r: Correlation in (-1, 1).
        n_points: Number of points, >= 3.

    Returns:
        p in (0, 1]; 0 when |r| is 1; NaN when r is.
    """
    if np.isnan(r):
        return float("nan")
    spread = max(1 - r * r, 1e-300)
    return 2 * float(stats.t.sf(abs(r) * np.sqrt((n_points - 2) / spread), n_points - 2))
