"""Plain decoding, through the same loop as every method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scr_lens.decoding.engine import Contrast, Scorer
from scr_lens.decoding.method import Context, StepDecoder, Traits


@dataclass(frozen=True, kw_only=True)
class Vanilla(StepDecoder):
    """The model's own logits; with an intervention, what `trace.generate` gives.

    score = l
    """

    name: ClassVar[str] = "vanilla"
    description: ClassVar[str] = "plain greedy decoding"
    traits: ClassVar[Traits] = Traits(fidelity="this project")

    def start(self, context: Context) -> Scorer:
        """One branch."""
        return Contrast([context.main_branch()], lambda _step, logits: logits)
