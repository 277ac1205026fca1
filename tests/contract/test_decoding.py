"""Every decoding method on every family, against plain eager transformers without cache or hooks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from tiny import Twins

from scr_lens.decoding import DECODERS, Decoder, decode, make_decoder
from scr_lens.decoding import crops as crops_method
from scr_lens.decoding import dola as dola_method
from scr_lens.decoding import vcd as vcd_method
from scr_lens.decoding.avcd import Avcd
from scr_lens.decoding.branch import Branch
from scr_lens.decoding.contrast import contrast
from scr_lens.decoding.crops import Crops, text_branch, text_keys
from scr_lens.decoding.dola import Dola
from scr_lens.decoding.method import Context
from scr_lens.decoding.object_mask import ObjectMask
from scr_lens.decoding.pixels import Picture, pictures, with_pictures
from scr_lens.decoding.sid import Sid, introspective_branch
from scr_lens.decoding.text_prompt import text_only_inputs
from scr_lens.decoding.vanilla import Vanilla
from scr_lens.decoding.vcd import Vcd
from scr_lens.decoding.vli import Vli
from scr_lens.interventions import Identity
from scr_lens.trace import Batch, encode_images

NEW = 2
METHODS: dict[str, Decoder] = {
    **{name: make_decoder(name) for name in DECODERS if name != "one-pass-scr"},
    "vli-triggered": Vli(theta=0.0),
}


def one(twins: Twins, row: int = 1) -> Batch:
    return twins.lens.prepare(twins.samples()[row])


def context_of(twins: Twins, batch: Batch) -> Context:
    return Context(twins.lens, batch, 0, Identity())


def plain_logits(
    twins: Twins, inputs: Mapping[str, Any], tokens: tuple[int, ...], **options: Any
) -> tuple[torch.Tensor, Any]:
    """Eager transformers over the prompt and some tokens, nothing cached; logits of the last position."""
    ids = torch.cat([inputs["input_ids"], torch.tensor([list(tokens)], dtype=torch.long)], dim=1)
    more: dict[str, Any] = {}
    for name, value in inputs.items():
        if name == "position_ids":
            steps = torch.arange(1, len(tokens) + 1)
            more[name] = torch.cat([value, value[..., -1:] + steps], dim=-1)
        elif name == "attention_mask":
            more[name] = torch.ones_like(ids)
        elif name == "mm_token_type_ids":
            more[name] = torch.cat([value, value.new_zeros(1, len(tokens))], dim=1)
        elif name != "input_ids":
            more[name] = value
    with torch.no_grad():
        output = twins.reference(input_ids=ids, **more, use_cache=False, **options)
    return output.logits[:, -1].float(), output


def check_branch(twins: Twins, branch: Branch, expected: Callable[[tuple[int, ...]], torch.Tensor]) -> None:
    """A cached branch gives, at every step, what recomputing everything gives."""
    tokens: tuple[int, ...] = ()
    logits = branch.advance(None)
    for token in (9, 14):
        torch.testing.assert_close(logits, expected(tokens), rtol=1e-4, atol=1e-5)
        tokens += (token,)
        logits = branch.advance(torch.tensor([token]))
    torch.testing.assert_close(logits, expected(tokens), rtol=1e-4, atol=1e-5)


def test_greedy_is_that_of_transformers_and_null_settings_are_greedy(twins: Twins) -> None:
    batch = twins.batch
    ids = twins.reference.generate(**batch.encoding, do_sample=False, max_new_tokens=NEW)
    plain = [tuple(row) for row in ids[:, batch.seq_len :].tolist()]
    nulls = (
        Vanilla(),
        Vcd(alpha=0),
        Avcd(alpha=0, steps=1),
        ObjectMask(alpha=0),
        Sid(alpha=0),
        Sid(keep=10_000),
        Crops(alpha=0, decay=0),
        Vli(alpha=0, theta=0.0),
    )
    for method in nulls:
        decoded = decode(twins.lens, batch, method, NEW)
        assert [answer.token_ids for answer in decoded] == plain, method


@pytest.mark.parametrize("name", list(METHODS))
def test_a_row_does_not_depend_on_its_batch_mates(twins: Twins, name: str) -> None:
    together = decode(twins.lens, twins.batch, METHODS[name], NEW)[0]
    alone = decode(twins.lens, one(twins, 0), METHODS[name], NEW)[0]
    assert together.token_ids == alone.token_ids
    torch.testing.assert_close(together.first_scores, alone.first_scores, rtol=1e-4, atol=1e-5)
    assert together.first_scores.isfinite().any()
    assert not together.first_scores.isnan().any()


def test_vcd_is_its_formula_over_two_plain_models(twins: Twins) -> None:
    batch = one(twins)
    context = context_of(twins, batch)
    noisy = vcd_method.diffused(pictures(twins.lens, batch)[0], 500, context.generators("vcd")[0])
    shown = with_pictures(twins.lens, batch, [noisy])
    tokens: tuple[int, ...] = ()
    for token in decode(twins.lens, batch, Vcd(), NEW)[0].token_ids:
        main, other = (plain_logits(twins, inputs, tokens)[0] for inputs in (batch.forward_inputs, shown))
        assert int(vcd_method.combine(main, other, 1.0, 0.1).argmax()) == token
        tokens += (token,)
    check_branch(twins, Branch(twins.lens, shown), lambda read: plain_logits(twins, shown, read)[0])
    first = decode(twins.lens, batch, Vcd(), 1)[0].first_scores
    pair = [plain_logits(twins, inputs, ())[0] for inputs in (batch.forward_inputs, shown)]
    torch.testing.assert_close(first, contrast(*pair, 1.0, 0.1)[0], rtol=1e-4, atol=1e-5)


class PerQueryMask:
    """Hides keys on the eager model, query by query, with additive masks in a full forward."""

    def __init__(
        self, twins: Twins, layer: int, inputs: Mapping[str, Any], candidates: Any, keep: Any
    ) -> None:
        self.twins, self.layer, self.inputs = twins, layer, inputs
        self.candidates, self.keep = candidates, keep

    def dropped(self, read: tuple[int, ...]) -> set[int]:
        """What the forward that reads the last of these tokens hides."""
        step = len(read) + 1
        attention = plain_logits(self.twins, self.inputs, read, output_attentions=True)[1].attentions
        row = attention[self.layer - 1][0].double().mean(0)[-1]
        where = self.candidates(len(row))
        kept = sorted(where, key=lambda i: (round(row[i].item(), 9), i))[: self.keep(step)]
        return set(where) - set(kept)

    def logits(self, read: tuple[int, ...]) -> torch.Tensor:
        prompt = self.inputs["input_ids"].shape[1]
        total = prompt + len(read)
        additive = torch.zeros(total, total)
        for n in range(len(read) + 1):
            queries = range(prompt) if n == 0 else range(prompt + n - 1, prompt + n)
            # Positions a branch has not read yet are not candidates: causality hides them.
            for query in queries:
                hidden = self.dropped_cached(read[:n])
                visible = [k for k in range(query + 1) if k not in hidden] or [query]
                additive[query] = torch.finfo(torch.float32).min
                additive[query, visible] = 0
        with self.masking(additive):
            return plain_logits(self.twins, self.inputs, read)[0]

    def dropped_cached(self, read: tuple[int, ...]) -> set[int]:
        self._known: dict[tuple[int, ...], set[int]] = getattr(self, "_known", {})
        if read not in self._known:
            self._known[read] = self.dropped(read)
        return self._known[read]

    @contextmanager
    def masking(self, additive: torch.Tensor) -> Iterator[None]:
        def edit(_m: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            return args, {**kwargs, "attention_mask": additive[None, None]}

        blocks = list(self.twins.reference_layers)[self.layer :]
        handles = [b.self_attn.register_forward_pre_hook(edit, with_kwargs=True) for b in blocks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def test_sid_branch_is_a_plain_model_with_explicit_masks(twins: Twins) -> None:
    batch = one(twins)
    images = batch.layouts[0].image_positions.tolist()
    keep = Sid().kept(len(images))
    assert 0 < keep < len(images)
    oracle = PerQueryMask(twins, 2, batch.forward_inputs, lambda _n: images, lambda _step: keep)
    branch = introspective_branch(context_of(twins, batch), 2, [keep])
    check_branch(twins, branch, oracle.logits)
    plain = plain_logits(twins, batch.forward_inputs, ())[0]
    assert (oracle.logits(()) - plain).abs().max() > 1e-3


def test_crops_text_branch_is_a_plain_model_with_explicit_masks(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops_method, "text_keys", lambda step: text_keys(step) - 6)
    batch = one(twins)
    inputs = text_only_inputs(twins.lens, batch)
    image_id = twins.lens.family.image_token_id(twins.lens.config)
    assert (inputs["input_ids"] != image_id).all()
    oracle = PerQueryMask(twins, 2, inputs, lambda n: list(range(n)), lambda step: text_keys(step) - 6)
    assert inputs["input_ids"].shape[1] > 4
    check_branch(twins, text_branch(context_of(twins, batch), 2), oracle.logits)


def test_dola_reads_the_states_that_transformers_returns(twins: Twins) -> None:
    batch = one(twins)
    final, output = plain_logits(twins, batch.forward_inputs, (), output_hidden_states=True)
    assert Dola().candidates(twins.lens.n_layers) == (0, 2)
    early = torch.stack(
        [twins.reference.get_output_embeddings()(output.hidden_states[j][:, -1]) for j in (0, 2)]
    )
    lowest = torch.finfo(torch.float32).min
    early = early.masked_fill(final == lowest, lowest)
    first = decode(twins.lens, batch, "dola", 1)[0].first_scores
    torch.testing.assert_close(first, dola_method.combine(final, early, 0.1)[0], rtol=1e-3, atol=1e-4)


def test_vli_steers_every_block_by_the_difference_of_two_pictures(twins: Twins) -> None:
    batch, settings = one(twins), Vli(theta=0.0)
    scorer: Any = settings.start(context_of(twins, batch))
    with twins.lens.lock:
        scores = scorer.scores(None)
    cells = scorer.cells
    assert 0 < int(cells.sum()) < len(cells)
    picture = pictures(twins.lens, batch)[0]
    anchor, rest = (last_states(twins, batch, picture.filled(c)) for c in (~cells, cells))
    seen: list[torch.Tensor] = []

    def steer(layer: int) -> Any:
        def hook(_m: Any, _a: Any, output: Any) -> Any:
            states = twins.hidden(output).clone()
            states[:, -1] += 0.3 * (anchor[layer] - rest[layer])
            seen.append(states[:, -1])
            return (states, *output[1:]) if isinstance(output, tuple) else states

        return hook

    handles = [b.register_forward_hook(steer(i)) for i, b in enumerate(twins.reference_layers)]
    try:
        expected = plain_logits(twins, batch.forward_inputs, ())[0]
    finally:
        for handle in handles:
            handle.remove()
    plain = last_states(twins, batch, picture)
    torch.testing.assert_close(seen[0], plain[0] + 0.3 * (anchor[0] - rest[0]), rtol=1e-4, atol=1e-5)
    assert 1 <= float(scorer.flatten) <= 2
    torch.testing.assert_close(scores * scorer.flatten, expected, rtol=1e-3, atol=1e-4)


def last_states(twins: Twins, batch: Batch, picture: Picture) -> list[torch.Tensor]:
    """Output of every block at the last position, of the eager model on another picture."""
    states: list[torch.Tensor] = []
    handles = [
        b.register_forward_hook(lambda _m, _a, output: states.append(twins.hidden(output)[:, -1]))
        for b in twins.reference_layers
    ]
    try:
        plain_logits(twins, with_pictures(twins.lens, batch, [picture]), ())
    finally:
        for handle in handles:
            handle.remove()
    return states


def test_features_encoded_once_change_nothing(twins: Twins) -> None:
    encoded = encode_images(twins.lens, twins.batch)
    for name in ("vcd", "sid"):
        plain = decode(twins.lens, twins.batch, name, 2)
        assert [a.token_ids for a in decode(twins.lens, encoded, name, 2)] == [a.token_ids for a in plain]
