"""The pages of docs/ that are made from the code: `python -m scr_lens.cli.reference docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from scr_lens.cli.app import app
from scr_lens.cli.true_sizes import true_sizes_page
from scr_lens.errors import ConfigError

_COMMANDS = """\
# Commands

Made from the code by `make docs`; edit the help texts in `scr_lens/cli/`. Every command also answers
`--help`. An expected error is one line on standard error and exit status 2.
"""
_METHODS = """\
# Methods

Made from the code by `make docs`; the same table as `scr-lens methods`, whose `--json` adds all defaults. A
method of one's own is named `module:Class`, see notebook 07 and `scr_lens/interventions/custom.py`.

**Prefills** are passes over the prompt, **forwards per token** those of every token that is written,
**caches** the key-value caches held at once. **Batch** says whether prompts go through together, **seed**
whether draws are made.
"""
_METHODS_END = """\
## What each does

"""
_ORGANISMS = """\
# Model organisms

Made by `make docs` from the measurements (`scores.json`) beside each organism's weights.

There are no weights to download here, so small models of the paper's architectures are trained from scratch
on a rendered world of {categories} COCO categories in {places} kinds of places. Places predict their objects,
so a model has a scene prior that can be wrong, and the truth is known to the pixel. **An organism's answers
mean something only in that world**, and a finding on one is a finding on it.

Name one wherever a model is named: `scr-lens demo --model NAME`, `make demo MODEL=NAME`,
`scr_lens.load("NAME")`. Each is an ordinary checkpoint folder in `data/organisms/`; its card has all metrics,
the settings of its training, and the lines that load it with plain transformers.

## At hand

HR is the hallucination rate: the share of yes among the questions about absent objects, per POPE split.
Percent with image-clustered 95% intervals; {pope} test pictures for POPE, {captions} for captions. A decoder
is given as blocks x width, the grid of image tokens as height x width.

"""
_ORGANISMS_END = """\

{untrained}

## Training one

```bash
scr-lens organism train NAME
```

trains an organism again, measures it, and writes its folder with the card. A stopped training goes on where
it left off. An organism that starts from the encoder of another has that one's dense phase carried out first,
unless its state is in the cache folder. `scr-lens organism card NAME` writes a card again without measuring.
"""


def commands_page() -> str:
    """Describes every command with its arguments and options.

    Returns:
        Markdown; the same text for the same commands.
    """
    parts = [_COMMANDS]
    for name, command in _leaves("scr-lens", typer.main.get_command(app)):
        parts += [f"## {name}\n", _described(name, command)]
    return "\n".join(parts)


def methods_page() -> str:
    """Describes every method.

    Returns:
        Markdown; the same text for the same methods.
    """
    from scr_lens.decoding.table import as_markdown, method_table

    rows = method_table()
    listed = "".join(f"- `{row.name}`: {row.description}\n" for row in rows)
    return f"{_METHODS}\n{as_markdown(rows)}\n\n{_METHODS_END}{listed}"


def organisms_page() -> str:
    """Describes the organisms at hand.

    Returns:
        Markdown; the same text for the same recipes and measurements.
    """
    from scr_lens.organisms.card import CAPTION_IMAGES, POPE_IMAGES
    from scr_lens.organisms.catalog import catalog, untrained
    from scr_lens.organisms.icons import CATEGORY_NAMES
    from scr_lens.organisms.scenes import SCENE_TYPES

    opening = _ORGANISMS.format(
        categories=len(CATEGORY_NAMES), places=len(SCENE_TYPES), pope=POPE_IMAGES, captions=CAPTION_IMAGES
    )
    names = ", ".join(f"`{name}`" for name in untrained())
    rest = f"Recipes without weights at hand: {names}." if names else "Every recipe has its weights here."
    return opening + catalog() + _ORGANISMS_END.format(untrained=rest)


def pages(docs: Path) -> Mapping[str, str]:
    """Every page that is made from the code and from measurements, by its file name.

    Args:
        docs: The folder docs/, where measurements at published sizes are stored.

    Returns:
        Markdown by file name.
    """
    return {
        "cli.md": commands_page(),
        "methods.md": methods_page(),
        "organisms.md": organisms_page(),
        "true-sizes.md": true_sizes_page(docs),
    }


def write_pages(folder: str | Path) -> tuple[Path, ...]:
    """Writes the pages.

    Args:
        folder: The folder docs/.

    Returns:
        The files written.

    Raises:
        ConfigError: If there is no such folder.
    """
    if not Path(folder).is_dir():
        raise ConfigError(f"there is no folder {str(folder)!r}; give the docs folder of a checkout")
    written = []
    for name, text in pages(Path(folder)).items():
        written.append(Path(folder) / name)
        written[-1].write_text(text, encoding="utf-8")
    return tuple(written)


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command that does something, depth first, in the order of the help."""
    for word, part in getattr(command, "commands", {}).items():
        if not hasattr(part, "commands") or part.params:
            yield f"{name} {word}", part
        yield from _leaves(f"{name} {word}", part)


def _described(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *map(_placeholder, arguments), *(["[OPTIONS]"] if options else [])])
    text = f"```\n{usage}\n```\n\n{(command.help or '').strip()}\n"
    if command.params:
        text += "\n| | default | |\n|---|---|---|\n" + "".join(map(_row, [*arguments, *options]))
    return text


def _placeholder(argument: Any) -> str:
    shown = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return shown if argument.required else f"[{shown}]"


def _row(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = [parameter.name.upper()] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    shown = ", ".join(f"`{name}`" for name in names)
    return f"| {shown} | {_default(parameter)} | {(parameter.help or '').replace('|', '&#124;')} |\n"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    is_empty = parameter.default is None or parameter.default in ("", False)
    return "" if is_empty else f"`{parameter.default}`"


if __name__ == "__main__":
    for path in write_pages(sys.argv[1] if len(sys.argv) > 1 else "docs"):
        typer.echo(str(path))
