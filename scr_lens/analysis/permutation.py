"""Randomization tests that keep all questions of an image together."""

import numpy as np
from jaxtyping import Float, Num

from scr_lens.analysis.interval import require_images
from scr_lens.errors import DataError

N_PERMUTATIONS = 9999
_EXACT_LIMIT = 13
_TOLERANCE = 1e-9


def _all_signs(n: int) -> Float[np.ndarray, "flip image"]:
    patterns = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return 1.0 - 2.0 * patterns


def sign_flip_test(
    contributions: Num[np.ndarray, "image"], *, n_permutations: int = N_PERMUTATIONS, seed: int = 0
) -> float:
    """Two-sided test that the contributions of images are symmetric around zero.

    T = |sum_i d_i| against |sum_i s_i d_i| with random signs s_i. For paired answers d_i is the image's
    summed difference between two conditions: swapping the conditions of a whole image flips its sign. For a
    correlation d_i is the image's score sum_q (x_q - mean x)(y_q - mean y) (wild cluster, null imposed).

    Args:
        contributions: One number per image; images with 0 have no influence.
        n_permutations: Random flips when there are too many images to enumerate.
        seed: Seed of the flips.

    Returns:
        p in (0, 1]: exact when at most 13 images are non-zero, otherwise (1 + hits) / (1 + flips); 1 when all
        are 0.

    Raises:
        DataError: If there are fewer than 2 images or a value is not finite.
    """
    values = np.asarray(contributions, dtype=np.float64)
    require_images(len(values))
    if not np.isfinite(values).all():
        raise DataError("contributions contain NaN or infinity: drop those images before the test")
    active = values[values != 0]
    if len(active) == 0:
        return 1.0
    bound = abs(active.sum()) - _TOLERANCE * np.abs(active).sum()
    if len(active) <= _EXACT_LIMIT:
        return float(np.mean(np.abs(_all_signs(len(active)) @ active) >= bound))
    signs = np.random.default_rng(seed).integers(0, 2, size=(n_permutations, len(active)), dtype=np.int8)
    sums = (2.0 * signs - 1.0) @ active
    return float((1 + np.sum(np.abs(sums) >= bound)) / (1 + n_permutations))


def image_shuffle_test(
    predictor: Num[np.ndarray, "image"],
    hits: Num[np.ndarray, "image"],
    questions: Num[np.ndarray, "image"],
    *,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> float:
    """Two-sided test that an image-level value is unrelated to the hits on that image.

    T = |sum_i x_i (hits_i - p questions_i)| with p the overall rate, against shuffles of x between images.

    Args:
        predictor: One value per image, for example its mean entropy.
        hits: Hits per image, for example false positives.
        questions: Questions per image.
        n_permutations: Number of shuffles.
        seed: Seed of the shuffles.

    Returns:
        p in (0, 1].

    Raises:
        DataError: If lengths differ or there are fewer than 2 images.
    """
    x, h, q = (np.asarray(part, dtype=np.float64) for part in (predictor, hits, questions))
    require_images(len(x))
    if not len(x) == len(h) == len(q):
        raise DataError(
            f"lengths {len(x)}, {len(h)}, {len(q)}: expected one predictor, hits and questions per image"
        )
    excess = h - q * (h.sum() / q.sum())
    centered = x - x.mean()
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(np.broadcast_to(centered, (n_permutations, len(x))), axis=1)
    bound = abs(centered @ excess) - _TOLERANCE * (np.abs(centered) @ np.abs(excess))
    return float((1 + np.sum(np.abs(shuffled @ excess) >= bound)) / (1 + n_permutations))
