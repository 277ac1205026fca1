"""What a run measures at each question: the first token's yes or no, or a text written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from scr_lens.decoding import Decoder, decode, decode_yes_no
from scr_lens.errors import ConfigError
from scr_lens.interventions import Intervention
from scr_lens.trace import Batch, Lens, PassRecord, YesNo, generate


class Measurement(Protocol):
    """How answers are taken.

    Attributes:
        reads_pass: Whether the pass that a row's maps come from is itself the answer, so that its time is
            the answer's.
    """

    reads_pass: ClassVar[bool]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain values that decide the answers, for the key of a row."""

    def answers(
        self, lens: Lens, batch: Batch, record: PassRecord, intervention: Intervention
    ) -> list[dict[str, Any]]:
        """The answer columns of every sample.

        Args:
            lens: The model.
            batch: The samples.
            record: The pass over the batch with the intervention.
            intervention: What the pass was made with.

        Returns:
            Cells of the store by column, one entry per sample.
        """

    def decoded(self, lens: Lens, batch: Batch, decoder: Decoder) -> list[dict[str, Any]]:
        """The answer columns of every sample under a decoding method.

        Args:
            lens: The model.
            batch: The samples.
            decoder: The method with its settings.

        Returns:
            Cells of the store by column, one entry per sample.
        """


@dataclass(frozen=True)
class YesNoAnswers:
    """Yes or no by the first token, with the probabilities of both."""

    reads_pass: ClassVar[bool] = True

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing to set."""
        return {}

    def answers(
        self, lens: Lens, batch: Batch, record: PassRecord, intervention: Intervention
    ) -> list[dict[str, Any]]:
        """Reads the last position's logits; see `SampleRecord.yes_no`."""
        del batch, intervention
        return [_cells(sample.yes_no(lens)) for sample in record.samples]

    def decoded(self, lens: Lens, batch: Batch, decoder: Decoder) -> list[dict[str, Any]]:
        """Reads the method's own distribution of the first token; see `decode_yes_no`."""
        return [_cells(answer) for answer in decode_yes_no(lens, batch, decoder)]


@dataclass(frozen=True)
class WrittenAnswers:
    """Greedy text, with the intervention active at prefill.

    Args:
        max_new_tokens: Most tokens of a text.

    Raises:
        ConfigError: If the number is below 1.
    """

    reads_pass: ClassVar[bool] = False

    max_new_tokens: int

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens is {self.max_new_tokens}; give at least 1")

    @property
    def settings(self) -> Mapping[str, Any]:
        """The length."""
        return {"max_new_tokens": self.max_new_tokens}

    def answers(
        self, lens: Lens, batch: Batch, record: PassRecord, intervention: Intervention
    ) -> list[dict[str, Any]]:
        """Generates a text per sample; see `trace.generate`."""
        del record
        written = generate(lens, batch, intervention, max_new_tokens=self.max_new_tokens)
        return [{"answer_text": text.text} for text in written]

    def decoded(self, lens: Lens, batch: Batch, decoder: Decoder) -> list[dict[str, Any]]:
        """Decodes a text per sample; see `decode`."""
        return [{"answer_text": text.text} for text in decode(lens, batch, decoder, self.max_new_tokens)]


def _cells(answer: YesNo) -> dict[str, Any]:
    return {"answer": answer.answer, "p_yes": min(1.0, answer.p_yes), "p_no": min(1.0, answer.p_no)}
