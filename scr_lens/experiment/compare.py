"""Carries the comparison of all methods out on one model, as far as it is not done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from scr_lens.errors import ConfigError, ContractError
from scr_lens.evidence import Evidence, read_evidence, side_table_key, write_side_table
from scr_lens.evidence.comparison import COMPARED
from scr_lens.evidence.evidence import CAPTIONS, POPE
from scr_lens.evidence.times import TIMES
from scr_lens.execute import execute
from scr_lens.experiment.clock import answer_alone, clock
from scr_lens.experiment.comparison_plan import ComparisonPlan, comparison_conditions
from scr_lens.experiment.measures import caption_objects_of, one_per_image, references_of
from scr_lens.freed_memory import keep_freed_memory
from scr_lens.models import load
from scr_lens.organisms.canvas import SQUARE
from scr_lens.organisms.export import export_world
from scr_lens.questions import Condition
from scr_lens.run_config import RunConfig
from scr_lens.serialization import digest_plain
from scr_lens.store.atomic import write_bytes
from scr_lens.tally import Summary
from scr_lens.tasks import CaptionsWorld, PopeWorld
from scr_lens.trace import Lens, Sample
from scr_lens.world_benchmark import canvases_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """A finished comparison.

    Attributes:
        folder: Experiment folder with `pope/`, `captions/` and side tables, which `evidence.read_evidence`
            reads.
        names: Conditions asked for; an earlier call may have stored others in the same folder.
        times: Time of every method, see `clock`.
        left_out: Why methods are not in it, by name.
        summaries: What the two runs did in this call.
    """

    folder: Path
    names: tuple[str, ...]
    times: pd.DataFrame
    left_out: dict[str, str]
    summaries: tuple[Summary, ...]

    def evidence(self) -> Evidence:
        """Answers and scored captions of the conditions asked for."""
        held = read_evidence(self.folder)
        captions = None if held.captions is None else _chosen(held.captions, self.names)
        return replace(held, answers=_chosen(held.answers, self.names), captions=captions)


def compare(
    model: str,
    runs: str | Path,
    plan: ComparisonPlan | None = None,
    *,
    world: str | Path = "data/world",
    jobs: int = 1,
    lens: Lens | None = None,
) -> Compared:
    """Run every method on the same questions and pictures; what is stored already is not run again.

    Args:
        model: Organism, checkpoint folder or hub name.
        runs: Folder of all runs.
        plan: Sizes and methods.
        world: Folder of rendered scenes.
        jobs: Processes of the runs; methods are timed by this process alone, when they are done.
        lens: The model, if it is loaded already.

    Returns:
        Where everything is, and what is missing.
    """
    keep_freed_memory()
    plan, lens = plan or ComparisonPlan(), lens or load(model)
    conditions, left_out = usable_conditions(lens, comparison_conditions(plan))
    left_out |= dict.fromkeys(plan.without, "left out on request")
    folder = _folder(lens, Path(runs), plan)
    folder.mkdir(parents=True, exist_ok=True)
    canvases = canvases_of(lens)
    pope = PopeWorld(n_images=plan.n_images, canvases=canvases, folder=str(world))
    captions = CaptionsWorld(
        n_images=plan.n_caption_images,
        max_new_tokens=plan.max_new_tokens,
        canvases=canvases,
        folder=str(world),
    )
    base = RunConfig(
        model=model, dtype=lens.dtype, device=str(lens.device), benchmark=pope, conditions=conditions
    )
    configs = {POPE: base, CAPTIONS: replace(base, benchmark=captions)}
    summaries = tuple(
        execute(config, folder / name, jobs=jobs, lens=lens) for name, config in configs.items()
    )
    _write_truth(folder, captions)
    facts = {"model": lens.model_id, "revision": lens.revision, "left_out": left_out}
    write_bytes(folder / COMPARED, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
    first = [c for c in conditions if c.name == c.method]  # other seeds take the same time
    asked = [*one_per_image(pope.questions(0), plan.n_timed), *captions.questions(0)[: plan.n_timed]]
    with tqdm(total=len(asked), desc="timing", unit="picture", mininterval=1) as bar:
        times = clock(
            lens, asked, first, folder / TIMES, max_new_tokens=captions.max_new_tokens, progress=bar.update
        )
    names = tuple(condition.name for condition in conditions)
    return Compared(folder=folder, names=names, times=times, left_out=left_out, summaries=summaries)


def usable_conditions(
    lens: Lens, conditions: Sequence[Condition]
) -> tuple[tuple[Condition, ...], dict[str, str]]:
    """Ask every method one question, and leave out those that the model does not allow.

    Args:
        lens: The model.
        conditions: Methods.

    Returns:
        The conditions that can be run, and the reason for each method that cannot, such as a predictor that
        was not trained.
    """
    picture = Image.new("RGB", (SQUARE.width, SQUARE.height))
    batch = lens.prepare([Sample(picture, question="Is there a thing in the image?")])
    reasons: dict[str, str] = {}
    for condition in conditions:
        if condition.name == condition.method:
            try:
                answer_alone(lens, batch, condition, None)
            except (ConfigError, ContractError) as error:
                reasons[condition.method] = str(error)
    return tuple(c for c in conditions if c.method not in reasons), reasons


def _folder(lens: Lens, runs: Path, plan: ComparisonPlan) -> Path:
    return runs / f"compare-{Path(lens.model_id).name}-{lens.revision[:8]}-{plan.sizes}"


def _chosen(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return frame[frame["condition"].isin(names)].reset_index(drop=True)


def _write_truth(folder: Path, task: CaptionsWorld) -> None:
    """What is in the captioned pictures and what people say about them, as side tables."""
    files = export_world(task.split, task.n_images, Path(task.folder), task.canvases or (SQUARE,))
    makers = {
        "references": (references_of, files.captions),
        "caption_objects": (caption_objects_of, files.instances),
    }
    for name, (make, file) in makers.items():
        key = digest_plain({"table": name, "count": task.n_images})
        if side_table_key(folder, name) != key:
            write_side_table(folder, name, make(file), key)
