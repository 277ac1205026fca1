"""The answer's direction in the residual stream of the last position, block by block."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.errors import ContractError
from scr_lens.interventions.base import Identity, Intervention
from scr_lens.trace.editing import edit_envoy
from scr_lens.trace.model import Lens
from scr_lens.trace.resume import output_path, require_same_logits
from scr_lens.trace.sample import Batch


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswerLens:
    """How far a sample leans to "yes", in logits, along the blocks.

    Entry 0 is the input of the first block, entry l + 1 the output of block l.

    Attributes:
        reading: Logit of yes minus logit of no when the stream at this depth is read out directly (logit
            lens); the last entry is the model's own.
        attribution: What the input (entry 0) and each block add to the final difference, with the final
            normalization's scale held fixed; sums to the last reading.
        logits: The model's own logits.
    """

    reading: Float[Tensor, "depth"]
    attribution: Float[Tensor, "depth"]
    logits: Float[Tensor, "vocab"]


def answer_lens(
    lens: Lens,
    batch: Batch,
    intervention: Intervention = Identity(),  # noqa: B008 - frozen
) -> tuple[AnswerLens, ...]:
    """Read the direction "yes minus no" at the last position of every sample.

    Where an answer has several spellings, the one with the larger final logit stands for it.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        intervention: What is active in the pass.

    Returns:
        One entry per sample, on the CPU.

    Raises:
        ContractError: If the model's logits are not head(norm(residual)), or it knows no "yes" or "no".

    Source: nostalgebraist (2020), "interpreting GPT: the logit lens"; Elhage et al. (2021) for attribution.
    """
    stream, logits = _last_positions(lens, batch, intervention)
    norm, head = output_path(lens)
    with lens.lock, torch.no_grad():
        read = head(norm(stream)).float()
        require_same_logits(lens, read[-1], logits)
        yes, no = (_spelling(logits, ids) for ids in lens.yes_no_ids())
        rows = torch.arange(len(batch), device=logits.device)
        reading = read[:, rows, yes] - read[:, rows, no]
        steps = torch.cat([stream[:1], stream.diff(dim=0)]).float()
        attribution = (steps * _direction(norm, head, stream[-1], yes, no)).sum(-1)
        attribution[0] += _constant(head, yes, no)
    columns = zip(reading.cpu().T, attribution.cpu().T, logits.cpu(), strict=True)
    return tuple(
        AnswerLens(reading=one.clone(), attribution=two.clone(), logits=three.clone())
        for one, two, three in columns
    )


def _last_positions(lens: Lens, batch: Batch, intervention: Intervention) -> tuple[Tensor, Tensor]:
    """The residual stream of the last position at every depth, `[depth, batch, d_model]`, and the logits."""
    saved: list[Any] = []
    with torch.no_grad(), lens.trace(batch, logits_to_keep=1):
        for layer in range(lens.n_layers):
            if layer == 0:
                saved.append(lens.layers[0].input[:, -1].save())
            hidden: Any = edit_envoy(lens, intervention, layer)
            saved.append(hidden[:, -1].save())
        saved.append(lens.nn.output.logits[:, -1].save())
    logits = saved.pop().detach().float()
    return torch.stack([part.detach() for part in saved]), logits


def _spelling(logits: Float[Tensor, "batch vocab"], ids: list[int]) -> Int[Tensor, "batch"]:
    known = torch.tensor(ids, device=logits.device)
    return known[logits[:, known].argmax(-1)]


def _direction(
    norm: Any, head: Any, last: Float[Tensor, "batch d_model"], yes: Tensor, no: Tensor
) -> Float[Tensor, "batch d_model"]:
    """The direction whose product with a part of the final stream is what that part adds to the logits.

    norm(h) = s(h) h * w for a root-mean-square norm; s is taken at the final stream and held fixed.
    """
    weight = head.weight.float()
    wanted = weight[yes] - weight[no]
    normed, raw = norm(last).float(), last.float()
    gain = norm.weight.float()
    scale = (normed * gain).sum(-1) / (raw * gain * gain).sum(-1)
    if not torch.allclose(normed, scale[:, None] * raw * gain, rtol=1e-2, atol=1e-3):
        raise ContractError("the last normalization is not a root-mean-square norm; attribution needs one")
    direction: Tensor = wanted * gain * scale[:, None]
    return direction


def _constant(head: Any, yes: Tensor, no: Tensor) -> Float[Tensor, "batch"]:
    bias = getattr(head, "bias", None)
    return torch.zeros(len(yes), device=yes.device) if bias is None else (bias[yes] - bias[no]).float()
