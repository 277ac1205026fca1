"""The errors a user of the package can meet, and the sentence that an unknown name deserves."""

import difflib
from collections.abc import Iterable


class ScrLensError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(ScrLensError):
    """A setting has a value that cannot work: wrong name, range or combination."""


class DataError(ScrLensError):
    """An input file, record or array holds values that cannot be used."""


class LayoutError(ScrLensError):
    """The tokens of a prompt and the patch grid of its image disagree."""


class ContractError(ScrLensError):
    """A model does not do what its adapter claims."""


class StoreError(ScrLensError):
    """Stored results are missing, damaged or of another schema."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Build the message for a name that is not in a fixed list.

    Args:
        kind: What the name should name, such as "method".
        name: The name that was given.
        known: All names that would have been accepted, in the order to show them.

    Returns:
        One line with the bad name, the closest known name if one is close, and all known names.
    """
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {kind} {name!r}; {hint}use one of: {', '.join(names)}"
