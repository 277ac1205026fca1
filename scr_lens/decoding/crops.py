"""CRoPS: contrast with least attended patches and with a text-only prompt that sees little of itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.decoding.branch import Branch
from scr_lens.decoding.contrast import plausible, require_contrast
from scr_lens.decoding.engine import Contrast, Scorer
from scr_lens.decoding.hooks import all_but_least_attended, require_block
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.decoding.sid import LeastAttended, introspective_branch
from scr_lens.decoding.text_prompt import text_only_inputs
from scr_lens.errors import ConfigError


def combine(
    logits: Float[Tensor, "batch vocab"],
    patches: Float[Tensor, "batch vocab"],
    text: Float[Tensor, "batch vocab"],
    step: int,
    settings: Crops,
) -> Float[Tensor, "batch vocab"]:
    """CRoPS's scores at one step.

    l <- l where l_y >= max l + ln beta, -inf elsewhere; p = softmax(l); if max p > cap: score = l, otherwise
    F = ln p + ((1 - g) / g) (ln p - ln p_text) with g = exp(-decay step), and
    score = (1 + alpha) F - alpha ln p_patches

    The weight (1 - g) / g is exp(decay step) - 1: 0.01 at step 1, 1.7 at 100, 166 at 512.

    Args:
        logits: l, of the full picture and prompt.
        patches: Logits of the branch that sees the least attended patches.
        text: Logits of the text-only branch.
        step: Number of the token, from 1.
        settings: alpha, beta, cap and decay.

    Returns:
        Scores; rows are decided one by one.

    Source: CRoPS's code.
    """
    kept = plausible(logits, settings.beta)
    filtered = logits.masked_fill(~kept, float("-inf"))
    log_p = torch.log_softmax(filtered, dim=-1).masked_fill(~kept, 0.0)
    weight = math.expm1(settings.decay * step)
    grounded = log_p + weight * (log_p - torch.log_softmax(text, dim=-1))
    scores = (1 + settings.alpha) * grounded - settings.alpha * torch.log_softmax(patches, dim=-1)
    sure = torch.softmax(filtered, dim=-1).amax(dim=-1, keepdim=True) > settings.cap
    return torch.where(sure, filtered, scores.masked_fill(~kept, float("-inf")))


def text_keys(step: int) -> int:
    """How many positions the text-only branch sees: floor(10 + 30 (1 - exp(-0.001 step)))."""
    return math.floor(10 + 30 * (1 - math.exp(-0.001 * step)))


@dataclass(frozen=True, kw_only=True)
class Crops(StepDecoder):
    """CRoPS (Anand et al., TMLR 2026).

    From the authors' code: both branches, the formula, alpha 1, beta 0.1, decay 0.01, cap 0.95, layer 2, a
    quarter of the patches, the number of text positions; the assignment that their last commit dropped by
    mistake is restored. Our choice: the cap is decided per row (theirs takes the whole batch), the text-only
    prompt leaves out the special tokens around the picture, and a query whose every key is hidden sees
    itself (eager attention would spread over everything, future included).

    Args:
        alpha: Strength of the contrast with the least attended patches.
        beta: Plausibility filter.
        decay: How fast the contrast with the text-only branch grows.
        cap: Probability above which the model's own scores are used.
        layer: First block (from 0) that hides keys, in both branches.
        share: Share of the patches that stay visible.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "crops"
    description: ClassVar[str] = "contrast with the least attended patches and with the text alone"
    traits: ClassVar[Traits] = Traits(
        prefills="3 (one without the picture)",
        forwards_per_token="3",
        caches="3",
        attention="block layer - 1 of two branches, last query, head mean",
    )

    alpha: float = 1.0
    beta: float = 0.1
    decay: float = 0.01
    cap: float = 0.95
    layer: int = 2
    share: float = 0.25

    def __post_init__(self) -> None:
        require_contrast(self.name, self.alpha, self.beta)
        if not 0 <= self.share <= 1:
            raise ConfigError(f"crops: share is {self.share}; give a share of the patches in [0, 1]")
        if not self.decay >= 0:
            raise ConfigError(
                f"crops: decay is {self.decay}; give at least 0, 0 ignores the text-only branch"
            )

    def start(self, context: Context) -> Scorer:
        """Three branches."""
        require_block(self.name, self.layer, context.lens)
        keep = [round(self.share * layout.grid.size) for layout in context.batch.layouts]
        return Contrast(
            [
                context.main_branch(),
                introspective_branch(context, self.layer, keep),
                text_branch(context, self.layer),
            ],
            lambda step, logits, patches, text: combine(logits, patches, text, step, self),
        )


def text_branch(context: Context, layer: int) -> Branch:
    """The branch that reads the prompt without its picture and, from block `layer` on, little of it.

    Args:
        context: What is decoded.
        layer: First block that hides keys.
    """
    inputs = text_only_inputs(context.lens, context.batch)
    first = [int(row.argmax()) for row in inputs["attention_mask"]]

    def choose(attention: Float[Tensor, "batch key"], step: int) -> Bool[Tensor, "batch key"]:
        n_keys = attention.shape[1]
        positions = [torch.arange(start, n_keys) for start in first]
        return all_but_least_attended(attention, positions, [text_keys(step)] * len(first))

    return Branch(context.lens, inputs, *LeastAttended(context.lens, layer, choose).contexts)
