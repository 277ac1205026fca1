"""Credit entropy: how evenly a sample's credit is spread over its image patches."""

import numpy as np
from jaxtyping import Float, Num

from scr_lens.errors import DataError


def credit_weights(credit: Num[np.ndarray, "*batch patch"]) -> Float[np.ndarray, "*batch patch"]:
    """Credit per patch as shares of the total.

    w_i = credit_i / sum_j credit_j.

    Args:
        credit: Non-negative credit per patch; any common scale.

    Returns:
        Non-negative shares that sum to 1 along the last axis.

    Raises:
        DataError: If the last axis is empty, an entry is negative, NaN or infinite, or a row sums to zero.

    Source: SCR paper, Eq. 2.
    """
    values = np.asarray(credit, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise DataError(f"credit has shape {values.shape}: expected at least one patch on the last axis")
    if not np.isfinite(values).all():
        raise DataError("credit contains NaN or infinity: expected finite values; check the captured tensors")
    if values.min() < 0:
        raise DataError(
            f"credit contains {values.min():.6g}: expected values >= 0; take |credit| of a signed one"
        )
    peak = values.max(axis=-1, keepdims=True)
    if not (peak > 0).all():
        raise DataError(
            "credit sums to zero over the patches of a sample: expected some credit; drop that sample"
        )
    scaled: Float[np.ndarray, "*batch patch"] = values / peak
    weights: Float[np.ndarray, "*batch patch"] = scaled / scaled.sum(axis=-1, keepdims=True)
    return weights


def credit_entropy(
    credit: Num[np.ndarray, "*batch patch"], *, normalize: bool
) -> Float[np.ndarray, "*batch"]:
    """Shannon entropy of the credit distribution over image patches.

    H = -sum_i w_i ln w_i with w_i = credit_i / sum_j credit_j; divided by ln(patches) when `normalize`.

    Args:
        credit: Non-negative credit per patch; any common scale.
        normalize: True returns [0, 1]; False returns nats in [0, ln(patches)].

    Returns:
        0 when one patch holds all credit, the maximum when all patches are equal.

    Raises:
        DataError: If an entry is negative or NaN, a row sums to zero, or a single patch is to be normalized.

    Examples:
        >>> credit_entropy(np.array([[0, 5, 5, 0], [3, 3, 3, 3]]), normalize=True).round(6).tolist()
        [0.5, 1.0]

    Source: SCR paper, Eq. 2 (the paper calls it normalized and quotes nats in Sec. 5.5 and 6.1c).
    """
    weights = credit_weights(credit)
    n_patches = weights.shape[-1]
    if normalize and n_patches < 2:
        raise DataError("credit has 1 patch: normalized entropy needs at least 2; use normalize=False")
    terms = weights * np.log(np.where(weights > 0, weights, 1.0))
    nats = np.clip(-terms.sum(axis=-1), 0.0, np.log(n_patches)) + 0.0  # -0.0 becomes 0.0
    entropy: Float[np.ndarray, "*batch"] = nats / np.log(n_patches) if normalize else nats
    return entropy


def effective_patches(credit: Num[np.ndarray, "*batch patch"]) -> Float[np.ndarray, "*batch"]:
    """Number of equally credited patches with the same entropy.

    exp(H): makes thresholds in nats comparable between grids (3.5 nats is 33 patches of 256, 576 or 1024).

    Args:
        credit: Non-negative credit per patch; any common scale.

    Returns:
        Between 1 (one patch holds all) and the number of patches (uniform).

    Raises:
        DataError: As `credit_entropy`.

    Examples:
        >>> f"{effective_patches(np.array([1, 1, 1, 0, 0])):.2f}"
        '3.00'
    """
    effective: Float[np.ndarray, "*batch"] = np.exp(credit_entropy(credit, normalize=False))
    return effective


def layer_summary(
    entropy: Float[np.ndarray, "*batch layer"], layers: range | None = None
) -> Float[np.ndarray, "*batch"]:
    """Summary entropy of a sample: the mean over a layer range.

    Args:
        entropy: Entropy per layer on the last axis; nats or normalized.
        layers: 0-based layers to average; None takes all.

    Returns:
        Mean entropy in the unit of the input.

    Raises:
        DataError: If the range is empty or leaves the layers at hand.
    """
    n_layers = entropy.shape[-1]
    chosen = range(n_layers) if layers is None else layers
    if len(chosen) == 0 or chosen[0] < 0 or chosen[-1] >= n_layers:
        raise DataError(
            f"layers {chosen}: expected a non-empty range within 0..{n_layers - 1}; set another range"
        )
    summary: Float[np.ndarray, "*batch"] = entropy[..., list(chosen)].mean(axis=-1)
    return summary
