import numpy as np
import pytest

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.analysis.proposition import (
    nearest_map,
    norm_step,
    peak_counterexample,
    peak_lower_bound,
    trade_off,
)
from scr_lens.errors import DataError
from scr_lens.grid import PatchGrid

GRID = PatchGrid(4, 4)
NORMS = np.random.default_rng(0).gamma(1.5, size=16) + 0.1


@pytest.mark.parametrize("strength", [1.05, 1.1, 1.15])
def test_counterexample_breaks_the_papers_bound_and_reaches_ours(strength):
    before, after = peak_counterexample(strength)
    norms = [np.linalg.norm(part, axis=1) for part in (before, after)]
    assert norms[0].max() == 1.0
    assert norms[1].max() == pytest.approx(peak_lower_bound(strength))
    assert norms[1].max() < 1 / strength
    assert np.allclose(after[1], before[1] + (strength - 1) * before[0])


@pytest.mark.parametrize("strength", [1.05, 1.1, 1.15])
def test_no_random_configuration_falls_below_the_bound(strength):
    """One source with eight neighbors in three dimensions; the worst angles are included."""
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(20_000, 9, 3))
    vectors[::2, 1:] = -vectors[::2, :1] * generator.uniform(0.8, 1.2, size=(10_000, 8, 1))
    after = vectors.copy()
    after[:, 1:] += (strength - 1) * vectors[:, :1]
    after[:, 0] /= strength
    ratio = np.linalg.norm(after, axis=2).max(axis=1) / np.linalg.norm(vectors, axis=2).max(axis=1)
    assert ratio.min() >= peak_lower_bound(strength) - 1e-12
    assert ratio.min() < 1 / strength


def test_norm_step_equals_a_matrix():
    sources = [5, 10]
    matrix = np.eye(16)
    matrix[5, 5] = matrix[10, 10] = 1 / 1.1
    for neighbor in (0, 1, 2, 4, 6, 8, 9):
        matrix[neighbor, 5] = 0.1
    for neighbor in (7, 11, 13, 14, 15):
        matrix[neighbor, 10] = 0.1
    assert np.allclose(norm_step(NORMS, sources, GRID, 1.1), matrix @ NORMS)


def test_nearest_map_meets_its_constraints_and_beats_random_feasible_maps():
    target, peak = credit_entropy(NORMS, normalize=False) + 0.05, NORMS.max() / 1.1
    best = nearest_map(NORMS, target, peak)
    assert best.entropy == pytest.approx(target, abs=1e-6)
    assert best.norms.max() >= peak - 1e-6
    generator = np.random.default_rng(2)
    for _ in range(3000):
        rival = np.maximum(NORMS + generator.normal(0, 0.3, size=16) * generator.random(), 1e-6)
        if credit_entropy(rival, normalize=False) >= target and rival.max() >= peak:
            assert np.linalg.norm(rival - NORMS) >= best.distance - 1e-9


def test_two_patches_have_a_closed_form():
    """Without an active peak bound the nearest map lies on the ray of the wanted ratio: a projection."""
    before = np.array([3.0, 1.0])
    ray = np.array([2.0, 1.0]) / np.sqrt(5)
    target = float(credit_entropy(ray, normalize=False))
    found = nearest_map(before, target, 0.1)
    assert np.allclose(found.norms, (before @ ray) * ray, atol=1e-5)


def test_scr_lies_behind_the_front():
    sources = [int(i) for i in np.argsort(-NORMS) if GRID.interior_mask()[i]][:2]
    found = trade_off(NORMS, sources, GRID, n_points=4)
    assert found.scr.entropy > found.before.entropy
    assert found.nearest.entropy == pytest.approx(found.scr.entropy, abs=1e-6)
    assert 0 < found.efficiency <= 1
    assert [p.distance for p in found.front] == sorted(p.distance for p in found.front)
    assert found.peak_ratio >= 1 / 1.1 - 1e-12


def test_refusals():
    with pytest.raises(DataError, match="lambda=1"):
        peak_lower_bound(1)
    with pytest.raises(DataError, match=r"shape \(3,\)"):
        norm_step(np.ones(3), [0], GRID, 1.1)
    with pytest.raises(DataError, match="at most ln 16"):
        nearest_map(NORMS, 3.0, 0.1)
    with pytest.raises(DataError, match="expected positive norms"):
        trade_off(np.zeros(16), [5], GRID)
