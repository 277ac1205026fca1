"""What a condition answers to a batch, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scr_lens.comparison import Baseline, treated_pass, treatment
from scr_lens.decoding import Decoder
from scr_lens.decoding.method import StepDecoder
from scr_lens.interventions import Intervention, Redistribution, RedistributionPlan
from scr_lens.measurement import Measurement
from scr_lens.one_pass import OnePassRedistribution
from scr_lens.questions import Condition
from scr_lens.trace import SampleRecord


@dataclass(frozen=True, eq=False)
class Answered:
    """What a condition gave for a batch, one entry per sample.

    Attributes:
        samples: Maps; of the untouched pass for a method that leaves the prompt alone.
        plans: Sources and neighbors; None where nothing is redistributed.
        cells: Answer columns of the store.
        seconds: Time of the answer, from the prepared batch with its images encoded. Reading maps that the
            answer does not need is left out; sharing between questions about one image, which the untouched
            pass does, reuse of that pass as the diagnostic one, and blocks before the first edited one, which
            the first condition that begins there runs for the others, are not undone. Conditions that come to
            the same share one time.
    """

    samples: Sequence[SampleRecord]
    plans: Sequence[RedistributionPlan | None]
    cells: Sequence[dict[str, Any]]
    seconds: float


def answer(
    baseline: Baseline, condition: Condition, measurement: Measurement, baseline_seconds: float
) -> Answered:
    """Answers a batch under a condition.

    Args:
        baseline: The untouched pass over the batch.
        condition: An intervention or a decoding method.
        measurement: How answers are taken.
        baseline_seconds: Time of the untouched pass, which is what vanilla's yes or no costs.

    Returns:
        Answers with maps, plans and time.

    Raises:
        ConfigError: If settings do not fit the model.
        ContractError: If the family lacks what a decoding method needs.
    """
    started = time.monotonic()
    if isinstance(condition.config, Decoder):
        edit = _edit(baseline, condition.config)
        if edit is None:
            return _decoded(baseline, condition.config, measurement)
        intervention = edit
    else:
        intervention = treatment(baseline, condition.method, condition.config)
    built = time.monotonic()
    untouched = intervention.layers is None
    record = baseline.record if untouched else treated_pass(baseline, intervention, baseline.capture)
    passed = time.monotonic()
    cells = measurement.answers(baseline.lens, baseline.batch, record, intervention)
    seconds = time.monotonic() - passed + built - started
    if measurement.reads_pass:
        seconds += baseline_seconds if untouched else passed - built
    plans = _plans(intervention) or (None,) * len(cells)
    return Answered(record.samples, plans, cells, seconds)


def _edit(baseline: Baseline, decoder: Decoder) -> Intervention | None:
    """A decoding method as an edit of the prompt; None where it decides tokens."""
    if isinstance(decoder, StepDecoder) and decoder.sampling is not None:
        return None
    return decoder.as_intervention(baseline.lens, baseline.batch)


def _decoded(baseline: Baseline, decoder: Decoder, measurement: Measurement) -> Answered:
    started = time.monotonic()
    cells = measurement.decoded(baseline.lens, baseline.batch, decoder)
    seconds = time.monotonic() - started
    return Answered(baseline.record.samples, (None,) * len(cells), cells, seconds)


def _plans(intervention: Intervention) -> Sequence[RedistributionPlan | None]:
    """The plans of a redistribution, known once a pass has run; nothing for other edits."""
    return intervention.plans if isinstance(intervention, Redistribution | OnePassRedistribution) else ()
