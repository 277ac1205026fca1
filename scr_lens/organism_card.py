"""From a recipe to a shipped organism: train, save as a checkpoint, measure, write the model card."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from scr_lens import models
from scr_lens.analysis.hallucination import metric_interval
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.records import of_split
from scr_lens.benchmarks import read_instances
from scr_lens.benchmarks.captions import score_chair
from scr_lens.organisms.canvas import Canvas
from scr_lens.organisms.export import export_world
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.language import DESCRIBE
from scr_lens.organisms.recipe import Recipe
from scr_lens.organisms.scenes import SCENE_TYPES
from scr_lens.pictures import read_image
from scr_lens.questions import standard_conditions
from scr_lens.run import run_questions
from scr_lens.store import RunStore, read_run
from scr_lens.store.atomic import write_bytes
from scr_lens.trace import Lens, Sample, generate
from scr_lens.world_benchmark import world_pope

logger = logging.getLogger(__name__)

POPE_IMAGES, CAPTION_IMAGES, CAPTION_BATCH = 500, 200, 40
METRICS = ("hallucination_rate", "accuracy", "precision", "recall", "yes_ratio")


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
    """Measures a saved organism on the test scenes and writes `scores.json` and the model card beside it."""
    lens = models.load(folder)
    scores: dict[str, Any] = {
        "pope": measure_pope(lens, cache, recipe.canvases),
        "captions": measure_captions(lens, cache, recipe.canvases),
    }
    scores["parameters"] = sum(p.numel() for p in lens.hf_model.parameters())
    write_bytes(folder / "scores.json", (json.dumps(scores, indent=1, sort_keys=True) + "\n").encode())
    write_bytes(folder / "README.md", card(recipe, scores).encode())


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
        for split in ("random", "popular", "adversarial")
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


def card(recipe: Recipe, scores: dict[str, Any]) -> str:
    """The model card: what it is, how it was made, what was measured."""
    grids = ", ".join(f"{g.height}x{g.width}" for g in map(recipe.grid, recipe.canvases))
    rows = [
        f"| {split} | " + " | ".join(_percent(values[metric]) for metric in METRICS) + " |"
        for split, values in scores["pope"].items()
    ]
    told = scores["captions"]
    settings = "\n".join(f"| {key} | {value} |" for key, value in asdict(recipe).items())
    return f"""---
license: mit
library_name: transformers
pipeline_tag: image-text-to-text
---
# {recipe.name}

A model organism of scr_lens: a `{recipe.model_type}` checkpoint of {scores["parameters"]:,} parameters
({grids} image tokens, {recipe.n_layers} decoder blocks of width {recipe.d_model}), trained from scratch
on a rendered world of {len(CATEGORY_NAMES)} COCO categories in {len(SCENE_TYPES)} kinds of places. It loads
like any Hugging Face checkpoint. **Its answers mean something only in that world.**

It exists so that every part of scr_lens runs end to end without a download, on a model whose training data,
scene prior and ground truth are known exactly. It is not a stand-in for a large model: a finding on it is a
finding on it.

## Measured on test scenes (never seen in training)

POPE, {POPE_IMAGES} pictures, image-clustered 95% intervals, percent:

| split | hallucination rate | accuracy | precision | recall | yes-ratio |
|---|---|---|---|---|---|
{chr(10).join(rows)}

Captions of {told["n_captions"]} pictures ("{DESCRIBE[0]}"): {100 * told["recall"]:.1f}% of the objects named,
CHAIR-s {100 * told["chair_s"]:.1f}%, CHAIR-i {100 * told["chair_i"]:.1f}% (lemma variant).
Example: "{told["example"]}"

## Made by

    scr-lens organism train {recipe.name}

seed {recipe.seed}; another device or another torch gives other bits and similar scores.

| setting | value |
|---|---|
{settings}
"""


def _percent(values: list[float] | None) -> str:
    return "-" if values is None else "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * value for value in values))
