"""Test "credit": exact ablation of every patch next to every cheap estimator of credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from scr_lens.causal.asked import Asked, asked_columns
from scr_lens.causal.work import Rows, question_units, run_units
from scr_lens.config import DiagnosticConfig, LayerRange
from scr_lens.errors import ContractError
from scr_lens.pictures import read_image
from scr_lens.questions import Question
from scr_lens.trace import CaptureSpec, Lens, Sample, diagnose, run_pass
from scr_lens.trace.patch_effects import ROWS_PER_PASS, patch_effects

ESTIMATED = ("attribution", "grad_norm", "grad_dot", "norm", "attention", "attention_next", "attention_map")
"""Cheap estimators that are compared with ablation, in the order of tables and figures."""


@dataclass(frozen=True, kw_only=True)
class CreditSettings:
    """Settings of the test.

    Args:
        n_images: Images, one question each.
        n_layers: Blocks to ablate at, spread evenly from the first to the last but one; the last block is
            left out, since nothing behind it reads a patch and gradient credit there is exactly 0.
        rows_per_pass: Ablations that run at once.
        diagnostic: Settings of the attention map.
    """

    n_images: int = 24
    n_layers: int = 4
    rows_per_pass: int = ROWS_PER_PASS
    diagnostic: DiagnosticConfig = field(default_factory=DiagnosticConfig)

    def layers(self, depth: int) -> tuple[int, ...]:
        """The blocks of a model with `depth` blocks."""
        return tuple(sorted({round(x) for x in np.linspace(0, depth - 2, min(self.n_layers, depth - 1))}))


def run_credit(
    lens: Lens, asked: Asked, run: str | Path, settings: CreditSettings | None = None
) -> pd.DataFrame:
    """Ablate every patch of some images at some blocks, and compute the cheap estimators there.

    "attention" is what block l reads, which is the stream before it; "attention_next" is block l + 1, which
    reads the stream that is ablated; "attention_map" is the diagnostic map A.

    Args:
        lens: The model.
        asked: Questions.
        run: Folder of all causal tests of the model.
        settings: Settings; defaults if None.

    Returns:
        One row per question and block: image_id, question, object, label, layer, answer, "ablation" and one
        map per estimator of `ESTIMATED` (float32 lists over patches).

    Raises:
        StoreError: If the folder holds records of another model or of other settings.
        ContractError: If the model cannot be resumed from a block.
    """
    chosen = settings or CreditSettings()
    questions = asked.one_per_image(chosen.n_images, "credit")
    return run_units(
        lens,
        run,
        "credit",
        question_units([(question,) for question in questions]),
        lambda unit: _measure(lens, unit, chosen),
        settings=chosen,
        seeds={"draw": asked.seed},
    )


def _measure(lens: Lens, unit: Sequence[Question], settings: CreditSettings) -> Rows:
    (question,) = unit
    sample = Sample(read_image(question.image)[0], question=question.text, image_id=question.image_id)
    layers = settings.layers(lens.n_layers)
    effects = patch_effects(lens, sample, layers, rows_per_pass=settings.rows_per_pass)
    batch = lens.prepare(sample)
    capture = CaptureSpec(resid_norms=False, attention=LayerRange(0, lens.n_layers - 1))
    record = run_pass(lens, batch, capture).samples[0]
    if record.attention is None:
        raise ContractError("the pass recorded no attention; load the model with scr_lens.load")
    map_a = diagnose(lens, batch, settings.diagnostic)[0]
    head = {**asked_columns(question), "answer": record.yes_no(lens).answer}
    rows: Rows = []
    for index, layer in enumerate(layers):
        maps = {
            "ablation": effects.ablation[index],
            "attribution": effects.attribution[index],
            "grad_norm": effects.grad_norm[index],
            "grad_dot": effects.grad_dot[index],
            "norm": effects.norm[index],
            "attention": record.attention[layer],
            "attention_next": record.attention[layer + 1],
            "attention_map": map_a,
        }
        rows.append({**head, "layer": layer, **{name: v.float().numpy() for name, v in maps.items()}})
    return rows
