"""Images as clusters: all questions about one image are resampled together."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int, Num

from scr_lens.errors import DataError


def image_codes(image_ids: Iterable[object]) -> tuple[Int[np.ndarray, "question"], int]:
    """Number the images 0, 1, ... in the sorted order of their identifiers.

    Args:
        image_ids: One identifier per question.

    Returns:
        The image number of every question, and the number of distinct images.

    Raises:
        DataError: If there is no question at all.
    """
    keys = np.asarray([str(image_id) for image_id in image_ids])
    if keys.size == 0:
        raise DataError(
            "image_ids is empty: expected one identifier per question; check the filter before it"
        )
    unique, codes = np.unique(keys, return_inverse=True)
    return codes, len(unique)


def image_totals(
    terms: Num[np.ndarray, "question total"], image_ids: Sequence[object]
) -> Float[np.ndarray, "image total"]:
    """Sum per-question terms within each image.

    Args:
        terms: One row of terms per question (for example false positive, absent-object question).
        image_ids: Image of each question.

    Returns:
        One row of totals per image, in the sorted order of the identifiers.

    Raises:
        DataError: If the lengths differ or a term is not finite.
    """
    terms = np.asarray(terms, dtype=np.float64)
    if terms.ndim != 2 or len(terms) != len(image_ids):
        raise DataError(
            f"terms has shape {terms.shape} for {len(image_ids)} image_ids: expected one row per question"
        )
    if not np.isfinite(terms).all():
        raise DataError("terms contains NaN or infinity: drop or repair those questions before aggregating")
    codes, n_images = image_codes(image_ids)
    columns = [np.bincount(codes, weights=column, minlength=n_images) for column in terms.T]
    return np.stack(columns, axis=-1)
