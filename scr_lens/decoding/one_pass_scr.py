"""One-Pass SCR as a method: redistribution planned in the forward that it edits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from scr_lens.config import ScrConfig
from scr_lens.decoding.engine import Contrast, Scorer
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.errors import ConfigError
from scr_lens.one_pass import OnePassRedistribution, find_predictor
from scr_lens.trace import Batch, Lens


@dataclass(frozen=True, kw_only=True)
class OnePassScr(StepDecoder):
    """One-Pass SCR: a two-layer network on block 0 predicts the sources, so there is no diagnostic pass.

    score = l of the edited model. From the paper: network, its input and its training target; see
    `SourcePredictor` for what had to be chosen.

    Args:
        scr: Settings of the redistribution.
        predictor: Folder of the trained predictor; None looks in the checkpoint's folder.
    """

    name: ClassVar[str] = "one-pass-scr"
    description: ClassVar[str] = "scr with sources predicted from block 0"
    traits: ClassVar[Traits] = Traits(
        extra="a trained predictor, about 120K parameters", fidelity="this project"
    )

    scr: ScrConfig = field(default_factory=ScrConfig)
    predictor: str | None = None

    def start(self, context: Context) -> Scorer:
        """One branch with the redistribution at its prefill."""
        if context.intervention.layers is not None:
            raise ConfigError("one-pass-scr edits the prefill itself; give it no further intervention")
        edited = replace(context, intervention=self.as_intervention(context.lens, context.batch))
        return Contrast([edited.main_branch()], lambda _step, logits: logits)

    def as_intervention(self, lens: Lens, batch: Batch) -> OnePassRedistribution:
        """The redistribution of a batch; its `plans` are known once a pass has run.

        Raises:
            ConfigError: If the model has no predictor.
        """
        layers = self.scr.resolved_layers(lens.n_layers, lens.model_type).within(lens.n_layers)
        return OnePassRedistribution(find_predictor(lens, self.predictor), batch.layouts, self.scr, layers)
