"""Questions per second of a run, against the loop that benchmarks' own scripts use."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from scr_lens import models
from scr_lens.analysis.paired_ratio import Ratio, paired_ratio
from scr_lens.benchmarks import question_text
from scr_lens.chunks import whole_image_chunks
from scr_lens.errors import ConfigError, ContractError
from scr_lens.measurement import YesNoAnswers
from scr_lens.organisms.export import export_world
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.questions import Question, standard_conditions
from scr_lens.run import BATCH_SIZE, run_chunks
from scr_lens.store import RunStore, read_run
from scr_lens.trace import Lens, plain_twin, wrap
from scr_lens.trace.synthetic import SyntheticLlava, build_llava

MID_SIZE = SyntheticLlava(
    n_layers=4,
    d_model=1024,
    n_heads=16,
    n_kv_heads=16,
    d_mlp=2752,
    image_size=336,
    patch_size=14,
    vision_layers=2,
    vision_width=128,
    gain=1.0,
    vision_gain=1.0,
)
PHOTO = (640, 480)
"""Width and height of a random picture, as photographs of POPE have them."""
TOLERANCE = 1e-3
"""Largest difference of P(yes) that counts as the same answer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """A model with questions to answer.

    Attributes:
        name: Name in the table.
        lens: The model.
        questions: Yes/no questions about pictures on disk.
        max_new_tokens: Most tokens that the loop generates per answer.
    """

    name: str
    lens: Lens
    questions: tuple[Question, ...]
    max_new_tokens: int

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The prompt of every question."""
        lens = self.lens
        return tuple(lens.family.prompt(lens.processor, question.text) for question in self.questions)


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Result for one workload.

    Attributes:
        questions: Questions per round.
        images: Pictures they are about.
        loop_rate: Median questions per second of one `generate` per question, eager attention.
        run_rate: Median questions per second of a run (condition "vanilla"), maps stored.
        ratio: The loop's seconds over the run's seconds of the same round.
    """

    questions: int
    images: int
    loop_rate: float
    run_rate: float
    ratio: Ratio

    def __str__(self) -> str:
        return (
            f"{self.questions:3} questions, {self.questions // self.images:2} per image: "
            f"loop {self.loop_rate:.2f}/s, run {self.run_rate:.2f}/s, "
            f"ratio {self.ratio.median:.2f} (quartiles {self.ratio.low:.2f} to {self.ratio.high:.2f})"
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model said first.

    Attributes:
        answer: "yes", "no" or "other".
        p_yes: Probability of the spellings of "yes".
    """

    answer: str
    p_yes: float


def throughput(workload: Workload, *, rounds: int = 5, warmup: int = 1) -> Throughput:
    """Time a run against the official loop on the same weights and pictures, alternating in one process.

    The loop is that of the published POPE scripts: open the picture, make the prompt's tensors, `generate`,
    one question after another, plain transformers with eager attention. The run is `run_chunks` with the
    condition "vanilla": it reads and hashes pictures, answers, and stores norms and attention maps of every
    question.

    Args:
        workload: Model and questions.
        rounds: Timed rounds, at least 2.
        warmup: Rounds that are run first and dropped.

    Returns:
        Median rates and ratios with quartiles.

    Raises:
        ConfigError: If `rounds` is below 2.
        ContractError: If an answer differs, or P(yes) by more than `TOLERANCE`.
    """
    if rounds < 2:
        raise ConfigError(f"rounds is {rounds}; give at least 2 for a spread")
    twin = plain_twin(workload.lens)
    variants: tuple[Callable[[], list[Answer]], ...] = (
        lambda: official_loop(workload, twin),
        lambda: stored_run(workload),
    )
    seconds: tuple[list[float], ...] = ([], [])
    for index in range(warmup + rounds):
        answers: dict[int, list[Answer]] = {}
        for which in (0, 1) if index % 2 else (1, 0):
            started = time.perf_counter()
            answers[which] = variants[which]()
            if index >= warmup:
                seconds[which].append(time.perf_counter() - started)
        require_same(workload.questions, answers[0], answers[1])
    n_questions = len(workload.questions)
    return Throughput(
        questions=n_questions,
        images=len({question.image for question in workload.questions}),
        loop_rate=n_questions / statistics.median(seconds[0]),
        run_rate=n_questions / statistics.median(seconds[1]),
        ratio=paired_ratio(seconds[0], seconds[1]),
    )


def official_loop(workload: Workload, twin: Any) -> list[Answer]:
    """Answer one question at a time with plain `generate`; see `throughput`."""
    lens = workload.lens
    return [_generated(lens, twin, question, workload.max_new_tokens) for question in workload.questions]


@torch.no_grad()
def _generated(lens: Lens, twin: Any, question: Question, max_new_tokens: int) -> Answer:
    with Image.open(question.image) as file:
        image = file.convert("RGB")
    prompt = lens.family.prompt(lens.processor, question.text)
    inputs = lens.processor(images=image, text=prompt, return_tensors="pt").to(twin.device)
    output = twin.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=max_new_tokens,
        output_scores=True,
        return_dict_in_generate=True,
    )
    first = int(output.sequences[0, inputs["input_ids"].shape[1]])
    yes, no = lens.yes_no_ids()
    p_yes = torch.softmax(output.scores[0][0].double(), dim=-1)[yes].sum()
    return Answer(answer="yes" if first in yes else "no" if first in no else "other", p_yes=float(p_yes))


def stored_run(workload: Workload) -> list[Answer]:
    """Answer all questions with a run into a fresh store, in the order of the questions."""
    with tempfile.TemporaryDirectory() as folder:
        with RunStore.create(folder + "/run") as store:
            run_chunks(
                workload.lens,
                whole_image_chunks(workload.questions, BATCH_SIZE),
                standard_conditions(["vanilla"]),
                store,
                benchmark=workload.name,
                measurement=YesNoAnswers(),
                progress=lambda _: None,
            )
        rows = read_run(folder + "/run", columns=["image_id", "prompt", "answer", "p_yes"])
    found = {
        (image, prompt): Answer(answer=answer, p_yes=p_yes)
        for image, prompt, answer, p_yes in rows.itertuples(index=False)
    }
    asked = zip(workload.questions, workload.prompts, strict=True)
    return [found[question.image_id, prompt] for question, prompt in asked]


def require_same(questions: Sequence[Question], loop: Sequence[Answer], run: Sequence[Answer]) -> None:
    """Refuse a comparison of speed between different answers.

    Args:
        questions: What was asked.
        loop: Answers of the loop.
        run: Answers of the run.

    Raises:
        ContractError: Naming the first question whose answers differ.
    """
    for question, theirs, ours in zip(questions, loop, run, strict=True):
        if theirs.answer != ours.answer or not abs(theirs.p_yes - ours.p_yes) <= TOLERANCE:
            raise ContractError(
                f"{question.image_id}, {question.text!r}: the loop says {theirs.answer!r} "
                f"(P(yes) {theirs.p_yes:.4f}), the run {ours.answer!r} ({ours.p_yes:.4f}); "
                "compare in float32, where both must agree"
            )


def standard_workloads(folder: Path) -> Mapping[str, Callable[[], Workload]]:
    """The workloads of `scr-lens bench throughput`, built when called.

    Args:
        folder: Where pictures are put.

    Returns:
        The shipped organism with 6 and with 18 questions per image, and a random LLaVA of 4 blocks x 1024
        with 576 image tokens and 6 questions about one image.
    """
    return {
        "organism, 6 per image": lambda: organism_workload(folder, n_images=8, per_image=6),
        "organism, 18 per image": lambda: organism_workload(folder, n_images=4, per_image=18),
        "4 blocks x 1024, 6 per image": lambda: random_workload(folder, MID_SIZE, per_image=6),
    }


def organism_workload(folder: Path, *, n_images: int, per_image: int) -> Workload:
    """The shipped organism with questions about rendered scenes; answers end with its own end token."""
    pictures = sorted(export_world("test", n_images, folder / f"world-{n_images}").images.iterdir())
    names = itertools.cycle(CATEGORY_NAMES)
    questions = tuple(
        Question(image=picture, image_id=picture.name, text=question_text(name), object=name)
        for picture in pictures
        for name in itertools.islice(names, per_image)
    )
    return Workload(name="organism", lens=models.load(), questions=questions, max_new_tokens=16)


def random_workload(folder: Path, sizes: SyntheticLlava, *, per_image: int) -> Workload:
    """A random-weight LLaVA with questions about one noise picture; one token, since it knows no end."""
    picture = folder / "noise.png"
    Image.effect_noise(PHOTO, 80).convert("RGB").save(picture)
    things = itertools.product(("red", "blue"), ("dog", "cat", "ball"), ("left", "right"))
    questions = tuple(
        Question(image=picture, image_id=picture.name, text=f"is there a {color} {thing} on the {side} ?")
        for color, thing, side in itertools.islice(things, per_image)
    )
    lens = wrap(*build_llava(sizes), model_id="synthetic-llava")
    return Workload(name="random", lens=lens, questions=questions, max_new_tokens=1)
