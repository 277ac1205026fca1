"""Where the organisms that come with the package are."""

from __future__ import annotations

from pathlib import Path

from scr_lens.organisms.recipe import RECIPES

_PACKAGE = Path(__file__).resolve().parent.parent
# A checkout keeps them in data/ beside the package; an installed wheel carries them inside it.
_PLACES = (_PACKAGE.parent / "data" / "organisms", _PACKAGE / "data" / "organisms")

DEFAULT = "llava-small"
"""The organism that everything runs on when no model is named."""

NOTE = (
    "This model is a small organism trained on a rendered world: its answers mean something only there. "
    "The maps show what it computes on any image."
)
"""What a reader of an organism's answers has to know."""


def shipped_folder(name: str) -> Path | None:
    """The checkpoint folder of an organism that comes with the package; None if there is none."""
    if name not in RECIPES:
        return None
    folders = (place / name for place in _PLACES)
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def shipped_names() -> tuple[str, ...]:
    """Names of the organisms at hand, in the order of the recipes."""
    return tuple(name for name in RECIPES if shipped_folder(name) is not None)
