"""`scr-lens run`, `merge` and `captions`: runs and what comes out of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer


def run(
    config: Annotated[Path, typer.Argument(help="TOML file; see data/configs/ for examples.")],
    out: Annotated[Path, typer.Option(help="Run directory; an unfinished run in it is gone on with.")],
    jobs: Annotated[int, typer.Option(min=1, help="Processes, each with its own copy of the model.")] = 1,
    shard: Annotated[
        str | None, typer.Option(help="Only part i of n, such as 1/4, for several machines on one store.")
    ] = None,
) -> None:
    """Ask a benchmark's questions under several conditions and store every answer."""
    from scr_lens.chunks import Shard
    from scr_lens.execute import execute
    from scr_lens.run_config import RunConfig

    sys.path.append(str(Path.cwd()))  # where a method of one's own, "module:Class", may be
    settings = RunConfig.from_toml(config)
    part = None if shard is None else Shard.parse(shard)
    try:
        summary = execute(settings, out, jobs=jobs, shard=part)
    except KeyboardInterrupt:
        typer.echo(f"stopped; what was stored in {out} is kept, run the same command to go on", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{summary}\nrun: {out}")
    report_failures(summary.failed)


def merge(
    runs: Annotated[list[Path], typer.Argument(help="Run directories of one run, made apart.")],
    out: Annotated[Path, typer.Option(help="New run directory.")],
) -> None:
    """Put shards that were run into separate directories together."""
    from scr_lens.store import merge_runs

    typer.echo(f"{merge_runs(runs, out)} rows\nrun: {out}")


def captions(
    run: Annotated[Path, typer.Argument(help="Run directory with captions.")],
    condition: Annotated[str, typer.Option(help="Condition whose captions to write.")],
    out: Annotated[Path, typer.Option(help="JSON lines file, ready for `scr-lens score`.")],
) -> None:
    """Write a run's captions in the official format, for `scr-lens score chair` and `cider`."""
    import json

    from scr_lens.analysis.captions import captions_of
    from scr_lens.store import read_run
    from scr_lens.store.atomic import write_bytes

    columns = ["image_id", "condition", "status", "answer_text"]
    records = captions_of(read_run(run, columns), condition)
    write_bytes(out, "".join(json.dumps(record) + "\n" for record in records).encode())
    typer.echo(f"{len(records)} captions: {out}")


def report_failures(failed: Mapping[str, str]) -> None:
    """Prints what failed and leaves with status 1; does nothing when nothing did."""
    for image, reason in failed.items():
        typer.echo(f"failed: {image}: {reason}", err=True)
    if failed:
        raise typer.Exit(1)
