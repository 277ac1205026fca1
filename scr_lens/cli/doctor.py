"""`scr-lens doctor`: what can be relied on with a model, measured on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from scr_lens.cli.published import DistinctBlocks, Layers, RandomWeights
from scr_lens.errors import ConfigError

if TYPE_CHECKING:
    from scr_lens.trace import Lens


def doctor(
    model: Annotated[
        str | None,
        typer.Argument(help="Shipped organism, checkpoint folder or hub name; llava-small by default."),
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda; by default a GPU if there is one.")
    ] = None,
    device_map: Annotated[
        str | None, typer.Option(help="Such as auto, to spread a large model; needs accelerate.")
    ] = None,
    random_weights: RandomWeights = None,
    layers: Layers = None,
    distinct_blocks: DistinctBlocks = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a model: equality with eager transformers, attention rows, edits, grid, padding.

    A model of a published size can be made with random weights and checked; options keep it small.

    Leaves with status 1 if a check fails, with 2 if the model cannot be loaded.
    """
    from scr_lens.doctor import examine

    if random_weights is None:
        if layers is not None or distinct_blocks is not None:
            raise ConfigError(
                "--layers and --distinct-blocks make a model smaller that is built with random weights; "
                "give --random-weights NAME, or leave them out"
            )
        lens = _checkpoint(model, dtype, device, device_map)
    else:
        if model is not None or device_map is not None:
            raise ConfigError(
                f"--random-weights {random_weights} is made on one device and needs no checkpoint; leave out "
                + (f"{model!r}" if model is not None else "--device-map")
            )
        lens = _made(random_weights, dtype, device, layers, distinct_blocks)
    found = examine(lens)
    typer.echo(json.dumps(found.to_dict(), indent=1) if as_json else str(found))
    if not found.passed:
        raise typer.Exit(1)


def _checkpoint(model: str | None, dtype: str, device: str | None, device_map: str | None) -> Lens:
    from scr_lens.models import load
    from scr_lens.organisms.shipped import DEFAULT

    return load(model or DEFAULT, dtype=dtype, device=device, device_map=device_map)


def _made(name: str, dtype: str, device: str | None, layers: int | None, distinct_blocks: int | None) -> Lens:
    from scr_lens.random_weights import published_lens

    return published_lens(name, dtype=dtype, device=device, n_layers=layers, distinct_blocks=distinct_blocks)
