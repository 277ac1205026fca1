"""Which answers an intervention changes, and whether the changes help."""

from dataclasses import dataclass
from typing import Unpack

import numpy as np
import pandas as pd
from scipy import stats

from scr_lens.analysis.bootstrap import IntervalOptions, cluster_interval, rate_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.power import detectable_effect
from scr_lens.analysis.records import is_correct
from scr_lens.errors import DataError


def mcnemar_exact(corrections: int, new_errors: int) -> float:
    """Exact McNemar test that corrections and new errors are equally likely.

    Two-sided binomial test of `corrections` out of the discordant pairs with p = 1/2. It treats questions as
    independent; with several questions per image read it next to the image-clustered sign-flip test.

    Args:
        corrections: Pairs wrong at baseline and right under treatment.
        new_errors: Pairs right at baseline and wrong under treatment.

    Returns:
        p in (0, 1]; 1 when there is no discordant pair.

    Raises:
        DataError: If a count is negative.
    """
    if corrections < 0 or new_errors < 0:
        raise DataError(f"corrections={corrections}, new_errors={new_errors}: expected counts >= 0")
    if corrections + new_errors == 0:
        return 1.0
    return float(stats.binomtest(corrections, corrections + new_errors, 0.5).pvalue)


@dataclass(frozen=True)
class Flips:
    """Answers changed between two conditions.

    Attributes:
        n_images: Number of images.
        n_questions: Number of paired questions.
        n_changed: Questions whose answer changed.
        n_corrections: Wrong before, right after.
        n_new_errors: Right before, wrong after.
        share_changed: n_changed / n_questions with interval (paper: 0.15).
        share_corrections: corrections / (corrections + new errors) with interval (paper: 0.70); None
            without either.
        net_accuracy: Accuracy after minus before with interval.
        p_mcnemar: Exact McNemar p-value, questions taken as independent.
        p_clustered: Sign-flip p-value over images.
        detectable_effect: Net accuracy change found with 80% power at this sample size.
    """

    n_images: int
    n_questions: int
    n_changed: int
    n_corrections: int
    n_new_errors: int
    share_changed: Interval
    share_corrections: Interval | None
    net_accuracy: Interval
    p_mcnemar: float
    p_clustered: float
    detectable_effect: float


def flips(
    paired: pd.DataFrame,
    **options: Unpack[IntervalOptions],
) -> Flips:
    """Count and test the answers that changed.

    Args:
        paired: Rows of `records.pair_conditions`.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        Counts, shares with image-clustered intervals and two p-values.

    Raises:
        DataError: If there are fewer than 2 images.

    Source: SCR paper, Sec. 6.2 (Trade-offs).
    """
    images = paired["image_id"].tolist()
    before, after = is_correct(paired), is_correct(paired, "answer_treated")
    changed = (paired["answer"] != paired["answer_treated"]).to_numpy(dtype=np.float64)
    ones = np.ones(len(paired))
    corrected, broken = after * (1 - before), before * (1 - after)
    totals = image_totals(np.stack([changed, corrected, broken, ones], axis=-1), images)
    net = np.stack([totals[:, 1] - totals[:, 2], totals[:, 3]], axis=-1)
    discordant = np.stack([totals[:, 1], totals[:, 1] + totals[:, 2]], axis=-1)
    counts = totals.sum(axis=0).astype(int)
    net_accuracy = cluster_interval(net, **options)
    return Flips(
        n_images=len(totals),
        n_questions=len(paired),
        n_changed=int(counts[0]),
        n_corrections=int(counts[1]),
        n_new_errors=int(counts[2]),
        share_changed=rate_interval(totals[:, [0, 3]]),
        share_corrections=rate_interval(discordant) if discordant[:, 1].any() else None,
        net_accuracy=net_accuracy,
        p_mcnemar=mcnemar_exact(int(counts[1]), int(counts[2])),
        p_clustered=sign_flip_test(net[:, 0], seed=options.get("seed", 0)),
        detectable_effect=detectable_effect(net_accuracy.se, len(totals)),
    )
