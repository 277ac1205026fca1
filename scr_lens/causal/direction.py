"""Test "direction": the yes-minus-no direction along the blocks, untouched and under interventions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from scr_lens.causal.asked import Asked, asked_columns, to_batch
from scr_lens.causal.work import Rows, run_batches
from scr_lens.comparison import baseline_pass, diagnostic_capture, treatment
from scr_lens.config import ScrConfig
from scr_lens.questions import Question
from scr_lens.trace import Lens, SampleRecord
from scr_lens.trace.logit_lens import answer_lens


@dataclass(frozen=True, kw_only=True)
class DirectionSettings:
    """Settings of the test.

    Args:
        n_images: Images, all their questions.
        methods: Methods compared with the untouched model; the last is usually a control.
        scr: Settings of the methods.
        batch_size: Questions per pass.
    """

    n_images: int = 150
    methods: tuple[str, ...] = ("scr", "uniform-smooth")
    scr: ScrConfig = field(default_factory=ScrConfig)
    batch_size: int = 48


def run_direction(
    lens: Lens, asked: Asked, run: str | Path, settings: DirectionSettings | None = None
) -> pd.DataFrame:
    """Read the answer's direction at every depth, for every question and condition.

    Args:
        lens: The model.
        asked: Questions.
        run: Folder of all causal tests of the model.
        settings: Settings; defaults if None.

    Returns:
        One row per question and condition: image_id, question, object, label, condition, answer, p_yes,
        reading and attribution (lists over depth, see `trace.logit_lens.AnswerLens`).

    Raises:
        StoreError: If the folder holds records of another model or of other settings.
        ContractError: If the logit lens does not fit the architecture.
    """
    return run_batches(lens, asked, run, "direction", settings or DirectionSettings(), _measure)


def _measure(lens: Lens, unit: Sequence[Question], settings: DirectionSettings) -> Rows:
    batch, keys = to_batch(lens, unit)
    baseline = baseline_pass(lens, batch, keys, diagnostic_capture(lens, settings.scr.diagnostic))
    rows: Rows = []
    for condition in ("vanilla", *settings.methods):
        found = answer_lens(lens, batch, treatment(baseline, condition, settings.scr))
        for question, layout, one in zip(unit, batch.layouts, found, strict=True):
            answer = SampleRecord(layout=layout, logits=one.logits).yes_no(lens)
            rows.append(
                {
                    **asked_columns(question),
                    "condition": condition,
                    "answer": answer.answer,
                    "p_yes": answer.p_yes,
                    "reading": one.reading.numpy(),
                    "attribution": one.attribution.numpy(),
                }
            )
    return rows
