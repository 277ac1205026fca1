"""What a test could have seen: minimum detectable effects at the sample size used.

All start from the image-clustered standard error, so the design effect of several questions per image is
in them.
"""

import numpy as np
from scipy import optimize, special

from scr_lens.analysis.interval import require_images
from scr_lens.errors import DataError

ALPHA = 0.05
POWER = 0.8


def detectable_effect(se: float, n_images: int, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Smallest true effect that a two-sided test finds with the given power.

    Solves d = t_{1-alpha/2} sqrt(se^2 + d^2 / n) + t_{power} se with n - 1 degrees of freedom. The d^2 / n is
    what the effect itself adds to the spread in a sign-flip test, so the answer holds for that test and, with
    a small reserve, for the interval.

    Args:
        se: Image-clustered standard error of the estimate.
        n_images: Number of images.
        alpha: Two-sided level of the test.
        power: Wanted power.

    Returns:
        Effect in the unit of `se`, >= 0; 0 when nothing varies, infinite when there are too few images (under
        7 at the usual level) to find any.

    Raises:
        DataError: If there are fewer than 2 images.
    """
    require_images(n_images)
    critical, margin = (float(special.stdtrit(n_images - 1, q)) for q in (1 - alpha / 2, power))
    lead = 1 - critical**2 / n_images
    if lead <= 0:
        return float("inf") if se > 0 else 0.0
    root = critical * np.sqrt(margin**2 / n_images + lead)
    return float(se * (margin + root) / lead)


def detectable_correlation(
    se_z: float, n_images: int, *, null: float = 0.0, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest correlation above `null` that a two-sided test on Fisher's z finds with the given power.

    tanh(arctanh(null) + detectable_effect(se_z)).

    Args:
        se_z: Image-clustered standard error on the z scale.
        n_images: Number of images.
        null: Correlation under the null hypothesis.
        alpha: Two-sided level of the test.
        power: Wanted power.

    Returns:
        Correlation in (null, 1); close to `null` means a sensitive test.

    Raises:
        DataError: If there are fewer than 2 images.
    """
    shift = detectable_effect(se_z, n_images, alpha=alpha, power=power)
    return float(np.tanh(np.arctanh(null) + shift))


def detectable_net_change(
    n_pairs: int, share_changed: float, *, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest net share of corrected answers that McNemar's test finds with the given power.

    Solves z_{1-alpha/2} sqrt(psi) + z_power sqrt(psi - d^2) = d sqrt(n) for d, with psi the share of
    discordant pairs.

    Args:
        n_pairs: Number of independent pairs (questions divided by the design effect).
        share_changed: Share of pairs that are right under exactly one condition.
        alpha: Two-sided level of the test.
        power: Wanted power.

    Returns:
        Net change (corrections minus new errors, as a share of pairs) in (0, share_changed]; NaN when
        even a change in one direction only would be missed.

    Raises:
        DataError: If n_pairs < 1 or the share is outside (0, 1].

    Source: Miettinen (1968), Biometrics 24.
    """
    if n_pairs < 1 or not 0 < share_changed <= 1:
        raise DataError(
            f"n_pairs={n_pairs}, share_changed={share_changed}: expected >= 1 pair and a share in (0, 1]"
        )
    z_alpha, z_power = float(special.ndtri(1 - alpha / 2)), float(special.ndtri(power))

    def gap(change: float) -> float:
        spread = z_alpha * np.sqrt(share_changed) + z_power * np.sqrt(share_changed - change**2)
        return float(change * np.sqrt(n_pairs) - spread)

    if gap(share_changed) < 0:
        return float("nan")
    return float(optimize.brentq(gap, 0.0, share_changed))


def required_images(
    se: float, n_images: int, effect: float, *, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Images needed to detect an effect, from the standard error seen on some images.

    n * (detectable_effect(se, n) / effect)^2, since the standard error falls with the square root of n.

    Args:
        se: Standard error at `n_images`.
        n_images: Number of images behind `se`.
        effect: Effect to be found, in the unit of `se`.
        alpha: Two-sided level of the test.
        power: Wanted power.

    Returns:
        Number of images, rounded up.

    Raises:
        DataError: If the effect is not positive.
    """
    if effect <= 0:
        raise DataError(f"effect={effect}: expected a positive size in the unit of the standard error")
    ratio = detectable_effect(se, n_images, alpha=alpha, power=power) / effect
    return int(np.ceil(n_images * ratio**2))
