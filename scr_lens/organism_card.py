"""From a recipe to a shipped organism: train, save as a checkpoint, measure, write the model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from scr_lens import models
from scr_lens.analysis.hallucination import metric_interval
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.records import of_split
from scr_lens.benchmarks import SPLITS, read_instances
from scr_lens.benchmarks.captions import score_chair
from scr_lens.organisms.canvas import Canvas
from scr_lens.organisms.card import CAPTION_IMAGES, METRICS, POPE_IMAGES, model_card
from scr_lens.organisms.export import export_world
from scr_lens.organisms.language import DESCRIBE
from scr_lens.organisms.recipe import Recipe
from scr_lens.organisms.scores import SCORES, read_scores
from scr_lens.pictures import read_image
from scr_lens.questions import standard_conditions
from scr_lens.run import run_questions
from scr_lens.store import RunStore, read_run
from scr_lens.store.atomic import write_bytes
from scr_lens.trace import Lens, Sample, generate
from scr_lens.world_benchmark import world_pope

CARD = "README.md"
"""The model card, where the hub shows it."""
CAPTION_BATCH = 40
"""Pictures that are described together."""


def train_and_describe(recipe: Recipe, folder: Path, cache: Path, device: str, threads: int | None) -> Path:
    """Trains an organism, or resumes its training, and writes the complete checkpoint folder.

    Args:
        recipe: What to train.
        folder: Checkpoint folder to write.
        cache: Rendered pictures, training state, log and the measuring run.
        device: Where to train.
        threads: CPU threads; None leaves torch's choice.

    Returns:
        The folder.
    """
    from scr_lens.organisms.training import train  # torch.compile is only wanted here

    if threads is not None:
        torch.set_num_threads(threads)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{recipe.name}-log.jsonl").open("a", encoding="utf-8") as log:
        model, processor = train(
            recipe, cache, torch.device(device), lambda entry: print_line(log, json.dumps(entry))
        )
    model.config.scr_lens_organism = recipe.name
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    describe(recipe, folder, cache)
    return folder


def print_line(log: Any, text: str) -> None:
    """Appends a line to a log file and flushes it, so that a running training can be watched."""
    log.write(text + "\n")
    log.flush()


def describe(recipe: Recipe, folder: Path, cache: Path) -> None:
    """Measures a saved organism on the test scenes; writes `scores.json` and the card into its folder."""
    lens = models.load(folder)
    scores: dict[str, Any] = {
        "pope": measure_pope(lens, cache, recipe.canvases),
        "captions": measure_captions(lens, cache, recipe.canvases),
    }
    scores["parameters"] = sum(p.numel() for p in lens.hf_model.parameters())
    write_bytes(folder / SCORES, (json.dumps(scores, indent=1, sort_keys=True) + "\n").encode())
    write_card(recipe, folder)


def write_card(recipe: Recipe, folder: Path) -> Path:
    """Writes the model card from what was measured before; nothing is measured.

    Args:
        recipe: What the organism was made by.
        folder: Its checkpoint folder, with `scores.json`.

    Returns:
        The card's file.

    Raises:
        DataError: If the folder holds no measurements, or they are damaged.
    """
    weight_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    write_bytes(folder / CARD, model_card(recipe, read_scores(folder), weight_bytes).encode())
    return folder / CARD


def measure_pope(lens: Lens, cache: Path, canvases: tuple[Canvas, ...]) -> dict[str, dict[str, Any]]:
    """POPE of the untouched model on the test scenes.

    Returns:
        Per split, each metric with its image-clustered 95% interval.
    """
    run = cache / f"pope-{Path(lens.model_id).name}"
    shutil.rmtree(run, ignore_errors=True)
    questions = world_pope("test", POPE_IMAGES, cache / "world", canvases=canvases)
    with RunStore.create(run, device=str(lens.device)) as store:
        run_questions(lens, questions, standard_conditions(["vanilla"]), store, benchmark="pope-world")
    frame = read_run(run)
    return {
        split: {metric: _interval(metric_interval(of_split(frame, split), metric)) for metric in METRICS}
        for split in SPLITS
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return (
        None if interval is None else [round(x, 5) for x in (interval.estimate, interval.low, interval.high)]
    )


def measure_captions(lens: Lens, cache: Path, canvases: tuple[Canvas, ...]) -> dict[str, Any]:
    """Captions of test scenes: share of objects named, CHAIR."""
    files = export_world("test", CAPTION_IMAGES, cache / "world", canvases)
    images = read_instances(files.instances).images
    captions = []
    for start in tqdm(range(0, len(images), CAPTION_BATCH), desc="captions", leave=False):
        chunk = images[start : start + CAPTION_BATCH]
        samples = [Sample(read_image(files.images / i.file_name)[0], question=DESCRIBE[0]) for i in chunk]
        texts = [answer.text for answer in generate(lens, lens.prepare(samples), max_new_tokens=48)]
        captions += [{"image_id": i.id, "caption": text} for i, text in zip(chunk, texts, strict=True)]
    path = cache / f"captions-{Path(lens.model_id).name}.jsonl"
    write_bytes(path, "".join(json.dumps(entry) + "\n" for entry in captions).encode())
    # The original "pattern" singularization turns every "bus" into "bu" and would miss it.
    score = score_chair(
        path, instances=[files.instances], references=[files.captions], singularization="lemma"
    )
    named = {
        name: getattr(score, name) for name in ("n_captions", "recall", "chair_s", "chair_i", "mean_words")
    }
    return {**named, "example": captions[0]["caption"]}
