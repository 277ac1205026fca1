"""`scr-lens doctor`: what can be relied on with a model, measured on it."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor(
    model: Annotated[
        str, typer.Argument(help="Shipped organism, checkpoint folder or hub name.")
    ] = "llava-small",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda; by default a GPU if there is one.")
    ] = None,
    device_map: Annotated[
        str | None, typer.Option(help="Such as auto, to spread a large model; needs accelerate.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a model: equality with eager transformers, attention rows, edits, grid, padding.

    Leaves with status 1 if a check fails, with 2 if the model cannot be loaded.
    """
    from scr_lens.doctor import examine
    from scr_lens.models import load

    found = examine(load(model, dtype=dtype, device=device, device_map=device_map))
    typer.echo(json.dumps(found.to_dict(), indent=1) if as_json else str(found))
    if not found.passed:
        raise typer.Exit(1)
