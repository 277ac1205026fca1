"""`scr-lens one-pass`: train the network that predicts sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scr_lens.trace import Lens, Sample

one_pass = typer.Typer(help="One-Pass SCR: sources from block 0.", no_args_is_help=True)

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@one_pass.callback()
def _one_pass() -> None:
    """One-Pass SCR: sources from block 0."""


@one_pass.command()
def train(
    model: Annotated[str, typer.Argument(help="Organism, checkpoint folder or hub name.")],
    out: Annotated[Path, typer.Option(help="Folder to write; MODEL_FOLDER/one_pass is found by itself.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of your own pictures; without it, scenes of the rendered world."),
    ] = None,
    question: Annotated[
        str | None, typer.Option(help="What to ask about your pictures; the default describes them.")
    ] = None,
    maps: Annotated[
        int, typer.Option(min=2, help="Attention maps to learn from; the paper uses 5000.")
    ] = 5000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the maps.")] = 60,
    full_width: Annotated[bool, typer.Option(help="Read the full width, without projection.")] = False,
    world: Annotated[Path, typer.Option(help="Where rendered scenes are kept.")] = Path("data/world"),
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda.")] = None,
) -> None:
    """Train a predictor of the sources on a model's own attention maps.

    Stop it at any time; the same command takes the maps again and goes on with the training where it stopped.
    """
    from tqdm.auto import tqdm

    from scr_lens.models import load
    from scr_lens.one_pass import STATE, PredictorConfig, collect, save_predictor, train_predictor
    from scr_lens.one_pass.predictor import PROJECTED

    lens = load(model, device=device)
    samples = _world_samples(lens, maps, world) if images is None else _own_samples(images, question, maps)
    config = PredictorConfig(d_model=lens.d_model, projected=None if full_width else PROJECTED)
    examples = collect(lens, tqdm(samples, total=maps, desc="attention maps", unit="map"), config)
    predictor, report = train_predictor(examples, config, epochs=epochs, state=out / STATE)
    origin = "rendered world, train split" if images is None else f"pictures of {images.name}"
    save_predictor(predictor, report, lens, out, trained_on=origin, epochs=epochs)
    typer.echo(
        f"written: {out}; {report.n_maps} maps, KL {report.loss:.4f} nats, recall of two-pass sources "
        f"{report.recall:.3f} on {report.n_held_out} held-out maps (chance {report.chance:.3f})"
    )


def _world_samples(lens: Lens, count: int, folder: Path) -> Iterator[Sample]:
    """POPE questions on train scenes, one per picture and then the next, until there are enough."""
    from scr_lens.pictures import read_image
    from scr_lens.trace import Sample
    from scr_lens.world_benchmark import canvases_of, world_pope

    questions = sorted(
        world_pope("train", -(-count // 6), folder, canvases=canvases_of(lens)),
        key=lambda q: (q.image_id, q.text),
    )
    for asked in questions[:count]:
        yield Sample(read_image(asked.image)[0], question=asked.text, image_id=asked.image_id)


def _own_samples(folder: Path, question: str | None, count: int) -> Iterator[Sample]:
    from scr_lens.config import DiagnosticConfig
    from scr_lens.errors import DataError
    from scr_lens.pictures import read_image
    from scr_lens.trace import Sample

    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give a folder of pictures")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not files:
        raise DataError(f"{folder} holds no {', '.join(PICTURES)} file; give a folder of pictures")
    for path in files[:count]:
        yield Sample(
            read_image(path)[0], question=question or DiagnosticConfig().image_prompt, image_id=path.name
        )
