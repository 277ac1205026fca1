"""The headline: does SCR lower the hallucination rate, and does attention guidance matter?"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from jaxtyping import Num

from scr_lens.analysis.bootstrap import IntervalOptions, cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.power import detectable_effect
from scr_lens.analysis.unchanged import widened
from scr_lens.analysis.verdict import PredictionResult, conclude

FEW = 10
"""Changed images below which a t interval is called rough."""

_CAVEATS = {
    "SCR": ("hyperparameters must have been chosen on other images than these",),
    "guidance": ("one random draw of sources per sample stands for all draws",),
}


def overall_gain(
    gain: Num[np.ndarray, "question"],
    image_ids: Sequence[object],
    *,
    name: str = "SCR",
    paper_value: float | None = None,
    **options: Unpack[IntervalOptions],
) -> PredictionResult:
    """Mean reduction of false yes answers on absent-object questions.

    Args:
        gain: False yes under the reference minus false yes under SCR per question (-1, 0 or 1), or another
            difference per question. The reference is vanilla for "SCR", Uniform-Smooth for "guidance", and
            the other setting or the control for the rules of the ablations.
        image_ids: Image of each question.
        name: Name of the rule.
        paper_value: The paper's reduction as a rate (0.047 to 0.060).
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Mean difference, positive when SCR hallucinates less, with the rule's verdict.

    Raises:
        DataError: If there are fewer than 2 images or the name has no rule.

    Source: SCR paper, Tables 1-2 and Sec. 6.1a.
    """
    terms = np.stack([np.asarray(gain, dtype=np.float64), np.ones(len(gain))], axis=-1)
    totals = image_totals(terms, image_ids)
    mean = widened(cluster_interval(totals, **options))
    return conclude(
        name,
        interval=(mean.estimate, mean.low, mean.high),
        p_value=sign_flip_test(totals[:, 0], seed=options.get("seed", 0)),
        size=(mean.n_images, len(terms)),
        estimator="paired difference of hallucination rates",
        detectable_effect=detectable_effect(mean.se, mean.n_images),
        paper_value=paper_value,
        caveats=(*_CAVEATS.get(name, ()), *few_changed(int(np.count_nonzero(totals[:, 0])), len(totals))),
    )


def few_changed(n_changed: int, n_images: int) -> tuple[str, ...]:
    """Warn that a difference rests on a handful of images.

    Args:
        n_changed: Images with a change.
        n_images: All images.

    Returns:
        A caveat, or none when at least 10 images changed.
    """
    if n_changed >= FEW:
        return ()
    if n_changed == 0:
        return (f"no image of {n_images:,} changed: the interval is that of no event in as many images",)
    return (f"only {n_changed} of {n_images:,} images changed: the interval is rough",)
