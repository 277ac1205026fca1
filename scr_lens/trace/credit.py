"""Credit of every patch at every block, by any of the named estimators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor

from scr_lens.config import LayerRange, QuerySet
from scr_lens.errors import ConfigError, ContractError, unknown_name
from scr_lens.interventions.base import Identity, Intervention
from scr_lens.trace.ablation import ablation_credit
from scr_lens.trace.capture import CaptureSpec, GradientTarget
from scr_lens.trace.model import Lens
from scr_lens.trace.passes import run_pass
from scr_lens.trace.record import SampleRecord
from scr_lens.trace.sample import Batch

CreditMaps = tuple[Float[Tensor, "layer patch"], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class CreditQuestion:
    """What an estimator is asked.

    Args:
        layers: Blocks to report.
        target: The explained token: the model's own greedy answer, or one id per sample.
        queries: Text positions of the attention estimator.
        intervention: What is active while credit is measured.
        progress: Whether a slow estimator shows a progress bar.
    """

    layers: LayerRange
    target: GradientTarget = "answer"
    queries: QuerySet = "all_text_after_image"
    intervention: Intervention = Identity()  # noqa: RUF009 - frozen
    progress: bool = False


Estimator = Callable[[Lens, Batch, CreditQuestion], CreditMaps]


def credit_maps(
    lens: Lens,
    batch: Batch,
    estimator: str,
    *,
    layers: LayerRange | None = None,
    target: GradientTarget = "answer",
    queries: QuerySet = "all_text_after_image",
    intervention: Intervention = Identity(),  # noqa: B008 - frozen
    progress: bool = False,
) -> CreditMaps:
    """Credit of every patch at every block.

    `norm` |h_i|; `grad_norm` |g_i| |h_i|; `grad_dot` |<g_i, h_i>|; `attention` A_i of the block;
    `ablation` log P(y) - log P(y | h_i := mean patch).

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        estimator: A key of `ESTIMATORS`.
        layers: Blocks to report; None means all.
        target: The explained token: the model's own greedy answer, or one id per sample.
        queries: Text positions of the attention estimator.
        intervention: What is active while credit is measured.
        progress: Whether a slow estimator shows a progress bar.

    Returns:
        One map per sample in float32, in the estimator's own units; all but `ablation` are at least 0.

    Raises:
        ConfigError: If the estimator is unknown, or blocks or targets do not fit.

    Source: SCR paper, Sec. 3.3 and Eq. 2; which estimator a claim holds for must be reported with it.
    """
    if estimator not in ESTIMATORS:
        raise ConfigError(unknown_name("credit estimator", estimator, ESTIMATORS))
    question = CreditQuestion(
        layers=(layers or LayerRange(0, lens.n_layers - 1)).within(lens.n_layers),
        target=target,
        queries=queries,
        intervention=intervention,
        progress=progress,
    )
    return ESTIMATORS[estimator](lens, batch, question)


def _norm(lens: Lens, batch: Batch, question: CreditQuestion) -> CreditMaps:
    capture = CaptureSpec(logits=False, stop_after=question.layers.last)
    return _pick(lens, batch, question, capture, lambda record: record.resid_norm)


def _grad_norm(lens: Lens, batch: Batch, question: CreditQuestion) -> CreditMaps:
    capture = CaptureSpec(resid_norms=False, gradients=True, gradient_target=question.target)
    return _pick(lens, batch, question, capture, lambda record: record.grad_norm)


def _grad_dot(lens: Lens, batch: Batch, question: CreditQuestion) -> CreditMaps:
    capture = CaptureSpec(resid_norms=False, gradients=True, gradient_target=question.target)
    return _pick(lens, batch, question, capture, lambda record: record.grad_dot)


def _attention(lens: Lens, batch: Batch, question: CreditQuestion) -> CreditMaps:
    capture = CaptureSpec(
        resid_norms=False,
        attention=LayerRange(0, question.layers.last),
        queries=question.queries,
        logits=False,
        stop_after=question.layers.last,
    )
    return _pick(lens, batch, question, capture, lambda record: record.attention)


def _ablation(lens: Lens, batch: Batch, question: CreditQuestion) -> CreditMaps:
    return ablation_credit(
        lens,
        batch,
        layers=question.layers,
        target=question.target,
        intervention=None if question.intervention.layers is None else question.intervention,
        progress=question.progress,
    )


def _pick(
    lens: Lens,
    batch: Batch,
    question: CreditQuestion,
    capture: CaptureSpec,
    read: Callable[[SampleRecord], Tensor | None],
) -> CreditMaps:
    """Run one pass and take the reported blocks out of a map that starts at block 0."""
    records = run_pass(lens, batch, capture, question.intervention).samples
    maps = [read(record) for record in records]
    found = [full[question.layers.first : question.layers.last + 1] for full in maps if full is not None]
    if len(found) != len(records):
        raise ContractError("the pass did not record what the estimator needs; load with scr_lens.load")
    return tuple(found)


ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {
        "norm": _norm,
        "grad_norm": _grad_norm,
        "grad_dot": _grad_dot,
        "attention": _attention,
        "ablation": _ablation,
    }
)
"""Every estimator by name, in the order of tables and figures."""
