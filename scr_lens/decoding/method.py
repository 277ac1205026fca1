"""What a decoding method is: settings, declared costs, and a way to answer a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch

from scr_lens.decoding.branch import Branch
from scr_lens.decoding.engine import Answer, Scorer, end_ids, run_loop
from scr_lens.decoding.hooks import editing
from scr_lens.decoding.sampling import Sampling
from scr_lens.errors import ConfigError
from scr_lens.interventions import Identity, Intervention
from scr_lens.interventions.seeding import seeded_generator
from scr_lens.trace import Batch, Lens, Sample


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a method costs and needs; the table of `scr-lens methods` is made of these.

    Attributes:
        prefills: Forwards over the whole prompt.
        forwards_per_token: Forwards per further token; each reads one token per row.
        caches: Key-value caches held at once.
        attention: Which attention rows are read during decoding.
        extra: What else is computed or held, in words; "" if nothing.
        batched: Whether several rows share a forward; otherwise they are decoded one after the other.
        stochastic: Whether the result depends on a seed even without sampling.
        fidelity: Where formula and defaults come from: the authors' code, secondary sources, or this project.
    """

    prefills: str = "1"
    forwards_per_token: str = "1"
    caches: str = "1"
    attention: str = "none"
    extra: str = ""
    batched: bool = True
    stochastic: bool = False
    fidelity: Literal["official code", "secondary sources", "this project"] = "official code"


@dataclass(frozen=True, eq=False)
class Context:
    """What a method decodes.

    Attributes:
        lens: The model, with its lock held.
        batch: The prompts.
        seed: Seed of every draw.
        intervention: Edit of the undisturbed branch at its prefill.
    """

    lens: Lens
    batch: Batch
    seed: int
    intervention: Intervention

    @cached_property
    def image_keys(self) -> tuple[str, ...]:
        """A name per row for what its picture holds; equal pictures get equal draws in every batch."""
        return tuple(sample.image_digest for sample in self.batch.samples)

    def generators(self, purpose: str, *, with_prompt: bool = False) -> tuple[torch.Generator, ...]:
        """A generator per row that depends on the seed, the purpose and the row's own picture only.

        Args:
            purpose: What is drawn.
            with_prompt: Whether another question about the picture gets another draw.
        """
        prompts = self.batch.prompts if with_prompt else ("",) * len(self.batch)
        return tuple(
            seeded_generator(self.seed, purpose, key, prompt)
            for key, prompt in zip(self.image_keys, prompts, strict=True)
        )

    def main_branch(self, *around: object) -> Branch:
        """The undisturbed branch, with the intervention at its prefill and these contexts around it."""
        edit = editing(self.lens, self.intervention)
        return Branch(self.lens, self.batch.forward_inputs, edit, *around)  # type: ignore[arg-type]

    def alone(self, row: int) -> Context:
        """One row as a batch of its own.

        Raises:
            ConfigError: If an intervention was built for several rows.
        """
        if len(self.batch) == 1:
            return self
        if self.intervention.layers is not None:
            raise ConfigError(
                f"this method decodes one sample at a time, the intervention was built for "
                f"{len(self.batch)}; give a batch of one sample"
            )
        sample: Sample = self.batch.samples[row]
        return Context(self.lens, self.lens.prepare(sample), self.seed, Identity())


class Decoder(ABC):
    """A decoding method with its settings; subclasses are frozen dataclasses.

    Attributes:
        name: Name in configs, stores and tables.
        description: One line on what it does.
        traits: What it costs and needs.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    traits: ClassVar[Traits]
    yes_no_tokens: ClassVar[int] = 1
    """Tokens to decode for a yes/no answer; later ones cannot change the first, except in a beam search."""
    seed: int = 0
    """Seed of every draw; without meaning for methods that draw nothing."""

    @abstractmethod
    def answers(self, context: Context, max_new_tokens: int) -> tuple[Answer, ...]:
        """Decode every row of the context, at most `max_new_tokens` tokens each."""

    def as_intervention(self, lens: Lens, batch: Batch) -> Intervention | None:
        """The method as an edit of the prompt for `run_pass`, where it is nothing else; None otherwise."""
        del lens, batch
        return None


@dataclass(frozen=True, kw_only=True)
class StepDecoder(Decoder):
    """A method that scores one token after the other.

    Args:
        sampling: How to draw tokens from the scores; None is greedy.
        seed: Seed of every draw, of tokens and of the method's own.
    """

    sampling: Sampling | None = None
    seed: int = 0

    @abstractmethod
    def start(self, context: Context) -> Scorer:
        """Make what scores tokens, before the prompt is read."""

    def answers(self, context: Context, max_new_tokens: int) -> tuple[Answer, ...]:
        """Run the shared loop; row by row if the method does not share forwards."""
        rows = [context] if self.traits.batched else [context.alone(i) for i in range(len(context.batch))]
        return tuple(answer for row in rows for answer in self._loop(row, max_new_tokens))

    def _loop(self, context: Context, max_new_tokens: int) -> tuple[Answer, ...]:
        generators = context.generators("sampling", with_prompt=True)
        return run_loop(self.start(context), end_ids(context.lens), max_new_tokens, self.sampling, generators)
