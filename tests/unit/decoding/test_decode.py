"""`decode` on a tiny LLaVA: costs as declared, seeds, stopping, hygiene, composition and errors."""

from typing import Any

import pytest
import torch
from tiny import build_method, ragged_samples
from torch import nn

from scr_lens.config import ScrConfig
from scr_lens.decoding import (
    DECODERS,
    Decoder,
    Sampling,
    decode,
    decode_yes_no,
    find_decoder,
    make_decoder,
    settings_of,
)
from scr_lens.decoding.dola import Dola
from scr_lens.decoding.opera import Opera
from scr_lens.decoding.sid import Sid
from scr_lens.decoding.vanilla import Vanilla
from scr_lens.decoding.vcd import Vcd
from scr_lens.decoding.vli import Vli
from scr_lens.errors import ConfigError
from scr_lens.trace import Batch, Lens, generate

NAMES = [name for name in DECODERS if name != "one-pass-scr"]


class Forwards:
    """Counts whole forwards of a model by the number of tokens they read."""

    def __init__(self, model: nn.Module) -> None:
        self.lengths: list[int] = []
        self.handle = model.register_forward_pre_hook(self.count, with_kwargs=True)

    def count(self, _module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        self.lengths.append(kwargs["input_ids"].shape[1])

    def __enter__(self) -> "Forwards":
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.remove()


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("opera", "vli")])
def test_forwards_are_as_declared(lens: Lens, batch: Batch, name: str) -> None:
    traits = find_decoder(name).traits
    with Forwards(lens.hf_model) as forwards:
        decode(lens, batch, name, 4)
    prefills = [n for n in forwards.lengths if n > 1]
    assert len(prefills) == int(traits.prefills.split()[0]) == int(traits.caches)
    assert len(forwards.lengths) - len(prefills) == 3 * int(traits.forwards_per_token)


def test_opera_and_vli_forwards_are_as_declared(lens: Lens) -> None:
    batch = lens.prepare(ragged_samples()[1])
    with Forwards(lens.hf_model) as forwards:
        decode(lens, batch, "opera", 4)
    assert forwards.lengths == [batch.seq_len, 5, 1, 5, 1, 5, 1, 5]
    with Forwards(lens.hf_model) as forwards:
        decode(lens, batch, Vli(theta=10.0), 4)
    assert forwards.lengths == [batch.seq_len] * 2 + [1] * 6
    with Forwards(lens.hf_model) as forwards:
        decode(lens, batch, Vli(theta=0.0), 4)
    assert forwards.lengths == [batch.seq_len] * 4 + [1] + [1] * 9


def test_a_row_stops_at_its_end_token_and_the_others_go_on(lens: Lens, batch: Batch) -> None:
    full = decode(lens, batch, "vanilla", 6)
    end = next(t for t in full[1].token_ids if t not in full[0].token_ids)
    lens.hf_model.generation_config.eos_token_id = [end]
    try:
        stopped = decode(lens, batch, "vanilla", 6)
        with Forwards(lens.hf_model) as forwards:
            decode(lens, lens.prepare(batch.samples[1]), "vanilla", 6)
    finally:
        lens.hf_model.generation_config.eos_token_id = None
    cut = full[1].token_ids.index(end) + 1
    assert stopped[1].token_ids == full[1].token_ids[:cut]
    assert stopped[0].token_ids == full[0].token_ids
    assert len(forwards.lengths) == cut


def test_text_is_that_of_generate(lens: Lens, batch: Batch) -> None:
    ours, theirs = decode(lens, batch, "vanilla", 5), generate(lens, batch, max_new_tokens=5)
    assert [(a.text, a.token_ids) for a in ours] == [(a.text, a.token_ids) for a in theirs]


def test_yes_no_comes_from_the_methods_own_distribution(lens: Lens, batch: Batch) -> None:
    yes, no = lens.yes_no_ids()
    for name in ("vanilla", "vcd", "opera"):
        answers = decode_yes_no(lens, batch, name)
        decoded = decode(lens, batch, name, find_decoder(name).yes_no_tokens)
        for answer, text in zip(answers, decoded, strict=True):
            p = torch.softmax(text.first_scores.double(), -1)
            assert answer.p_yes == pytest.approx(float(sum(p[i] for i in yes)))
            assert answer.p_no == pytest.approx(float(sum(p[i] for i in no)))
            first = text.token_ids[0]
            assert answer.answer == ("yes" if first in yes else "no" if first in no else "other")
    assert find_decoder("opera").yes_no_tokens == 10


@pytest.mark.parametrize("name", ["vcd", "avcd", "sid", "vanilla"])
def test_draws_follow_the_generator_only(lens: Lens, batch: Batch, name: str) -> None:
    method = make_decoder(name, {"sampling": {"temperature": 2.0}})
    before = torch.get_rng_state()
    runs = [decode(lens, batch, method, 8, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    first, again, other = ([answer.token_ids for answer in run] for run in runs)
    assert first == again
    assert first != other
    alone = decode(lens, lens.prepare(batch.samples[1]), make_decoder(name, {"sampling": {}, "seed": 5}), 6)
    mates = decode(lens, batch, make_decoder(name, {"sampling": {}, "seed": 5}), 6)
    assert alone[0].token_ids == mates[1].token_ids


def test_greedy_methods_without_draws_ignore_the_seed(lens: Lens, batch: Batch) -> None:
    for name in NAMES:
        settings = {} if name == "opera" else {"seed": 9}
        same = all(
            torch.equal(a.first_scores, b.first_scores)
            for a, b in zip(
                decode(lens, batch, name, 1),
                decode(lens, batch, make_decoder(name, settings), 1),
                strict=True,
            )
        )
        assert same is not find_decoder(name).traits.stochastic, name


class Broken(Exception):
    """Raised in the middle of a forward."""


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stays_on_the_model_after_an_error(lens: Lens, batch: Batch, name: str) -> None:
    calls: list[int] = []

    def fail(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Broken

    handle = lens.hf_model.model.language_model.layers[3].register_forward_hook(fail)
    try:
        with pytest.raises(Broken):
            decode(lens, batch, name, 4)
    finally:
        handle.remove()
    assert_clean(lens)
    decode(lens, batch, name, 1)
    assert_clean(lens)


def assert_clean(lens: Lens) -> None:
    for module in lens.hf_model.model.language_model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert lens.tap.request is None
    assert lens.lock.acquire(blocking=False)
    lens.lock.release()


def test_position_offsets_kept_on_a_model_survive(lens: Lens, batch: Batch) -> None:
    lens.hf_model.model.rope_deltas = marker = torch.tensor([[3]])
    try:
        decode(lens, batch, "vcd", 2)
        assert lens.hf_model.model.rope_deltas is marker
    finally:
        del lens.hf_model.model.rope_deltas


def test_an_intervention_edits_the_undisturbed_prefill(
    lens: Lens, batch: Batch, attention: tuple[torch.Tensor, ...]
) -> None:
    scr = build_method("scr", lens, batch, attention, ScrConfig(lambda_=4.0, n_sources=6))
    edited = decode(lens, batch, "vanilla", 6, intervention=scr)
    assert [a.token_ids for a in edited] == [a.token_ids for a in generate(lens, batch, scr, 6)]
    both = decode(lens, batch, Sid(alpha=0), 6, intervention=scr)
    assert [a.token_ids for a in both] == [a.token_ids for a in edited]
    assert not torch.equal(
        decode(lens, batch, "vcd", 1, intervention=scr)[0].first_scores,
        decode(lens, batch, "vcd", 1)[0].first_scores,
    )
    with pytest.raises(ConfigError, match="one sample at a time, the intervention was built for 3"):
        decode(lens, batch, "opera", 2, intervention=scr)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda lens, batch: decode(lens, batch, "vdc", 2),
            "unknown decoding method 'vdc'; did you mean 'vcd'",
        ),
        (lambda lens, batch: decode(lens, batch, "vcd", 0), "max_new_tokens is 0; give at least 1"),
        (
            lambda lens, batch: decode(lens, batch, Sid(layer=4), 2),
            "sid: layer is 4 but the model has 4 blocks",
        ),
        (lambda lens, batch: decode(lens, batch, Vli(heads=((9, 0),)), 2), "9"),
    ],
)
def test_what_does_not_fit_is_refused(lens: Lens, batch: Batch, call: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call(lens, batch)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("vcd", {"timestep": 1000}, "timestep is 1000"),
        ("vcd", {"alfa": 1}, "unknown Vcd key 'alfa'; did you mean 'alpha'"),
        ("avcd", {"steps": 0}, "steps is 0"),
        ("object-mask-vcd", {"mass": 0}, "mass is 0"),
        ("object-mask-vcd", {"saliency": "dino"}, "unknown saliency 'dino'"),
        ("sid", {"keep": -1}, "keep is -1"),
        ("crops", {"share": 2}, "share is 2"),
        ("crops", {"decay": -1}, "decay is -1"),
        ("vli", {"alpha": 1}, "alpha is 1"),
        ("vli", {"rho": 0}, "rho is 0"),
        ("vli", {"heads": []}, "heads is empty"),
        ("opera", {"beams": 0}, "beams 0"),
        ("opera", {"weight": -1}, "weight is -1"),
        ("dola", {"bucket": "middle"}, "unknown DoLa bucket 'middle'"),
    ],
)
def test_settings_are_checked(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_decoder(name, settings)


@pytest.mark.parametrize("name", list(DECODERS))
def test_settings_survive_being_written_down(name: str) -> None:
    extra: dict[str, Any] = (
        {} if name == "opera" else {"seed": 3, "sampling": {"temperature": 0.5, "top_p": 0.9}}
    )
    if name == "vli":
        extra["heads"] = [[1, 2], [3, 0]]
    decoder: Decoder = make_decoder(name, extra)
    written = settings_of(decoder)
    assert written.pop("method") == name
    assert make_decoder(name, written) == decoder
    if extra:
        assert decoder.sampling == Sampling(temperature=0.5, top_p=0.9)
        assert decoder != make_decoder(name)


def test_published_defaults() -> None:
    assert settings_of(Vcd()) == {
        "method": "vcd", "alpha": 1.0, "beta": 0.1, "timestep": 500, "sampling": None, "seed": 0
    }  # fmt: skip
    opera, sid = Opera(), Sid()
    assert (opera.beams, opera.candidates, opera.sigma, opera.threshold, opera.weight) == (
        5,
        5,
        50.0,
        15,
        1.0,
    )
    assert (sid.alpha, sid.beta, sid.layer, sid.kept(576), sid.kept(1024), sid.kept(256)) == (
        0.5,
        0.1,
        2,
        100,
        178,
        44,
    )
    assert Dola().candidates(32) == tuple(range(0, 32, 2))
    assert Dola(bucket="low").candidates(32) == tuple(range(0, 16, 2))
    assert Dola(bucket="high").candidates(32) == tuple(range(16, 32, 2))


def test_sid_filters_when_it_samples_and_not_when_greedy(lens: Lens, batch: Batch) -> None:
    assert decode(lens, batch, Sid(beta=1.0), 1)[0].first_scores.isfinite().all()
    for method in (Sid(beta=1.0, filter_greedy=True), Sid(beta=1.0, sampling=Sampling())):
        assert int(decode(lens, batch, method, 1)[0].first_scores.isfinite().sum()) == 1


def test_vli_without_a_trigger_is_bitwise_the_model(lens: Lens) -> None:
    batch = lens.prepare(ragged_samples()[0])
    ours, plain = decode(lens, batch, Vli(theta=10.0), 3)[0], decode(lens, batch, Vanilla(), 3)[0]
    assert torch.equal(ours.first_scores, plain.first_scores)
    assert ours.token_ids == plain.token_ids
