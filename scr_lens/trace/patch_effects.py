"""What each patch does for the answer: exact ablation and its first-order estimate, block by block."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.errors import ConfigError
from scr_lens.trace.model import Lens
from scr_lens.trace.resume import Resumable, start
from scr_lens.trace.sample import Sample

ROWS_PER_PASS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchEffects:
    """Effects of the patches of one sample at some blocks, in nats of log P(y).

    Attributes:
        layers: The blocks.
        ablation: log P(y) - log P(y | h_i := mean patch), as `ablation_credit`.
        attribution: <g_i, h_i - mean patch> with g_i = d log P(y) / d h_i: the first-order estimate.
        grad_norm: |g_i| |h_i|.
        grad_dot: |<g_i, h_i>|.
        norm: |h_i|.
        target_token_id: The explained token y, the greedy answer.
    """

    layers: tuple[int, ...]
    ablation: Float[Tensor, "layer patch"]
    attribution: Float[Tensor, "layer patch"]
    grad_norm: Float[Tensor, "layer patch"]
    grad_dot: Float[Tensor, "layer patch"]
    norm: Float[Tensor, "layer patch"]
    target_token_id: int


def patch_effects(
    lens: Lens, sample: Sample, layers: Sequence[int], *, rows_per_pass: int = ROWS_PER_PASS
) -> PatchEffects:
    """Ablation of every patch at some blocks, resumed from the ablated block and position.

    The blocks up to the ablated one, and everything at positions before the ablated patch, are those of the
    untouched pass, so they are computed once. Equal to `ablation_credit` up to rounding.

    Args:
        lens: The model.
        sample: Image and question.
        layers: Blocks to ablate at; the last block of the model has no effect and is refused.
        rows_per_pass: Ablations that run at once.

    Returns:
        Effects and the cheap estimators at the same blocks, on the CPU.

    Raises:
        ConfigError: If a block is not in the model or is its last one, or `rows_per_pass` is below 1.
        ContractError: If the model cannot be resumed.

    Source: SCR paper, Sec. 3.3; attribution as in attribution patching (Nanda 2023; Syed et al. 2023).
    """
    wrong = [layer for layer in layers if not 0 <= layer < lens.n_layers - 1]
    if wrong or not layers or rows_per_pass < 1:
        raise ConfigError(
            f"layers {list(layers)}, rows_per_pass {rows_per_pass}: give blocks from 0 to "
            f"{lens.n_layers - 2} (after the last block no patch can reach the answer) and at least 1 row"
        )
    batch = lens.prepare(sample)
    positions = batch.layouts[0].image_positions.to(lens.device)
    with lens.lock:
        kept = start(lens, batch)
        target = int(kept.logits.argmax())
        job = _Job(kept, positions, target, rows_per_pass)
        ablation = torch.stack([job.ablation(layer) for layer in layers])
        slopes = [job.slopes(layer) for layer in layers]
    names = ("attribution", "grad_norm", "grad_dot", "norm")
    maps = {name: torch.stack([slope[name] for slope in slopes]) for name in names}
    return PatchEffects(layers=tuple(layers), ablation=ablation, target_token_id=target, **maps)


@dataclass(frozen=True, eq=False)
class _Job:
    kept: Resumable
    positions: Tensor
    target: int
    rows_per_pass: int

    @torch.no_grad()
    def ablation(self, layer: int) -> Tensor:
        hidden = self.kept.hidden[layer][0]
        mean = hidden[self.positions].float().mean(0).to(hidden.dtype)
        base = float(self.kept.logits.log_softmax(-1)[self.target])
        drops = []
        for chunk in self.positions.split(self.rows_per_pass):
            first = int(chunk.min()) if self.kept.is_causal else 0
            tail = hidden[first:].repeat(len(chunk), 1, 1)
            tail[torch.arange(len(chunk), device=chunk.device), chunk - first] = mean
            logits = self.kept.resume(tail, layer, first)
            drops.append(base - logits.log_softmax(-1)[:, self.target])
        return torch.cat(drops).cpu()

    def slopes(self, layer: int) -> dict[str, Tensor]:
        hidden = self.kept.hidden[layer].detach().clone().requires_grad_(True)
        with torch.enable_grad():
            log_prob = self.kept.resume(hidden, layer)[0].log_softmax(-1)[self.target]
            gradient = torch.autograd.grad(log_prob, hidden)[0]
        g, h = (part.detach()[0, self.positions].float() for part in (gradient, hidden))
        return {
            "attribution": (g * (h - h.mean(0))).sum(-1).cpu(),
            "grad_norm": (g.norm(dim=-1) * h.norm(dim=-1)).cpu(),
            "grad_dot": (g * h).sum(-1).abs().cpu(),
            "norm": h.norm(dim=-1).cpu(),
        }
