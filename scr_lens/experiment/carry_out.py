"""Carries a plan out on one model, as far as it is not done, and leaves an experiment folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from PIL import Image

from scr_lens.causal import TESTS, Asked, choose, read_choice, write_choice
from scr_lens.config import ScrConfig
from scr_lens.evidence import side_table_key, write_side_table
from scr_lens.evidence.evidence import (
    ABLATIONS,
    CAPTIONS,
    CAUSAL,
    CHOSEN,
    CHOSEN_CONDITION,
    CONTROLS,
    FACTS,
    POPE,
)
from scr_lens.execute import execute
from scr_lens.experiment.measures import (
    autocorrelation_of,
    boxes_of,
    caption_objects_of,
    credit_of,
    one_per_image,
    references_of,
)
from scr_lens.experiment.plan import (
    CREDIT_ESTIMATORS,
    Plan,
    ablation_conditions,
    caption_conditions,
    chosen_conditions,
    control_conditions,
    main_conditions,
)
from scr_lens.freed_memory import keep_freed_memory
from scr_lens.models import load
from scr_lens.organisms.export import export_world
from scr_lens.questions import Condition
from scr_lens.run_config import RunConfig
from scr_lens.serialization import digest_plain
from scr_lens.store.atomic import write_bytes
from scr_lens.tasks import CaptionsWorld, PopeWorld, Task
from scr_lens.trace import Lens, Sample
from scr_lens.world_benchmark import canvases_of, scenes_for

logger = logging.getLogger(__name__)

_CHOICE = "choice.json"


def experiment_folder(lens: Lens, runs: str | Path) -> Path:
    """Folder of a model's experiment: its name and the beginning of its revision.

    Args:
        lens: The model.
        runs: Folder of all runs.

    Returns:
        The folder; it need not exist.
    """
    return Path(runs) / f"experiment-{Path(lens.model_id).name}-{lens.revision[:8]}"


def carry_out(
    model: str,
    runs: str | Path,
    plan: Plan | None = None,
    *,
    world: str | Path = "data/world",
    jobs: int | Callable[[], int] = 1,
    lens: Lens | None = None,
    tell: Callable[[str], object] = logger.info,
) -> Path:
    """Run everything that the plan says and that is not stored yet.

    With one job it starts no process, so that it may itself be the work of one.

    Args:
        model: Organism, checkpoint folder or hub name.
        runs: Folder of all runs.
        plan: Sizes; the full experiment if None.
        world: Folder of rendered scenes.
        jobs: Processes among which rows are divided; a function is asked before every run of rows.
        lens: The model, if it is loaded already.
        tell: Gets a line at every part that is begun, and what became of every run of rows.

    Returns:
        The experiment folder, which `evidence.read_evidence` reads.
    """
    keep_freed_memory()
    plan, lens = plan or Plan(), lens or load(model)
    folder = experiment_folder(lens, runs)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _chosen(lens, folder, plan, Path(world), tell)
    configs = _run_configs(model, lens, plan, chosen, world)
    _write_facts(lens, folder, None if chosen is None else CHOSEN_CONDITION if CHOSEN in configs else "scr")
    for name, config in configs.items():
        tell(name)
        free = jobs() if callable(jobs) else jobs
        tell(f"{name}: {execute(config, folder / name, jobs=free, lens=lens)}")
    tell("side tables")
    _write_side_tables(lens, folder, plan, configs[POPE], Path(world))
    _causal(lens, folder, plan, Path(world), tell)
    return folder


def _run_configs(
    model: str, lens: Lens, plan: Plan, chosen: ScrConfig | None, world: str | Path
) -> dict[str, RunConfig]:
    """Settings of every run by the name of its folder, in the order in which they are carried out."""
    canvases, counts = canvases_of(lens), _patch_counts(lens)
    every_split = PopeWorld(n_images=plan.n_images, canvases=canvases, folder=str(world))
    adversarial = replace(every_split, negatives=("adversarial",))
    absent = replace(adversarial, labels=("no",))
    first = replace(absent, asked_images=plan.n_ablation_images)
    described = CaptionsWorld(n_images=plan.n_caption_images, canvases=canvases, folder=str(world))
    asked: dict[str, tuple[Task, tuple[Condition, ...]]] = {
        POPE: (every_split, main_conditions()),
        CONTROLS: (adversarial, control_conditions()),
        CHOSEN: (absent, chosen_conditions(chosen, counts, lens.n_layers, lens.model_type)),
        ABLATIONS: (first, ablation_conditions(plan, min(counts), lens.n_layers, lens.model_type)),
        CAPTIONS: (described, caption_conditions()),
    }
    return {
        name: RunConfig(model=model, benchmark=task, conditions=conditions)
        for name, (task, conditions) in asked.items()
        if conditions
    }


def _write_facts(lens: Lens, folder: Path, chosen: str | None) -> None:
    """What the runs do not record; `chosen` is the condition that has the chosen settings."""
    facts = {
        "model_type": lens.model_type,
        "n_layers": lens.n_layers,
        "scr_layers": str(ScrConfig().resolved_layers(lens.n_layers, lens.model_type)),
        "revision": lens.revision,
        "chosen": chosen,
    }
    write_bytes(folder / FACTS, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())


def _patch_counts(lens: Lens) -> list[int]:
    """Patches of a picture of each size that the model is asked about."""
    pictures = [Image.new("RGB", (canvas.width, canvas.height)) for canvas in canvases_of(lens)]
    asked = [Sample(picture, question="Is there a thing in the image?") for picture in pictures]
    return [layout.grid.size for layout in lens.prepare(asked).layouts]


def _chosen(
    lens: Lens, folder: Path, plan: Plan, world: Path, tell: Callable[[str], object]
) -> ScrConfig | None:
    """Settings chosen on validation scenes, now or before; None if the plan leaves that out."""
    if plan.n_choice_images == 0:
        return None
    path = folder / _CHOICE
    if not path.exists():
        tell("choice of settings on validation scenes")
        asked = Asked.of_world(lens, "validation", plan.n_choice_images, world)
        choice, setting = choose(lens, asked, folder / "choice", n_images=plan.n_choice_images)
        write_choice(path, choice, setting, lens, asked)
    return read_choice(path, lens)


def _write_side_tables(lens: Lens, folder: Path, plan: Plan, main: RunConfig, world: Path) -> None:
    questions = main.benchmark.questions(main.seed)
    images = sorted({q.image_id for q in questions})
    canvases = canvases_of(lens)
    scenes = export_world("test", scenes_for(plan.n_images), world, canvases)
    captioned = export_world("test", plan.n_caption_images, world, canvases)
    asked = one_per_image(questions, plan.n_credit_questions)
    model: dict[str, object] = {"model": lens.revision, "images": images}
    names = [f"{q.image_id} {q.text}" for q in asked]
    makers: dict[str, tuple[dict[str, object], Callable[[], pd.DataFrame]]] = {
        "boxes": ({"images": images}, lambda: boxes_of(scenes.instances, images)),
        "references": ({"count": plan.n_caption_images}, lambda: references_of(captioned.captions)),
        "caption_objects": (
            {"count": plan.n_caption_images},
            lambda: caption_objects_of(captioned.instances),
        ),
        "autocorrelation": (model, lambda: autocorrelation_of(lens, questions)),
        "credit": (
            {**model, "asked": names, "estimators": list(CREDIT_ESTIMATORS)},
            lambda: credit_of(lens, asked, CREDIT_ESTIMATORS),
        ),
    }
    for name, (settings, make) in makers.items():
        key = digest_plain({"table": name, **settings})
        if side_table_key(folder, name) != key:
            write_side_table(folder, name, make(), key)


def _causal(lens: Lens, folder: Path, plan: Plan, world: Path, tell: Callable[[str], object]) -> None:
    if not plan.causal:
        return
    asked = Asked.of_world(lens, "test", max(plan.causal.values()), world)
    for name, n_images in plan.causal.items():
        test = TESTS[name]
        tell(f"causal test {name}")
        test.run(lens, asked, folder / CAUSAL, test.with_settings(n_images=n_images))
