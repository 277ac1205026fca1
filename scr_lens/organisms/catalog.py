"""The organisms at hand in one table: sizes and what was measured on each."""

from __future__ import annotations

from pathlib import Path

from scr_lens.benchmarks import SPLITS
from scr_lens.organisms.card import image_tokens, percent, share
from scr_lens.organisms.recipe import RECIPES, Recipe
from scr_lens.organisms.scores import read_scores
from scr_lens.organisms.shipped import shipped_folder

_COLUMNS = (
    "organism",
    "architecture",
    "parameters",
    "decoder",
    "image tokens",
    "HR random",
    "HR popular",
    "HR adversarial",
    "accuracy, adversarial",
    "objects named in captions",
)


def catalog() -> str:
    """The table of the organisms at hand, in the order of the recipes.

    Returns:
        Markdown: rates as percentages with image-clustered 95% intervals, grids as height x width, each name
        a link to its card as seen from docs/.

    Raises:
        DataError: If the measurements of one are missing or damaged.
    """
    rows = [_row(RECIPES[name], folder) for name in RECIPES if (folder := shipped_folder(name)) is not None]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (_COLUMNS, ("---",) * len(_COLUMNS), *rows))


def untrained() -> tuple[str, ...]:
    """Names of the recipes without weights at hand."""
    return tuple(name for name in RECIPES if shipped_folder(name) is None)


def _row(recipe: Recipe, folder: Path) -> tuple[str, ...]:
    scores = read_scores(folder)
    splits = scores["pope"]
    return (
        f"[{recipe.name}](../data/organisms/{recipe.name}/README.md)",
        _architecture(recipe),
        f"{scores['parameters']:,}",
        f"{recipe.n_layers} x {recipe.d_model}",
        image_tokens(recipe),
        *(percent(splits[split]["hallucination_rate"]) for split in SPLITS),
        percent(splits["adversarial"]["accuracy"]),
        share(scores["captions"]["recall"]),
    )


def _architecture(recipe: Recipe) -> str:
    norm = ", post-norm" if recipe.swin_norm else ""
    tower = f", encoder of {recipe.tower}" if recipe.tower else ""
    return f"`{recipe.model_type}`{norm}{tower}"
