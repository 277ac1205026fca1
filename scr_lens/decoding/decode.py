"""`decode`: the one function that runs a decoding method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scr_lens.decoding.decoded import Decoded
from scr_lens.decoding.method import Context, Decoder
from scr_lens.decoding.registry import make_decoder
from scr_lens.errors import ConfigError
from scr_lens.interventions import Identity, Intervention
from scr_lens.trace import Batch, Lens, YesNo


def decode(
    lens: Lens,
    batch: Batch,
    method: str | Decoder,
    max_new_tokens: int = 64,
    *,
    generator: torch.Generator | None = None,
    intervention: Intervention = Identity(),  # noqa: B008 - frozen
) -> tuple[Decoded, ...]:
    """Answer a batch with a decoding method.

    It runs the bare model, so edits made by `Lens.edited` do not apply. All draws (a method's own and
    sampling) come from one number drawn from the generator together with each row's picture and prompt, so a
    row's result depends on neither its batch mates nor global random state.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`; features from `encode_images` are used where they apply.
        method: A name from `DECODERS` with its published defaults, or a method with your settings.
        max_new_tokens: Upper limit of new tokens, at least 1.
        generator: Source of the seed; None takes the seed of the method's settings.
        intervention: Edit of the undisturbed branch at its prefill, such as a redistribution.

    Returns:
        One answer per sample.

    Raises:
        ConfigError: If the method is unknown, its settings do not fit the model, `max_new_tokens` is below 1
            or the intervention names blocks the model does not have.
        ContractError: If the family lacks what the method needs.
    """
    decoder = make_decoder(method) if isinstance(method, str) else method
    if max_new_tokens < 1:
        raise ConfigError(f"max_new_tokens is {max_new_tokens}; give at least 1")
    if intervention.layers is not None:
        intervention.layers.within(lens.n_layers)
    seed = decoder.seed if generator is None else int(torch.randint(2**62, (), generator=generator))
    context = Context(lens, batch, seed, intervention)
    with lens.lock, _offsets_kept(lens):
        answers = decoder.answers(context, max_new_tokens)
    words = lens.processor.tokenizer.decode
    return tuple(
        Decoded(
            text=words(list(answer.token_ids), skip_special_tokens=True).strip(),
            token_ids=answer.token_ids,
            first_scores=answer.first_scores,
        )
        for answer in answers
    )


def decode_yes_no(
    lens: Lens,
    batch: Batch,
    method: str | Decoder,
    *,
    generator: torch.Generator | None = None,
    intervention: Intervention = Identity(),  # noqa: B008 - frozen
) -> tuple[YesNo, ...]:
    """Answer yes/no questions with a decoding method, from its own first-token distribution.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`.
        method: A name from `DECODERS`, or a method with your settings.
        generator: Source of the seed; None takes the seed of the method's settings.
        intervention: Edit of the undisturbed branch at its prefill.

    Returns:
        One answer per sample. One token is decoded, ten (as in the authors' POPE runs) by beam search.

    Raises:
        ConfigError: As `decode`.
        ContractError: If the family lacks what the method needs, or the vocabulary has no yes and no.
    """
    decoder = make_decoder(method) if isinstance(method, str) else method
    decoded = decode(
        lens, batch, decoder, decoder.yes_no_tokens, generator=generator, intervention=intervention
    )
    return tuple(answer.yes_no(lens) for answer in decoded)


@contextmanager
def _offsets_kept(lens: Lens) -> Iterator[None]:
    """Position offsets that some models keep on themselves are as before afterwards."""
    inner = lens.hf_model.model
    known = hasattr(inner, "rope_deltas")
    before = getattr(inner, "rope_deltas", None)
    try:
        yield
    finally:
        if known:
            inner.rope_deltas = before
