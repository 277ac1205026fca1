"""The commands of `scr-lens`, and how an error reaches the user."""

from __future__ import annotations

import logging
import sys

import typer

from scr_lens.cli.bench import bench
from scr_lens.cli.causal import causal
from scr_lens.cli.choose import choose
from scr_lens.cli.compare import compare
from scr_lens.cli.data import data
from scr_lens.cli.demo import demo
from scr_lens.cli.doctor import doctor
from scr_lens.cli.figures import figures
from scr_lens.cli.gallery import gallery
from scr_lens.cli.inspect import inspect
from scr_lens.cli.methods import methods
from scr_lens.cli.one_pass import one_pass
from scr_lens.cli.organism import organism
from scr_lens.cli.report import report
from scr_lens.cli.run import captions, merge, run
from scr_lens.cli.score import score
from scr_lens.cli.usage import PROGRAM, UsageError, is_question, usage_line
from scr_lens.errors import ScrLensError

_STOPPED = 130

app = typer.Typer(
    name=PROGRAM,
    help="Where in the image does a vision-language model put its credit, and what does moving it change?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(inspect)
app.command()(gallery)
app.command()(doctor)
app.command()(demo)
app.command()(figures)
app.command()(report)
app.command()(causal)
app.command()(choose)
app.command()(compare)
app.command()(run)
app.command()(merge)
app.command()(captions)
app.add_typer(data, name="data")
app.command()(methods)
app.add_typer(organism, name="organism")
app.add_typer(one_pass, name="one-pass")
app.add_typer(score, name="score")
app.add_typer(bench, name="bench")


def main() -> None:
    """Runs a command; an expected error becomes one line on standard error and exit status 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    sys.exit(_status(sys.argv[1:]))


def _status(arguments: list[str]) -> int:
    try:
        status = app(arguments, prog_name=PROGRAM, standalone_mode=False)
    except UsageError as error:
        typer.echo(
            error.format_message() if is_question(error) else _error(usage_line(error, arguments)), err=True
        )
        return 2
    except ScrLensError as error:
        typer.echo(_error(error), err=True)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        status = _STOPPED
    if status == _STOPPED:  # how some versions of the parser hand on an interrupt
        typer.echo("stopped; what was stored is kept, run the same command to go on", err=True)
    return status if isinstance(status, int) else 0


def _error(problem: object) -> str:
    return f"error: {problem}"
