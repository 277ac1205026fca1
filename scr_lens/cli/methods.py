"""`scr-lens methods`: what can be compared, and what it costs."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def methods(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the table as JSON, with all defaults.")
    ] = False,
) -> None:
    """Show every method with what it costs and needs."""
    from scr_lens.decoding.table import as_markdown, method_table

    rows = method_table()
    typer.echo(json.dumps([row.to_dict() for row in rows], indent=1) if as_json else as_markdown(rows))
