"""Every family's tiny model: the contract suite runs over this registry. Add a family with one entry.

A name is the family's `model_type`, with "-variant" behind it for a second model of one family.

`views` are three pictures of different size (where the family resizes nothing, of different grid) with what
the family must make of them, stated by hand: the grid, and the part of the picture that the grid covers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tiny import SIZES, Twins, twins_of
from tiny_chameleon import build_chameleon
from tiny_idefics3 import build_idefics3, build_smolvlm
from tiny_internvl import build_internvl
from tiny_qwen2_vl import build_qwen2_5_vl, build_qwen2_vl
from tiny_qwen_vl import build_qwen_vl

from scr_lens.grid import PatchGrid
from scr_lens.trace.synthetic import build_llava

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class View:
    """One picture: its size (width, height), its grid, the covered (left, top, right, bottom)."""

    size: tuple[int, int]
    grid: PatchGrid
    covered: Box | None = None

    def cell_box(self, row: int, col: int) -> Box:
        """Pixels of the picture that one cell stands for."""
        left, top, right, bottom = self.covered or (0, 0, *self.size)
        dx, dy = (right - left) / self.grid.width, (bottom - top) / self.grid.height
        return (
            round(left + col * dx),
            round(top + row * dy),
            round(left + (col + 1) * dx),
            round(top + (row + 1) * dy),
        )


@dataclass(frozen=True)
class TinyFamily:
    """How to build a family's tiny model, and what the tests must know about it.

    Attributes:
        build: Model (4 blocks, eager attention) and processor; the same weights at every call.
        views: Three pictures.
        final_norm: Path of the norm after the last block.
        tower: Path of a module that runs once per image encoding; None if features cannot be shared.
        normalization: What `family.normalization` must say.
    """

    build: Callable[[], tuple[Any, Any]]
    views: tuple[View, View, View]
    final_norm: str = "model.language_model.norm"
    tower: str | None = None
    normalization: str = "pre-norm"


SIX = PatchGrid(6, 6)
LLAVA_VIEWS = (
    View((84, 84), SIX),
    View((168, 84), SIX, (42, 0, 126, 84)),
    View((60, 140), SIX, (0, 40, 60, 100)),
)
CHAMELEON_VIEWS = (
    View((48, 48), SIX),
    View((80, 48), SIX, (16, 0, 64, 48)),
    View((40, 56), SIX, (0, 8, 40, 48)),
)
QWEN_VIEWS = (
    View((168, 196), PatchGrid(7, 6)),
    View((224, 140), PatchGrid(5, 8)),
    View((110, 250), PatchGrid(9, 4)),
)

SQUEEZED_VIEWS = (  # the picture is squeezed into a square
    View((84, 84), SIX),
    View((168, 84), SIX),
    View((60, 140), SIX),
)

TINY_FAMILIES: dict[str, TinyFamily] = {
    "llava": TinyFamily(lambda: build_llava(SIZES), LLAVA_VIEWS, tower="model.vision_tower"),
    "llava-grouped-heads": TinyFamily(
        lambda: build_llava(replace(SIZES, n_kv_heads=2)), LLAVA_VIEWS, tower="model.vision_tower"
    ),
    "chameleon": TinyFamily(
        build_chameleon, CHAMELEON_VIEWS, final_norm="model.norm", tower="model.vqmodel.encoder"
    ),
    "chameleon-swin-norm": TinyFamily(
        lambda: build_chameleon(swin_norm=True, n_kv_heads=2),
        CHAMELEON_VIEWS,
        final_norm="model.norm",
        tower="model.vqmodel.encoder",
        normalization="post-norm (swin_norm)",
    ),
    "qwen2_vl": TinyFamily(build_qwen2_vl, QWEN_VIEWS, tower="model.visual"),
    "qwen": TinyFamily(build_qwen_vl, SQUEEZED_VIEWS, tower="model.visual"),
    "qwen2_5_vl": TinyFamily(build_qwen2_5_vl, QWEN_VIEWS, tower="model.visual"),
    "internvl": TinyFamily(build_internvl, SQUEEZED_VIEWS, tower="model.vision_tower"),
    "idefics3": TinyFamily(
        build_idefics3, SQUEEZED_VIEWS, final_norm="model.text_model.norm", tower="model.vision_model"
    ),
    "smolvlm": TinyFamily(
        build_smolvlm, SQUEEZED_VIEWS, final_norm="model.text_model.norm", tower="model.vision_model"
    ),
}


def family_twins(name: str, **options: Any) -> Twins:
    """The tiny model of a registered family beside its plain eager twin."""
    tiny = TINY_FAMILIES[name]
    sizes = tuple(view.size for view in tiny.views)
    return twins_of(tiny.build, sizes=sizes, final_norm=tiny.final_norm, **options)
