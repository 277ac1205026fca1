"""`scr-lens causal`: set something from outside and see what the answers do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scr_lens.analysis.verdict import PredictionResult
    from scr_lens.causal import Outcome
    from scr_lens.trace import Lens


def causal(
    model: Annotated[
        str, typer.Argument(help="Shipped organism, checkpoint folder or hub name.")
    ] = "llava-small",
    out: Annotated[Path, typer.Option(help="Folder for records, tables and figures.")] = Path("runs/causal"),
    tests: Annotated[
        str, typer.Option(help="Some of credit,dose,prior,direction, separated by commas.")
    ] = "credit,dose,prior,direction",
    images: Annotated[
        int | None, typer.Option(min=2, help="Images of every test; each has its own number by default.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="Settings chosen by `scr-lens choose`; the paper's by default.")
    ] = None,
    pool: Annotated[int, typer.Option(min=2, help="Test pictures that questions are drawn from.")] = 500,
    work: Annotated[Path, typer.Option(help="Folder that holds data/world/.")] = Path(),
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda.")] = None,
) -> None:
    """Causal tests: ablation as ground truth, dose and response, scene prior, answer direction.

    Stop it at any time; the same command goes on where it stopped.
    """
    from scr_lens.causal import Asked, find_test, read_choice
    from scr_lens.models import caveat, load

    chosen = [find_test(name.strip()) for name in tests.split(",")]
    lens = load(model, dtype=dtype, device=device)
    scr = None if settings is None else read_choice(settings, lens)
    asked = Asked.of_world(lens, "test", pool, work / "data" / "world", seed=seed)
    for test in chosen:
        typer.echo(f"{test.name}: {test.title}")
        outcome = test.carry_out(lens, asked, out, test.with_settings(n_images=images, scr=scr))
        files = write_outcome(out / test.name, outcome, lens)
        typer.echo("\n".join([*map(line, outcome.findings), *(f"  {remark}" for remark in outcome.remarks)]))
        typer.echo(f"  written: {len(files)} files in {out / test.name}")
    if caveat(lens):
        typer.echo(caveat(lens))


def line(finding: PredictionResult) -> str:
    """A finding as one line of text."""
    numbers = f"{finding.estimate:+.3f} [{finding.ci_low:+.3f}, {finding.ci_high:+.3f}] {finding.unit}"
    size = f"{finding.n_images} images, {finding.n_questions} questions"
    return f"  {finding.name:15s} {finding.verdict:14s} {numbers}  {finding.estimator}  ({size})"


def write_outcome(folder: Path, outcome: Outcome, lens: Lens) -> Sequence[Path]:
    """Write the tables and figures of a test next to its records.

    Args:
        folder: Folder of the test.
        outcome: What it found.
        lens: The model.

    Returns:
        Everything written.
    """
    import pandas as pd

    from scr_lens.figures import save, to_csv, write_provenance
    from scr_lens.figures.causal import CAUSAL_FIGURES
    from scr_lens.figures.saving import write_figure_file

    findings = pd.DataFrame([finding.to_row() for finding in outcome.findings])
    tables = {"findings": findings, **outcome.tables}
    drawn: dict[str, tuple[Path, ...]] = {
        name: (write_figure_file(folder, f"{name}.csv", to_csv(table).encode()),)
        for name, table in tables.items()
    }
    for name, result in outcome.results.items():
        drawn[f"figure-{name}"] = save(CAUSAL_FIGURES[name](result), folder, f"figure-{name}")
    origin = {"model_id": lens.model_id, "model_revision": lens.revision, "remarks": list(outcome.remarks)}
    provenance = write_provenance(folder, drawn, origin)
    return [*(file for files in drawn.values() for file in files), provenance]
