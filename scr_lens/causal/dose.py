"""Test "dose": entropy set from outside by several instruments, at many doses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from scr_lens.analysis.causal.dose_changes import NO_INSTRUMENT
from scr_lens.analysis.entropy import credit_entropy
from scr_lens.causal.asked import Asked, asked_columns, to_batch
from scr_lens.causal.work import Rows, run_batches
from scr_lens.comparison import baseline_pass, diagnostic_capture, treated_pass, treatment
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, ContractError
from scr_lens.questions import Question
from scr_lens.trace import Lens, PassRecord, SampleRecord, run_pass
from scr_lens.trace.temperature import attention_temperature

DIAGNOSTIC_BLOCKS, ALL_BLOCKS = "temperature", "temperature-all"
"""Instruments that set the temperature of attention at the diagnostic blocks, and at every block."""


@dataclass(frozen=True, kw_only=True)
class DoseSettings:
    """Settings of the test.

    Args:
        n_images: Images, all their questions.
        lambdas: Strengths of the methods; below 1 sources are amplified and taken out of their neighbors
            (Eq. 1 read the other way), which sharpens.
        methods: Methods whose strength is a dose.
        temperatures: Temperatures of attention from text to image, set at the diagnostic blocks and, apart
            from that, at all blocks (the answer may be read off the image elsewhere); below 1 sharpens.
        batch_size: Questions per pass.
        scr: Everything else about the methods.

    Raises:
        ConfigError: If a dose is 1 (that is the untouched model) or not above 0.
    """

    n_images: int = 100
    lambdas: tuple[float, ...] = (0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.4)
    methods: tuple[str, ...] = ("scr",)
    temperatures: tuple[float, ...] = (0.25, 0.5, 0.8, 0.9, 1.1, 1.25, 2.0, 4.0)
    batch_size: int = 48
    scr: ScrConfig = field(default_factory=ScrConfig)

    def __post_init__(self) -> None:
        wrong = [dose for dose in (*self.lambdas, *self.temperatures) if not dose > 0 or dose == 1]
        if wrong:
            raise ConfigError(f"dose {wrong[0]}: give numbers above 0 other than 1, which is no intervention")


def run_doses(
    lens: Lens, asked: Asked, run: str | Path, settings: DoseSettings | None = None
) -> pd.DataFrame:
    """Ask every question untouched and under every dose of every instrument.

    Args:
        lens: The model.
        asked: Questions.
        run: Folder of all causal tests of the model.
        settings: Settings; defaults if None.

    Returns:
        One row per question, instrument and dose: image_id, question, object, label, instrument ("none",
        "temperature", "temperature-all" or a method), dose, answer, p_yes, p_no, entropy_attention and
        entropy_norm (normalized; of map A, and of the norms averaged over the blocks acted on).

    Raises:
        StoreError: If the folder holds records of another model or of other settings.
    """
    return run_batches(lens, asked, run, "dose", settings or DoseSettings(), _measure)


def _measure(lens: Lens, unit: Sequence[Question], settings: DoseSettings) -> Rows:
    batch, keys = to_batch(lens, unit)
    capture = diagnostic_capture(lens, settings.scr.diagnostic)
    baseline = baseline_pass(lens, batch, keys, capture)
    rows = _rows(lens, unit, baseline.record, settings, NO_INSTRUMENT, 1.0)
    for method in settings.methods:
        for dose in settings.lambdas:
            config = replace(settings.scr, lambda_=dose)
            record = treated_pass(baseline, treatment(baseline, method, config), capture)
            rows += _rows(lens, unit, record, settings, method, dose)
    blocks = {
        DIAGNOSTIC_BLOCKS: settings.scr.diagnostic.resolved_layers(lens.n_layers),
        ALL_BLOCKS: LayerRange(0, lens.n_layers - 1),
    }
    for instrument, layers in blocks.items():
        for dose in settings.temperatures:
            with attention_temperature(lens, batch, dose, layers):
                record = run_pass(lens, batch, capture)
            rows += _rows(lens, unit, record, settings, instrument, dose)
    return rows


def _rows(
    lens: Lens,
    unit: Sequence[Question],
    record: PassRecord,
    settings: DoseSettings,
    instrument: str,
    dose: float,
) -> Rows:
    span = settings.scr.resolved_layers(lens.n_layers, lens.model_type)
    return [
        {**asked_columns(question), "instrument": instrument, "dose": dose, **_measured(lens, sample, span)}
        for question, sample in zip(unit, record.samples, strict=True)
    ]


def _measured(lens: Lens, sample: SampleRecord, span: LayerRange) -> dict[str, object]:
    if sample.attention is None or sample.resid_norm is None:
        raise ContractError("the pass recorded no attention or norms; load the model with scr_lens.load")
    answer = sample.yes_no(lens)
    norms = sample.resid_norm[span.first : span.last + 1].numpy()
    return {
        "answer": answer.answer,
        "p_yes": answer.p_yes,
        "p_no": answer.p_no,
        "entropy_attention": float(credit_entropy(sample.attention.mean(0).numpy(), normalize=True)),
        "entropy_norm": float(credit_entropy(norms, normalize=True).mean()),
    }
