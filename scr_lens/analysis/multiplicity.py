"""Correction of p-values when one claim is tested on several models."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from scr_lens.errors import DataError


def holm(p_values: Sequence[float]) -> Float[np.ndarray, "test"]:
    """Holm's step-down adjustment of p-values.

    adjusted_(k) = max_{j <= k} min(1, (m - j + 1) p_(j)) with p_(1) <= ... <= p_(m).

    Args:
        p_values: One p-value per test, each in [0, 1].

    Returns:
        Adjusted p-values in the input's order; reject those <= alpha to keep the family-wise error <= alpha.

    Raises:
        DataError: If a value is NaN or outside [0, 1].

    Source: Holm (1979), Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError(
            f"p-values {p.tolist()}: expected numbers in [0, 1]; leave out tests that were not run"
        )
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
