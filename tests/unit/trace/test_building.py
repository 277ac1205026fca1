"""A method built by name for a batch does what the long way and an inspection do."""

import pytest
import torch
from tiny import Twins, build_twins, noise_image

import scr_lens as sl
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.errors import ConfigError
from scr_lens.interventions import Redistribution, find_method
from scr_lens.trace import CaptureSpec, Sample, build_intervention, run_pass

SETTINGS = ScrConfig(lambda_=1.5, n_sources=3, seed=4, diagnostic=DiagnosticConfig(layers=LayerRange(1, 2)))


@pytest.fixture(scope="module")
def twins() -> Twins:
    return build_twins()


def sources(built: object) -> list[list[int]]:
    assert isinstance(built, Redistribution)
    return [plan.sources.tolist() for plan in built.plans]


def test_scr_takes_the_largest_interior_patches_of_the_recorded_attention(twins: Twins) -> None:
    built = build_intervention(twins.lens, twins.batch, "scr", SETTINGS)
    records = run_pass(twins.lens, twins.batch, CaptureSpec(attention=LayerRange(1, 2))).samples
    for chosen, record in zip(sources(built), records, strict=True):
        assert record.attention is not None
        interior = set(record.layout.grid.interior().tolist())
        order = record.attention.mean(0).argsort(descending=True).tolist()
        assert chosen == [patch for patch in order if patch in interior][:3]


@pytest.mark.parametrize("method", ["scr", "uniform-smooth", "gaussian-noise"])
def test_it_is_what_an_inspection_of_the_same_sample_does(twins: Twins, method: str) -> None:
    sample = Sample(noise_image(5), question="is there a dog ?", image_id="five")
    batch = twins.lens.prepare(sample)
    after = sl.inspect_image(twins.lens, sample, method=method, config=SETTINGS).after
    built = build_intervention(twins.lens, batch, method, SETTINGS)
    norms = run_pass(twins.lens, batch, intervention=built).samples[0].resid_norm
    assert norms is not None
    assert torch.equal(norms, torch.from_numpy(after.resid_norm))


def test_a_random_control_follows_the_picture_not_its_place_in_the_batch(twins: Twins) -> None:
    samples = [Sample(noise_image(i), question="is there a dog ?") for i in (0, 1, 0)]
    first, second, again = sources(
        build_intervention(twins.lens, twins.lens.prepare(samples), "uniform-smooth", SETTINGS)
    )
    assert first == again
    assert first != second
    alone = twins.lens.prepare(samples[1])
    assert sources(build_intervention(twins.lens, alone, "uniform-smooth", SETTINGS)) == [second]


def test_only_methods_that_look_at_attention_cost_a_diagnostic_pass(twins: Twins) -> None:
    before = twins.lens.tap.count
    for name in ("vanilla", "uniform-smooth"):
        assert not find_method(name).needs_attention
        build_intervention(twins.lens, twins.batch, name, SETTINGS)
    assert twins.lens.tap.count == before
    build_intervention(twins.lens, twins.batch, "scr", SETTINGS)
    assert twins.lens.tap.count == before + 2  # one call per diagnostic block


def test_an_unknown_method_is_refused(twins: Twins) -> None:
    with pytest.raises(ConfigError, match="unknown method 'scrr'; did you mean 'scr'"):
        build_intervention(twins.lens, twins.batch, "scrr")
