"""Correlation of two patch maps per layer and sample, and its mean over samples (EF1)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Num
from scipy import stats

from scr_lens.analysis.bootstrap import N_RESAMPLES, cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval
from scr_lens.errors import DataError

_LARGEST_R = 1 - 1e-12


def pearson(
    x: Num[np.ndarray, "*batch patch"], y: Num[np.ndarray, "*batch patch"]
) -> Float[np.ndarray, "*batch"]:
    """Pearson correlation along the last axis.

    r = sum (x - mean x)(y - mean y) / sqrt(sum (x - mean x)^2 sum (y - mean y)^2).

    Args:
        x: First map; leading axes broadcast against those of `y`.
        y: Second map.

    Returns:
        r in [-1, 1]; NaN where a map is constant.

    Raises:
        DataError: If the last axes differ or have fewer than 3 entries.
    """
    left, right = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if left.shape[-1] != right.shape[-1] or left.shape[-1] < 3:
        raise DataError(
            f"maps of {left.shape[-1]} and {right.shape[-1]} patches: expected the same number, >= 3"
        )
    left, right = (part - part.mean(axis=-1, keepdims=True) for part in (left, right))
    norms = [np.sqrt(np.sum(part**2, axis=-1)) for part in (left, right)]
    flat = [
        norm <= 1e-12 * np.sqrt(left.shape[-1]) * _largest(raw)
        for norm, raw in zip(norms, (x, y), strict=True)
    ]
    product = np.sum(left * right, axis=-1)
    scale = np.where(flat[0] | flat[1], np.nan, norms[0] * norms[1])
    r: Float[np.ndarray, "*batch"] = np.clip(product / scale, -1.0, 1.0)
    return r


def _largest(values: Num[np.ndarray, "*batch patch"]) -> Float[np.ndarray, "*batch"]:
    peak: Float[np.ndarray, "*batch"] = np.abs(np.asarray(values, dtype=np.float64)).max(axis=-1)
    floor: Float[np.ndarray, "*batch"] = np.maximum(peak, 1e-300)
    return floor


def spearman(
    x: Num[np.ndarray, "*batch patch"], y: Num[np.ndarray, "*batch patch"]
) -> Float[np.ndarray, "*batch"]:
    """Spearman rank correlation along the last axis (mid-ranks for ties).

    Args:
        x: First map; leading axes broadcast against those of `y`.
        y: Second map.

    Returns:
        rho in [-1, 1]; NaN where a map is constant.

    Raises:
        DataError: As `pearson`.
    """
    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def fisher_mean(
    correlations: Float[np.ndarray, "sample"],
    image_ids: Sequence[object],
    *,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean correlation over samples on Fisher's z scale, with an image-clustered interval.

    tanh(mean arctanh r); the interval is a studentized bootstrap over images of the mean z, mapped back.

    Args:
        correlations: One r per sample; NaN (a constant map) is left out.
        image_ids: Image of each sample.
        level: Confidence level.
        n_resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Mean r in (-1, 1); `n_images` counts the images that have a defined r; `se` is on the z scale.

    Raises:
        DataError: If fewer than 2 images have a defined correlation.

    Source: SCR paper, Sec. 3.3 (EF1); Fisher (1921).
    """
    r = np.asarray(correlations, dtype=np.float64)
    kept = np.isfinite(r)
    if not kept.any():
        raise DataError(
            f"0 of {len(r)} correlations are defined: every map is constant; check the captured tensors"
        )
    z = np.arctanh(np.clip(r[kept], -_LARGEST_R, _LARGEST_R))
    images = [image for image, is_kept in zip(image_ids, kept, strict=True) if is_kept]
    totals = image_totals(np.stack([z, np.ones_like(z)], axis=-1), images)
    mean = cluster_interval(totals, method="studentized", level=level, n_resamples=n_resamples, seed=seed)
    back = [float(np.tanh(value)) for value in (mean.estimate, mean.low, mean.high)]
    return Interval(back[0], back[1], back[2], mean.se, mean.n_images, mean.method)


def layer_correlations(
    norm: Num[np.ndarray, "sample layer patch"],
    credit: Num[np.ndarray, "sample #layer patch"],
    image_ids: Sequence[object],
    *,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """EF1: agreement of patch norm with patch credit, per layer.

    Args:
        norm: |h_i| per sample, layer and patch.
        credit: Credit of any estimator; a single layer (the mean attention map) is compared with all layers.
        image_ids: Image of each sample.
        level: Confidence level.
        n_resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Long table: layer, kind ("pearson" or "spearman"), estimate, ci_low, ci_high, se_z, n_images,
        n_questions, n_undefined (samples whose map is constant).

    Raises:
        DataError: If shapes do not fit or no correlation is defined in a layer.

    Source: SCR paper, Sec. 3.3 (EF1).
    """
    rows = []
    for kind, correlate in (("pearson", pearson), ("spearman", spearman)):
        values = correlate(norm, credit)
        for layer, r in enumerate(values.T):
            mean = fisher_mean(r, image_ids, level=level, n_resamples=n_resamples, seed=seed)
            ends = {"estimate": mean.estimate, "ci_low": mean.low, "ci_high": mean.high, "se_z": mean.se}
            size = {"n_images": mean.n_images, "n_questions": len(r), "n_undefined": int(np.isnan(r).sum())}
            rows.append({"layer": layer, "kind": kind} | ends | size)
    return pd.DataFrame(rows)


def layer_range_correlation(
    norm: Num[np.ndarray, "sample layer patch"],
    credit: Num[np.ndarray, "sample #layer patch"],
    layers: range,
) -> Float[np.ndarray, "sample"]:
    """EF1 value of each sample: Fisher mean of Pearson r over a layer range.

    Args:
        norm: |h_i| per sample, layer and patch.
        credit: Credit per sample, layer (or one layer) and patch.
        layers: 0-based layers to average ("early layers" in the paper).

    Returns:
        One r per sample in (-1, 1); NaN when no layer of the sample has a defined r.

    Raises:
        DataError: If the range leaves the layers at hand.
    """
    n_layers = norm.shape[1]
    if len(layers) == 0 or layers[0] < 0 or layers[-1] >= n_layers:
        raise DataError(
            f"layers {layers}: expected a non-empty range within 0..{n_layers - 1}; set another range"
        )
    chosen = list(layers)
    r = pearson(norm[:, chosen], credit if credit.shape[1] == 1 else credit[:, chosen])
    defined = np.isfinite(r)
    z = np.where(defined, np.arctanh(np.clip(np.where(defined, r, 0.0), -_LARGEST_R, _LARGEST_R)), 0.0)
    count = defined.sum(axis=1)
    return np.tanh(np.where(count > 0, z.sum(axis=1) / np.maximum(count, 1), np.nan))
