import json

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from tiny import noise_image

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.inspection import inspect_image
from scr_lens.interventions import select
from scr_lens.trace import CaptureSpec, Sample, diagnose, run_pass


@pytest.fixture(scope="module")
def sample():
    return Sample(noise_image(5), question="is there a dog ?", image_id="noise.png")


@pytest.fixture(scope="module")
def inspection(lens, sample):
    return inspect_image(lens, sample, config=ScrConfig(lambda_=1.5, n_sources=3), note="mind this")


def test_before_is_the_plain_pass(lens, sample, inspection):
    record = run_pass(
        lens, lens.prepare(sample), CaptureSpec(attention=LayerRange(0, lens.n_layers - 1))
    ).samples[0]
    assert np.array_equal(inspection.before.resid_norm, record.resid_norm.numpy())
    assert np.array_equal(inspection.before.attention, record.attention.numpy())
    assert inspection.before.answer == record.yes_no(lens)


def test_the_plan_is_selected_from_the_diagnostic_map(lens, sample, inspection):
    (attention,) = diagnose(lens, lens.prepare(sample))
    assert np.array_equal(inspection.attention_map, attention.numpy())
    plan = select(attention, inspection.grid, inspection.config)
    assert torch.equal(plan.sources, inspection.plan.sources)
    assert torch.equal(plan.neighbors, inspection.plan.neighbors)


def test_after_differs_first_at_the_first_edited_block(inspection):
    changed = np.abs(inspection.after.resid_norm - inspection.before.resid_norm)
    touched = np.concatenate([inspection.plan.sources, inspection.plan.neighbors])
    assert set(np.flatnonzero(changed[0])) == set(touched.tolist())
    shrunk = inspection.after.resid_norm[0, inspection.plan.sources]
    assert np.allclose(shrunk, inspection.before.resid_norm[0, inspection.plan.sources] / 1.5, rtol=1e-5)


def test_entropies_against_scipy(inspection):
    for view in (inspection.before, inspection.after):
        n = inspection.grid.size
        assert np.allclose(view.norm_entropy, entropy(view.resid_norm, axis=1) / np.log(n), atol=1e-6)
        assert np.allclose(view.attention_entropy, entropy(view.attention, axis=1) / np.log(n), atol=1e-5)


def test_identity_changes_nothing(lens, sample):
    same = inspect_image(lens, sample, method="identity", config=ScrConfig(n_sources=3))
    assert np.array_equal(same.before.resid_norm, same.after.resid_norm)
    assert same.before.answer == same.after.answer


def test_numbers_for_machines(inspection):
    numbers = json.loads(json.dumps(inspection.to_dict()))
    assert numbers["note"] == "mind this" and numbers["image"] == "noise.png"
    gain = inspection.after.resid_norm.sum(1) / inspection.before.resid_norm.sum(1)
    assert np.allclose(numbers["norm_gain_per_layer"], gain)
    assert numbers["config"]["lambda"] == 1.5
