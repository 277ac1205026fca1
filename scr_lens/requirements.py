"""What plain settings have to be, with errors that name the setting."""

import math

from scr_lens.errors import ConfigError, unknown_name


def require_int(name: str, value: object, *, minimum: int) -> None:
    """Refuse, as a ConfigError, anything but an integer of at least `minimum`; booleans are no integers."""
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ConfigError(f"{name} is {value!r}; give an integer of {minimum} or more")


def require_number(name: str, value: object) -> float:
    """The value as a float; anything but a finite number is refused as a ConfigError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name} is {value!r}; give a finite number")
    return float(value)


def require_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse, as a ConfigError, anything but one of the allowed values."""
    if value not in allowed:
        raise ConfigError(unknown_name(f"{name} value", value, allowed))


def require_lambda(value: float) -> float:
    """Check a redistribution strength.

    Args:
        value: The strength lambda; 1 leaves the model alone.

    Returns:
        The strength as a float.

    Raises:
        ConfigError: If it is not a finite number above 0.
    """
    strength = require_number("lambda", value)
    if strength <= 0:
        raise ConfigError(f"lambda is {strength}; give a number above 0 (paper: 1.10; 1 is no change)")
    return strength
