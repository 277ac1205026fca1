"""What a pass returns: reduced quantities on the CPU, one record per sample."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.config import LayerRange
from scr_lens.errors import DataError
from scr_lens.layout import TokenLayout

Answer = Literal["yes", "no", "other"]


@runtime_checkable
class YesNoVocabulary(Protocol):
    """Anything that knows the token ids of "yes" and "no"; a `Lens` does."""

    def yes_no_ids(self) -> tuple[list[int], list[int]]:
        """Token ids of the spellings of "yes" and of "no"."""


@dataclass(frozen=True, kw_only=True)
class YesNo:
    """The answer to a yes/no question, read from the last position's logits.

    Attributes:
        p_yes: Probability in [0, 1] that the next token is a spelling of "yes".
        p_no: The same for "no"; 1 - p_yes - p_no is what goes to every other token.
        answer: What the greedy token says; "other" when it is neither.
        greedy_token_id: The most likely next token.
    """

    p_yes: float
    p_no: float
    answer: Answer
    greedy_token_id: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleRecord:
    """The recorded quantities of one sample; None or empty where the capture did not ask.

    All residual quantities are `resid_post` as the next block sees it, so after the intervention.

    Attributes:
        layout: Where image and text sit in the row that was run.
        resid_norm: Euclidean norm at every patch, per executed block.
        attention: Attention from text to every patch per block of `attention_layers`, mean over heads and
            queries.
        attention_layers: The blocks of `attention`.
        attention_heads: The same per head.
        logits: Logits of the last position.
        residuals: Residual stream at image positions, by block.
        grad_norm: |g_i| |h_i| per block and patch, g the gradient of log P(target) at h_i.
        grad_dot: |<g_i, h_i>| per block and patch.
        target_token_id: The token whose log-probability was differentiated.
    """

    layout: TokenLayout
    resid_norm: Float[Tensor, "layer patch"] | None = None
    attention: Float[Tensor, "attn_layer patch"] | None = None
    attention_layers: LayerRange | None = None
    attention_heads: Float[Tensor, "attn_layer head patch"] | None = None
    logits: Float[Tensor, "vocab"] | None = None
    residuals: dict[int, Float[Tensor, "patch d_model"]] = field(default_factory=dict)
    grad_norm: Float[Tensor, "layer patch"] | None = None
    grad_dot: Float[Tensor, "layer patch"] | None = None
    target_token_id: int | None = None

    def log_prob(self, token_id: int) -> float:
        """Log-probability of one next token.

        Args:
            token_id: Index into the vocabulary.

        Returns:
            ln P in nats, at most 0.

        Raises:
            DataError: If the pass recorded no logits.
        """
        return float(torch.log_softmax(self._logits().float(), dim=-1)[token_id])

    def yes_no(self, vocabulary: YesNoVocabulary) -> YesNo:
        """Read the answer to a yes/no question.

        Args:
            vocabulary: The lens that made this record.

        Returns:
            Probabilities summed over spellings, and what the greedy token says.

        Raises:
            DataError: If the pass recorded no logits.
        """
        probabilities = torch.softmax(self._logits().double(), dim=-1)
        yes, no = vocabulary.yes_no_ids()
        greedy = int(probabilities.argmax())
        answer: Answer = "yes" if greedy in yes else "no" if greedy in no else "other"
        return YesNo(
            p_yes=float(probabilities[yes].sum()),
            p_no=float(probabilities[no].sum()),
            answer=answer,
            greedy_token_id=greedy,
        )

    def _logits(self) -> Tensor:
        if self.logits is None:
            raise DataError("the pass recorded no logits; run it with CaptureSpec(logits=True)")
        return self.logits


@dataclass(frozen=True, eq=False)
class PassRecord:
    """The records of one pass, one per sample, in the batch's order.

    It holds no tensor along the sequence: only values per patch, per head and per vocabulary entry.
    """

    samples: tuple[SampleRecord, ...]

    def __len__(self) -> int:
        return len(self.samples)
