"""Self-introspective decoding: the disturbed branch sees only the least attended patches."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.config import LayerRange
from scr_lens.decoding.branch import Around, Branch, Span
from scr_lens.decoding.contrast import contrast, require_contrast
from scr_lens.decoding.engine import Contrast, Scorer
from scr_lens.decoding.hooks import all_but_least_attended, hiding_keys, reading_rows, require_block
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.errors import ConfigError
from scr_lens.trace import Lens

KEPT, OF = 100, 576
"""Patches that stay visible, of LLaVA-1.5's 576; other grids keep the same share."""


def combine(
    logits: Float[Tensor, "batch vocab"],
    introspective: Float[Tensor, "batch vocab"],
    alpha: float,
    beta: float | None,
) -> Float[Tensor, "batch vocab"]:
    """SID's scores: score = (1 + alpha) l - alpha l_sid, with VCD's filter only where beta is given.

    Args:
        logits: l, of the full picture.
        introspective: l_sid, of the branch that sees the least attended patches.
        alpha: Strength of the contrast.
        beta: Plausibility filter; None for the official greedy decoding.

    Returns:
        Scores.

    Source: SID's code.
    """
    return contrast(logits, introspective, alpha, beta)


class LeastAttended:
    """Hides keys from block `layer` on: all candidates but those that the last query attends to least.

    Attention is that of block `layer` - 1, averaged over heads, selected anew in every forward.

    Args:
        lens: The model.
        layer: First block that hides.
        choose: From the last query's attention to every key, and the forward's number from 1, what to hide.
    """

    def __init__(self, lens: Lens, layer: int, choose: Any) -> None:
        self.choose = choose
        self.hidden: Bool[Tensor, "batch query key"] | None = None
        self.step = 0
        self._reading = reading_rows(lens, LayerRange(layer - 1, layer - 1), self._read)
        self._hiding = hiding_keys(lens, layer, lambda _span: self.hidden)

    @property
    def contexts(self) -> tuple[Around, Around]:
        """What goes around the branch's forwards."""
        return self._begin, self._hiding

    def _begin(self, span: Span) -> AbstractContextManager[Any]:
        self.hidden = None
        self.step += 1
        return self._reading(span)

    def _read(self, _layer: int, rows: Float[Tensor, "batch head query key"]) -> None:
        self.hidden = self.choose(rows[:, :, -1].mean(1), self.step)[:, None]


def introspective_branch(context: Context, layer: int, keep: list[int]) -> Branch:
    """A branch on the same picture that sees only the least attended patches from block `layer` on.

    Args:
        context: What is decoded.
        layer: First block that hides.
        keep: How many patches stay visible, per sample.
    """
    images = [layout.image_positions for layout in context.batch.layouts]
    drop = LeastAttended(
        context.lens, layer, lambda attention, _step: all_but_least_attended(attention, images, keep)
    )
    return Branch(context.lens, context.batch.forward_inputs, *drop.contexts)


@dataclass(frozen=True, kw_only=True)
class Sid(StepDecoder):
    """SID (Huo et al., ICLR 2025).

    From the authors' code: head-mean attention of the last query at block layer - 1, the k least attended
    patches stay visible to all queries from block `layer` on, selection at every step over a cache built
    under earlier selections; layer 2, alpha 0.5, beta 0.1, k 100 (their CHAIR script uses 50); no filter in
    greedy decoding. Our choice: selection per sample (theirs takes the first sample's for the whole batch),
    k = round(100/576 patches) on other grids, and a query that would see nothing keeps its own key.

    Args:
        alpha: Strength of the contrast.
        beta: Plausibility filter under sampling.
        layer: First block (from 0) that hides patches.
        keep: Patches that stay; None keeps the authors' share of the grid.
        filter_greedy: Whether greedy decoding is filtered too, which the authors' code does not do.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "sid"
    description: ClassVar[str] = "contrast with the least attended patches"
    traits: ClassVar[Traits] = Traits(
        prefills="2",
        forwards_per_token="2",
        caches="2",
        attention="block layer - 1, last query, head mean",
    )

    alpha: float = 0.5
    beta: float = 0.1
    layer: int = 2
    keep: int | None = None
    filter_greedy: bool = False

    def __post_init__(self) -> None:
        require_contrast(self.name, self.alpha, self.beta)
        if self.keep is not None and self.keep < 0:
            raise ConfigError(f"sid: keep is {self.keep}; give a number of patches of at least 0")

    def start(self, context: Context) -> Scorer:
        """Two branches on the same picture."""
        require_block(self.name, self.layer, context.lens)
        keep = [self.kept(layout.grid.size) for layout in context.batch.layouts]
        beta = self.beta if self.sampling is not None or self.filter_greedy else None
        return Contrast(
            [context.main_branch(), introspective_branch(context, self.layer, keep)],
            lambda _step, logits, other: combine(logits, other, self.alpha, beta),
        )

    def kept(self, n_patches: int) -> int:
        """How many patches stay visible on a grid."""
        return round(KEPT / OF * n_patches) if self.keep is None else self.keep
