"""What a decoding method returns for one sample."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.trace import YesNo
from scr_lens.trace.record import Answer, YesNoVocabulary


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """An answer as a method decoded it.

    Attributes:
        text: The new tokens as text, without special tokens and outer spaces.
        token_ids: The new tokens, up to and including the end-of-sequence token if there is one.
        first_scores: The method's own scores of the first new token, after its contrast and its filter;
            -inf for what the filter removed. A softmax turns them into the method's distribution.
    """

    text: str
    token_ids: tuple[int, ...]
    first_scores: Float[Tensor, "vocab"]

    def yes_no(self, vocabulary: YesNoVocabulary) -> YesNo:
        """Read the answer to a yes/no question from the method's own first-token distribution.

        Args:
            vocabulary: The lens that decoded.

        Returns:
            Probabilities summed over spellings, 0 where the method's filter removed all of them; the answer
            is what the first decoded token says, so under sampling it is the token that was drawn.
        """
        probabilities = torch.softmax(self.first_scores.double(), dim=-1)
        yes, no = vocabulary.yes_no_ids()
        first = self.token_ids[0]
        answer: Answer = "yes" if first in yes else "no" if first in no else "other"
        return YesNo(
            p_yes=float(probabilities[yes].sum()),
            p_no=float(probabilities[no].sum()),
            answer=answer,
            greedy_token_id=int(probabilities.argmax()),
        )
