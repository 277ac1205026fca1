"""The model card of an organism: what it is, how to load it, what was measured, how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scr_lens.benchmarks import SPLITS
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.language import DESCRIBE
from scr_lens.organisms.recipe import Recipe
from scr_lens.organisms.scenes import SCENE_TYPES

POPE_IMAGES, CAPTION_IMAGES = 500, 200
"""Test pictures on which an organism is measured: on the first for POPE, on the second for captions."""
METRICS = ("hallucination_rate", "accuracy", "precision", "recall", "yes_ratio")
"""Metrics of each POPE split, in the order of the card."""

_AUTO = """\
from transformers import AutoModelForImageTextToText, AutoProcessor

folder = "{folder}"
model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32")
processor = AutoProcessor.from_pretrained(folder)
"""
_BY_FAMILY = """\
from scr_lens.families import family_for
from transformers import AutoModelForImageTextToText

folder = "{folder}"
model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32")
processor = family_for("{model_type}").processor_class.from_pretrained(folder)
"""
_OWN_CLASSES = "With transformers alone; model and processor are of its own classes:"
_LOADING = {
    "llava": (_OWN_CLASSES, _AUTO),
    "chameleon": (_OWN_CLASSES, _AUTO),
    "qwen2_vl": (
        "With transformers; the model is of its own class. `AutoProcessor` wants a video processor too,\n"
        "which needs torchvision and is not in this folder; the family's processor does without:",
        _BY_FAMILY,
    ),
    "qwen": (
        "With transformers, which has no Qwen-VL. Its Auto classes know this folder only after\n"
        "`import scr_lens.families`, which registers the port in scr_lens:",
        "import scr_lens.families\n" + _AUTO,
    ),
}
"""How plain transformers loads each architecture; a test carries the lines out in a fresh process."""


def model_card(recipe: Recipe, scores: Mapping[str, Any], weight_bytes: int) -> str:
    """Writes the card.

    Args:
        recipe: What the organism was made by.
        scores: What was measured on it, as `scores.json` holds it: "parameters", "pope", "captions".
        weight_bytes: Size of its weights on the disk.

    Returns:
        Markdown; the same text for the same recipe and scores.
    """
    told = scores["captions"]
    how, lines = _LOADING[recipe.model_type]
    code = lines.format(folder=f"data/organisms/{recipe.name}", model_type=recipe.model_type)
    return f"""---
license: mit
library_name: transformers
pipeline_tag: image-text-to-text
---
# {recipe.name}

A model organism of scr_lens: a `{recipe.model_type}` checkpoint trained from scratch on a rendered world
of {len(CATEGORY_NAMES)} COCO categories in {len(SCENE_TYPES)} kinds of places.
**Its answers mean something only in that world.**

It exists so that every part of scr_lens runs end to end without a download, on a model whose training data,
scene prior and ground truth are known exactly. It is not a stand-in for a large model: a finding on it is a
finding on it.

| size | |
|---|---|
| parameters | {scores["parameters"]:,} |
| weights | {weight_bytes:,} bytes |
| decoder | {recipe.n_layers} blocks of width {recipe.d_model} |
| pictures | {shown(recipe.canvases)} pixels (height x width) |
| image tokens | {image_tokens(recipe)} |

## Load it

`scr_lens.load("{recipe.name}")` gives the lens that all commands and notebooks use.

{how}

```python
{code}```

## Measured on test scenes (never seen in training)

POPE, {POPE_IMAGES} pictures, image-clustered 95% intervals, percent:

| split | hallucination rate | accuracy | precision | recall | yes-ratio |
|---|---|---|---|---|---|
{_answers(scores["pope"])}

Captions of {told["n_captions"]} pictures ("{DESCRIBE[0]}"): {share(told["recall"])}% of the objects named,
CHAIR-s {share(told["chair_s"])}%, CHAIR-i {share(told["chair_i"])}% (lemma variant).
Example: "{told["example"]}"

## Made by

    scr-lens organism train {recipe.name}

{_origin(recipe)}Seed {recipe.seed}; another device or another torch gives other bits and similar scores.

| setting | value |
|---|---|
{_settings(recipe)}
"""


def _answers(pope: Mapping[str, Any]) -> str:
    """A row per split, a cell per metric."""
    rows = ((split, *(percent(pope[split][metric]) for metric in METRICS)) for split in SPLITS)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def image_tokens(recipe: Recipe) -> str:
    """How many tokens a picture becomes, and in which grids, height before width."""
    grids = [recipe.grid(canvas) for canvas in recipe.canvases]
    counts = " or ".join(str(size) for size in sorted({grid.size for grid in grids}))
    return f"{counts} ({', '.join(f'{grid.height}x{grid.width}' for grid in grids)})"


def percent(values: list[float] | None) -> str:
    """A share with its interval as percentages; a dash where it is undefined."""
    return "-" if values is None else "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * value for value in values))


def share(value: float | None) -> str:
    """A share as a percentage; a dash where it is undefined, as CHAIR-i is when no object was named."""
    return "-" if value is None else f"{100 * value:.1f}"


def shown(value: object) -> str:
    """A setting as a reader expects it: "96x96, 80x112", "none", "yes"; numbers as they are."""
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _origin(recipe: Recipe) -> str:
    if recipe.tower is None:
        return ""
    return (
        f"It starts from the encoder of [{recipe.tower}](../{recipe.tower}/README.md) as the dense phase\n"
        "leaves it; the command carries that phase out first where its state is not at hand.\n\n"
    )


def _settings(recipe: Recipe) -> str:
    notes = {"canvases": " (height x width)"}
    values = {name: getattr(recipe, name) for name in asdict(recipe)}
    return "\n".join(f"| {name} | {shown(value)}{notes.get(name, '')} |" for name, value in values.items())
