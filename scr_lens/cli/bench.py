"""`scr-lens bench`: ratios measured side by side in one process."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from scr_lens.cli.published import DistinctBlocks, Layers, RandomWeights
from scr_lens.errors import ConfigError

bench = typer.Typer(help="Measure costs on this machine.", no_args_is_help=True, invoke_without_command=True)


@bench.callback()
def _bench(
    context: typer.Context,
    random_weights: RandomWeights = None,
    dtype: Annotated[str, typer.Option(help="Of the weights: bfloat16, float16 or float32.")] = "bfloat16",
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda; by default a GPU if there is one.")
    ] = None,
    layers: Layers = None,
    distinct_blocks: DistinctBlocks = None,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds; each runs every variant once.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure costs on this machine; the options here belong to --random-weights."""
    if context.invoked_subcommand is not None:
        if random_weights is not None:
            raise ConfigError(
                f"--random-weights {random_weights} and {context.invoked_subcommand!r} are two measurements; "
                "give one of them"
            )
        _refuse_given(context, context.invoked_subcommand)
        return
    if random_weights is None:
        raise ConfigError("nothing to measure; give --random-weights NAME, or capture or throughput")
    from scr_lens.real_size import real_size_benchmark

    result = real_size_benchmark(
        random_weights,
        dtype=dtype,
        device=device,
        n_layers=layers,
        distinct_blocks=distinct_blocks,
        rounds=rounds,
    )
    typer.echo(json.dumps(dataclasses.asdict(result), indent=1) if as_json else str(result))


@bench.command()
def capture(
    rounds: Annotated[int, typer.Option(min=2, help="Rounds; each runs every variant once.")] = 9,
    device: Annotated[str, typer.Option(help="Where to run, such as cpu or cuda.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Cost of a capture against a plain forward pass, on a random-weight LLaVA of 16 blocks x 1024."""
    from scr_lens.bench import capture_benchmark
    from scr_lens.trace.device import find_device

    result = capture_benchmark(rounds=rounds, device=find_device(device))
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
        workloads = standard_workloads(Path(folder))
        chosen = [name for name in workloads if only in name]
        if not chosen:
            names = ", ".join(map(repr, workloads))
            raise ConfigError(f"--only {only!r} is in no workload's name; give a part of one of: {names}")
        for name in chosen:
            found[name] = measure(workloads[name](), rounds=rounds)
            if not as_json:
                typer.echo(f"{name}: {found[name]}")
    if as_json:
        typer.echo(json.dumps({name: dataclasses.asdict(result) for name, result in found.items()}, indent=1))


def _refuse_given(context: typer.Context, subcommand: str) -> None:
    """Refuses an option before a subcommand, which would not see it."""
    group: Any = context.command
    taken = {name for option in group.get_command(context, subcommand).params for name in option.opts}
    for option in group.params:
        source = context.get_parameter_source(option.name)
        if source is None or source.name != "COMMANDLINE":
            continue
        name = option.opts[0]
        given = name if option.is_flag else f"{name} {context.params[option.name]}"
        what_to_do = (
            f"put it behind: scr-lens bench {subcommand} {given}"
            if name in taken
            else f"leave it out, or give it with --random-weights NAME instead of {subcommand!r}"
        )
        raise ConfigError(f"{given} stands before {subcommand!r}, which would not see it; {what_to_do}")
