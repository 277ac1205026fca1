"""`scr-lens bench`: ratios measured side by side in one process."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(help="Measure costs on this machine.", no_args_is_help=True)


@bench.callback()
def _bench() -> None:
    """Measure costs on this machine."""


@bench.command()
def capture(
    rounds: Annotated[int, typer.Option(min=2, help="Rounds; each runs every variant once.")] = 9,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Cost of a capture against a plain forward pass, on a random-weight LLaVA of 16 blocks x 1024."""
    from scr_lens.bench import capture_benchmark

    result = capture_benchmark(rounds=rounds)
    typer.echo(json.dumps(dataclasses.asdict(result), indent=1) if as_json else str(result))


@bench.command()
def throughput(
    rounds: Annotated[int, typer.Option(min=2, help="Rounds; each runs both ways once.")] = 5,
    only: Annotated[str, typer.Option(help="Run only workloads whose name contains this text.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Questions per second of a run against one `generate` per question; the answers must agree."""
    from scr_lens.throughput import standard_workloads
    from scr_lens.throughput import throughput as measure

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, build in standard_workloads(Path(folder)).items():
            if only in name:
                found[name] = measure(build(), rounds=rounds)
                if not as_json:
                    typer.echo(f"{name}: {found[name]}")
    if as_json:
        typer.echo(json.dumps({name: dataclasses.asdict(result) for name, result in found.items()}, indent=1))
