import pytest
import torch

from scr_lens.comparison import (
    attention_maps,
    baseline_pass,
    diagnostic_capture,
    full_capture,
    treated_pass,
    treatment,
)
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.trace import CaptureSpec, diagnose, run_pass

KEYS = ("a", "b", "c")


@pytest.mark.parametrize("capture", [full_capture, diagnostic_capture])
def test_the_baseline_doubles_as_the_diagnostic_pass(lens, batch, capture):
    config = DiagnosticConfig()
    baseline = baseline_pass(lens, batch, KEYS, capture(lens, config))
    lens.tap.count = 0
    maps = attention_maps(baseline, config)
    assert lens.tap.count == 0  # nothing was run again
    for reused, own in zip(maps, diagnose(lens, batch, config), strict=True):
        assert torch.equal(reused, own)


@pytest.mark.parametrize(
    "config",
    [
        DiagnosticConfig(head_share=0.2),
        DiagnosticConfig(layers=LayerRange(0, 0)),
        DiagnosticConfig(diagnose_per="image"),
        DiagnosticConfig(queries="last"),
    ],
)
def test_other_maps_are_computed_not_guessed(lens, batch, config):
    baseline = baseline_pass(lens, batch, KEYS, diagnostic_capture(lens, DiagnosticConfig()))
    for found, own in zip(attention_maps(baseline, config), diagnose(lens, batch, config), strict=True):
        assert torch.equal(found, own)


def test_treatment_and_pass_are_the_plain_ones(lens, batch, scr_config):
    capture = CaptureSpec()
    baseline = baseline_pass(lens, batch, KEYS, capture)
    intervention = treatment(baseline, "scr", scr_config)
    again = run_pass(lens, batch, capture, intervention)
    for a, b, before in zip(
        treated_pass(baseline, intervention, capture).samples,
        again.samples,
        baseline.record.samples,
        strict=True,
    ):
        assert torch.equal(a.logits, b.logits) and not torch.equal(a.logits, before.logits)


def test_random_controls_depend_on_the_key_only(lens, batch):
    capture = CaptureSpec()
    config = ScrConfig(n_sources=3)
    first = treatment(baseline_pass(lens, batch, ("a", "b", "a"), capture), "uniform-smooth", config)
    second = treatment(baseline_pass(lens, batch, ("x", "a", "b"), capture), "uniform-smooth", config)
    assert torch.equal(first.plans[0].sources, first.plans[2].sources)
    assert torch.equal(first.plans[0].sources, second.plans[1].sources)
