"""Test "prior": the same objects on backgrounds that do and do not predict the object asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from scr_lens.benchmarks.pope_builder import question_text
from scr_lens.causal.asked import Asked
from scr_lens.causal.ledger import unit_key
from scr_lens.causal.work import Rows, run_units
from scr_lens.comparison import baseline_pass, diagnostic_capture, treated_pass, treatment
from scr_lens.config import ScrConfig
from scr_lens.organisms.canvas import Canvas, canvas_of
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.render import render_scene
from scr_lens.organisms.scenes import SCENE_TYPES
from scr_lens.organisms.world import Scene, Split, sample_scene, swap_background
from scr_lens.trace import Lens, Sample, encode_images


@dataclass(frozen=True, kw_only=True)
class PriorSettings:
    """Settings of the test.

    Args:
        n_images: Scenes, the first of the split.
        n_absent: Absent objects asked for in each scene, each on two backgrounds.
        n_present: Present objects asked for, likewise.
        methods: Methods compared with the untouched model.
        scr: Settings of the methods.
        batch_scenes: Scenes per pass.
    """

    n_images: int = 100
    n_absent: int = 4
    n_present: int = 2
    methods: tuple[str, ...] = ("scr",)
    scr: ScrConfig = field(default_factory=ScrConfig)
    batch_scenes: int = 4


@dataclass(frozen=True)
class Swap:
    """One question about one scene on one swapped background.

    Attributes:
        scene: The scene with its background swapped.
        canvas: Size of the picture.
        object: What is asked for.
        label: Right answer.
        in_pool: Whether the background's pool holds the object.
    """

    scene: Scene
    canvas: Canvas
    object: str
    label: str
    in_pool: bool


def run_prior(
    lens: Lens, asked: Asked, run: str | Path, settings: PriorSettings | None = None
) -> pd.DataFrame:
    """Ask for objects on a background that predicts them and on one that does not.

    Neither background is the scene's own place, so that both pictures are equally swapped.

    Args:
        lens: The model.
        asked: Names the split of the scenes and the sizes of the pictures.
        run: Folder of all causal tests of the model.
        settings: Settings; defaults if None.

    Returns:
        One row per scene, object, background and condition: image_id (the scene), question, object, label,
        background, place (the objects' own), in_pool, condition ("vanilla" or a method), answer, p_yes.

    Raises:
        StoreError: If the folder holds records of another model or of other settings.
    """
    chosen = settings or PriorSettings()
    scenes = range(chosen.n_images)
    chunks = [
        scenes[start : start + chosen.batch_scenes] for start in range(0, len(scenes), chosen.batch_scenes)
    ]
    units = {unit_key(asked.split, *chunk): chunk for chunk in chunks}
    return run_units(
        lens,
        run,
        "prior",
        units,
        lambda chunk: _measure(lens, [s for i in chunk for s in swaps(asked, i, chosen)], chosen),
        settings=chosen,
        seeds={"draw": asked.seed, "scr": chosen.scr.seed},
    )


def swaps(asked: Asked, index: int, settings: PriorSettings) -> list[Swap]:
    """The questions about one scene.

    Args:
        asked: Names the split, the sizes of the pictures and the seed.
        index: Number of the scene in its split.
        settings: How many objects to ask for.

    Returns:
        Two entries per object, predicted first; objects without a predicting place other than the scene's
        own are not asked for.
    """
    canvas = canvas_of(index, asked.canvases)
    scene = sample_scene(asked.split, index)
    rng = random.Random(f"prior/{asked.seed}/{asked.split}/{index}")
    seen = render_scene(scene, canvas).names
    groups = {"no": [n for n in CATEGORY_NAMES if n not in seen], "yes": sorted(seen)}
    wanted = {"no": settings.n_absent, "yes": settings.n_present}
    found: list[Swap] = []
    for label, names in groups.items():
        usable = [name for name in names if all(_places(name, scene.place))]
        for name in rng.sample(usable, min(wanted[label], len(usable))):
            for places, in_pool in zip(_places(name, scene.place), (True, False), strict=True):
                found.append(Swap(swap_background(scene, rng.choice(places)), canvas, name, label, in_pool))
    return found


def _places(name: str, own: int) -> tuple[list[int], list[int]]:
    """Places other than the own one whose pool does, and does not, hold an object."""
    others = [place for place in range(len(SCENE_TYPES)) if place != own]
    inside = [place for place in others if name in SCENE_TYPES[place].pool]
    return inside, [place for place in others if place not in inside]


def _measure(lens: Lens, asked: Sequence[Swap], settings: PriorSettings) -> Rows:
    pictures = {}
    for swap in asked:
        if swap.scene not in pictures:
            pictures[swap.scene] = render_scene(swap.scene, swap.canvas).image
    samples = [Sample(pictures[s.scene], question=question_text(s.object)) for s in asked]
    batch = encode_images(lens, lens.prepare(samples))
    keys = tuple(f"{_name(s.scene)}/{s.scene.background}/{s.object}" for s in asked)
    capture = diagnostic_capture(lens, settings.scr.diagnostic)
    baseline = baseline_pass(lens, batch, keys, capture)
    records = {"vanilla": baseline.record}
    for method in settings.methods:
        records[method] = treated_pass(baseline, treatment(baseline, method, settings.scr), capture)
    rows: Rows = []
    for condition, record in records.items():
        for swap, sample, measured in zip(asked, samples, record.samples, strict=True):
            answer = measured.yes_no(lens)
            rows.append(
                {
                    "image_id": _name(swap.scene),
                    "question": sample.question,
                    "object": swap.object,
                    "label": swap.label,
                    "background": SCENE_TYPES[swap.scene.background].name,
                    "place": SCENE_TYPES[swap.scene.place].name,
                    "in_pool": swap.in_pool,
                    "condition": condition,
                    "answer": answer.answer,
                    "p_yes": answer.p_yes,
                }
            )
    return rows


def _name(scene: Scene) -> str:
    split: Split = scene.split
    return f"{split}_{scene.index:06d}"
