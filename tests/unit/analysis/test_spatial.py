import numpy as np
import pytest

from scr_lens.analysis.spatial import (
    autocorrelation,
    autocorrelation_profile,
    morans_i,
    offsets_at,
    pixel_vectors,
)
from scr_lens.errors import DataError
from scr_lens.grid import PatchGrid

GRID = PatchGrid(4, 6)
GENERATOR = np.random.default_rng(7)


def pairs_at(grid, distance):
    cells = [(r, c) for r in range(grid.height) for c in range(grid.width)]
    return [
        (i, j)
        for i, (r, c) in enumerate(cells)
        for j, (s, d) in enumerate(cells)
        if i != j and abs(np.hypot(r - s, c - d) - distance) < 1e-9
    ]


@pytest.mark.parametrize("distance", [1, 2**0.5, 2, 5**0.5, 3, 8**0.5, 5.0])
def test_image_centered_equals_a_double_loop(distance):
    vectors = GENERATOR.normal(size=(GRID.size, 3))
    z = vectors - vectors.mean(axis=0)
    pairs = pairs_at(GRID, distance)
    expected = np.mean([z[i] @ z[j] for i, j in pairs]) / np.mean(np.sum(z**2, axis=1))
    assert autocorrelation(vectors, GRID, distance) == pytest.approx(expected)


@pytest.mark.parametrize("distance", [1, 2**0.5, 3])
def test_patch_centered_is_the_mean_pearson_correlation_of_two_patches(distance):
    vectors = GENERATOR.normal(size=(GRID.size, 8)) + 5
    expected = np.mean([np.corrcoef(vectors[i], vectors[j])[0, 1] for i, j in pairs_at(GRID, distance)])
    assert autocorrelation(vectors, GRID, distance, center="patch") == pytest.approx(expected)


@pytest.mark.parametrize("topology", ["8", "4", "radius-2"])
def test_morans_i_equals_its_formula_with_a_weight_matrix(topology):
    x = GENERATOR.normal(size=GRID.size)
    weights = np.zeros((GRID.size, GRID.size))
    for i in range(GRID.size):
        weights[i, list(GRID.neighbors(i, topology))] = 1
    z = x - x.mean()
    expected = GRID.size / weights.sum() * (z @ weights @ z) / (z @ z)
    assert morans_i(x[:, None], GRID, topology) == pytest.approx(expected)


def test_extremes():
    checkerboard = (np.indices((4, 6)).sum(axis=0) % 2).reshape(-1, 1).astype(float)
    assert autocorrelation(checkerboard, GRID, 1) == pytest.approx(-1)
    assert autocorrelation(checkerboard, GRID, 2**0.5) == pytest.approx(1)
    assert np.isnan(autocorrelation(np.full((24, 2), 0.1), GRID, 1))
    assert np.isnan(morans_i(np.full((24, 2), 0.1), GRID))
    noise = GENERATOR.normal(size=(4000, GRID.size, 1))
    assert morans_i(noise, GRID).mean() == pytest.approx(-1 / 23, abs=0.005)


def test_profile_decays_for_a_smooth_map_and_keeps_batches_apart():
    rows, cols = np.indices((12, 12)) / 4
    smooth = np.sin(rows + cols).reshape(1, 144, 1)
    batch = np.concatenate([smooth, GENERATOR.normal(size=(1, 144, 1))])
    profile = autocorrelation_profile(batch, PatchGrid(12, 12), distances=(1, 2, 3))
    assert profile.shape == (2, 3)
    assert profile[0, 0] > profile[0, 1] > profile[0, 2] > 0.3
    assert profile[1, 0] == pytest.approx(autocorrelation(batch[1], PatchGrid(12, 12), 1))


def test_offsets_cover_each_unordered_pair_once():
    assert offsets_at(1, GRID) == [(0, 1), (1, 0)]
    assert offsets_at(2**0.5, GRID) == [(1, -1), (1, 1)]
    assert offsets_at(1.3, GRID) == []
    assert offsets_at(5, PatchGrid(3, 3)) == []


def test_pixel_vectors_cut_in_raster_order():
    pixels = np.arange(5 * 7 * 2).reshape(5, 7, 2)
    vectors = pixel_vectors(pixels, PatchGrid(2, 3))
    assert vectors.shape == (6, 2 * 2 * 2)
    assert vectors[4].tolist() == pixels[2:4, 2:4].ravel().tolist()


def test_refusals():
    vectors = GENERATOR.normal(size=(GRID.size, 2))
    with pytest.raises(DataError, match="no two cells of a 4x6 grid"):
        autocorrelation(vectors, GRID, 1.5)
    with pytest.raises(DataError, match=r"expected .*24, features"):
        autocorrelation(vectors[:5], GRID, 1)
    with pytest.raises(DataError, match="topology 'scrambled'"):
        morans_i(vectors, GRID, "scrambled")
    with pytest.raises(DataError, match="has no neighbors"):
        morans_i(np.ones((1, 1)), PatchGrid(1, 1))
    with pytest.raises(DataError, match="NaN"):
        morans_i(np.full((24, 1), np.nan), GRID)
    with pytest.raises(DataError, match="at least one per cell"):
        pixel_vectors(np.ones((3, 9, 3)), GRID)
