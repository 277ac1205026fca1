"""Generation equals transformers', and an intervention at prefill reaches every later token."""

from typing import Any

import pytest
import torch
from tiny import Twins, build_method, ragged_samples

from scr_lens.config import ScrConfig
from scr_lens.errors import ConfigError
from scr_lens.trace import Batch, Lens, diagnose, generate
from scr_lens.trace.sample import Sample

NEW = 8


def plain_ids(model: Any, batch: Batch) -> list[tuple[int, ...]]:
    ids = model.generate(**batch.encoding, do_sample=False, max_new_tokens=NEW)
    return [tuple(row) for row in ids[:, batch.seq_len :].tolist()]


def test_identity_generates_what_transformers_generates(twins: Twins) -> None:
    batch = twins.batch
    ours = generate(twins.lens, batch, max_new_tokens=NEW)
    assert [answer.token_ids for answer in ours] == plain_ids(twins.reference, batch)
    assert len({answer.token_ids for answer in ours}) > 1
    tokenizer = twins.lens.processor.tokenizer
    for answer in ours:
        words = [tokenizer.convert_ids_to_tokens(i) for i in answer.token_ids]
        assert answer.text == " ".join(word for word in words if word not in tokenizer.all_special_tokens)


def test_a_batch_generates_what_its_samples_generate(twins: Twins) -> None:
    lens, batch = twins.lens, twins.batch
    together = generate(lens, batch, max_new_tokens=NEW)
    assert list(together) == [generate(lens, lens.prepare(s), max_new_tokens=NEW)[0] for s in batch.samples]


def test_an_intervention_acts_at_prefill_only_and_changes_the_text(
    twins: Twins,
) -> None:
    lens, batch, attention = twins.lens, twins.batch, twins.attention
    scr = build_method("scr", lens, batch, attention, ScrConfig(lambda_=4.0, n_sources=6))
    calls: list[tuple[int, int]] = []

    class Counting:
        layers = scr.layers

        def __call__(self, resid_post: torch.Tensor, layer: int) -> torch.Tensor:
            calls.append((layer, resid_post.shape[1]))
            return scr(resid_post, layer)

    edited = generate(lens, batch, Counting(), max_new_tokens=NEW)
    assert calls == [(layer, batch.seq_len) for layer in scr.layers.layers]
    assert [a.token_ids for a in edited] == ids_by_hooks(twins, batch, scr)
    assert edited != generate(lens, batch, max_new_tokens=NEW)


def ids_by_hooks(twins: Twins, batch: Batch, scr: Any) -> list[tuple[int, ...]]:
    """Plain transformers with a hook that edits any call as long as the prompt."""

    def edit(layer: int) -> Any:
        def hook(_module: Any, _args: Any, out: Any) -> Any:
            hidden = twins.hidden(out)
            if hidden.shape[1] != batch.seq_len:
                return out
            return (scr(hidden, layer), *out[1:]) if isinstance(out, tuple) else scr(hidden, layer)

        return hook

    handles = [twins.layers[i].register_forward_hook(edit(i)) for i in scr.layers.layers]
    try:
        return plain_ids(twins.lens.hf_model, batch)
    finally:
        for handle in handles:
            handle.remove()


def test_text_ends_at_the_end_token(lens: Lens) -> None:
    batch = lens.prepare(ragged_samples())
    full = generate(lens, batch, max_new_tokens=NEW)
    end = full[0].token_ids[2]
    stops = full[0].token_ids.index(end) + 1
    lens.hf_model.generation_config.eos_token_id = [end]
    try:
        ended = generate(lens, batch, max_new_tokens=NEW)
    finally:
        lens.hf_model.generation_config.eos_token_id = None
    assert ended[0].token_ids == full[0].token_ids[:stops]
    for short, long in zip(ended, full, strict=True):
        assert short.token_ids == long.token_ids[: len(short.token_ids)]


def test_generation_after_a_capture_is_unaffected(lens: Lens) -> None:
    batch = lens.prepare(Sample(ragged_samples()[0].image, question="is there a ball ?"))
    before = generate(lens, batch, max_new_tokens=NEW)
    diagnose(lens, batch)
    assert generate(lens, batch, max_new_tokens=NEW) == before


def test_no_tokens_is_refused(lens: Lens, batch: Batch) -> None:
    with pytest.raises(ConfigError, match="max_new_tokens is 0; give at least 1"):
        generate(lens, batch, max_new_tokens=0)
