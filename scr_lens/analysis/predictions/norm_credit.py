"""EF1: is the norm of a patch a proxy of its credit in early layers?"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num

from scr_lens.analysis.bootstrap import N_RESAMPLES
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.correlation import fisher_mean, layer_range_correlation
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.power import detectable_correlation
from scr_lens.analysis.verdict import PredictionResult, conclude, rule_of

_CAVEATS = (
    "a correlation over patches, averaged over samples; it does not say that the norm causes credit",
    "an estimator that contains the norm as a factor (grad_norm) correlates with it by construction",
)


def norm_credit(
    norm: Num[np.ndarray, "sample layer patch"],
    credit: Num[np.ndarray, "sample #layer patch"],
    image_ids: Sequence[object],
    *,
    layers: range,
    estimator: str,
    paper_value: float | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> PredictionResult:
    """Test EF1 for one credit estimator.

    Fisher mean over samples of the Pearson r between |h_i| and credit, averaged over early layers in each
    sample.

    Args:
        norm: |h_i| per sample, layer and patch.
        credit: Credit per sample, layer (or a single one) and patch.
        image_ids: Image of each sample.
        layers: The early layers, 0-based.
        estimator: Name of the credit estimator.
        paper_value: The paper's r (0.72 on average over six models).
        n_resamples: Number of resamples.
        seed: Seed of resampling and flips.

    Returns:
        r in (-1, 1) with the verdict of rule EF1 (threshold r = 0.5, so the p-value is that of r = 0.5).

    Raises:
        DataError: If shapes do not fit or fewer than 2 images have a defined correlation.

    Source: SCR paper, Sec. 3.3 (EF1).
    """
    r = layer_range_correlation(norm, credit, layers)
    return conclude_norm_credit(
        r,
        image_ids,
        layers=layers,
        estimator=estimator,
        paper_value=paper_value,
        n_resamples=n_resamples,
        seed=seed,
    )


def conclude_norm_credit(
    r: Float[np.ndarray, "sample"],
    image_ids: Sequence[object],
    *,
    layers: range,
    estimator: str,
    paper_value: float | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> PredictionResult:
    """Turn one correlation per sample into the verdict of EF1.

    Args:
        r: Correlation of norm and credit of each sample, already averaged over layers; NaN is left out.
        image_ids: Image of each sample.
        layers: The layers behind it, for the label.
        estimator: Name of the credit estimator.
        paper_value: The paper's r.
        n_resamples: Number of resamples.
        seed: Seed of resampling and flips.

    Returns:
        As `norm_credit`.

    Raises:
        DataError: If fewer than 2 images have a defined correlation.
    """
    r = np.asarray(r, dtype=np.float64)
    mean = fisher_mean(r, image_ids, n_resamples=n_resamples, seed=seed)
    threshold = rule_of("EF1").threshold
    kept = np.isfinite(r)
    z = np.arctanh(np.clip(r[kept], -1 + 1e-12, 1 - 1e-12)) - np.arctanh(threshold)
    images = [image for image, is_kept in zip(image_ids, kept, strict=True) if is_kept]
    p_value = sign_flip_test(image_totals(z[:, None], images)[:, 0], seed=seed)
    lost = int((~kept).sum())
    return conclude(
        "EF1",
        interval=(mean.estimate, mean.low, mean.high),
        p_value=p_value,
        size=(mean.n_images, int(kept.sum())),
        estimator=f"{estimator}, layers {layers[0]}-{layers[-1]}",
        detectable_effect=detectable_correlation(mean.se, mean.n_images, null=threshold),
        paper_value=paper_value,
        caveats=(*_CAVEATS, *([f"{lost} samples with a constant map left out"] if lost else [])),
    )
