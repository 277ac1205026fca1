"""Image tower and resampler equal the straight-line computation, at sizes that stretch both tables."""

import math

import numpy as np
import pytest
import qwen_vl_original as original
import torch

from scr_lens.errors import ContractError
from scr_lens.families.qwen_vl import QwenVLConfig, QwenVLForConditionalGeneration
from scr_lens.families.qwen_vl.configuration import QwenVLVisionConfig
from scr_lens.families.qwen_vl.resampler import resize_table, sincos_table
from scr_lens.families.qwen_vl.vision import VisionTower

PREFIX = "transformer.visual."


@pytest.fixture(scope="module")
def tower() -> VisionTower:
    made = VisionTower(QwenVLConfig.from_dict(original.config()).vision_config)
    made.load_state_dict({n.removeprefix(PREFIX): v for n, v in original.state().items() if PREFIX in n})
    return made.requires_grad_(False)


def as_numpy(state: original.State) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in state.items()}


@pytest.mark.parametrize("side", [8, 16, 20])
def test_image_tokens(tower: VisionTower, side: int) -> None:
    """8 and 20 patches per side shrink and stretch the 16 x 16 tables, 16 leaves them."""
    pixels = np.random.default_rng(side).normal(size=(2, 3, side * 14, side * 14))
    actual = tower(torch.tensor(pixels, dtype=torch.float32))
    assert actual.shape == (2, 256, original.HIDDEN)
    for row, image in zip(actual, pixels, strict=True):
        np.testing.assert_allclose(row, original.image_tokens(as_numpy(original.state()), image), atol=2e-5)
    assert (actual[0] - actual[1]).abs().max() > 0.1


@pytest.mark.parametrize(("old", "new"), [(16, 32), (16, 8), (5, 7), (4, 4)])
def test_tables_are_stretched_by_the_cubic_kernel(old: int, new: int) -> None:
    table = torch.randn(old * old, 3, generator=torch.Generator().manual_seed(0))
    resized = resize_table(table, new)
    np.testing.assert_allclose(resized, original.resize(table.double().numpy(), new), atol=1e-5)
    assert resize_table(table.bfloat16(), new).dtype == torch.bfloat16


def test_positions_are_sine_and_cosine_of_column_then_row() -> None:
    table = sincos_table(3, 8)
    for row in range(3):
        for col in range(3):
            angles = [[place / 10000 ** (i / 2) for i in (0, 1)] for place in (col, row)]
            wanted = [wave(angle) for pair in angles for wave in (math.sin, math.cos) for angle in pair]
            np.testing.assert_allclose(table[row * 3 + col], wanted, atol=1e-6)


def test_a_new_model_starts_with_these_positions_and_never_trains_them() -> None:
    config = QwenVLConfig.from_dict(original.config())
    resampler = QwenVLForConditionalGeneration(config).model.visual.attn_pool
    assert torch.equal(resampler.pos_embed, sincos_table(16, original.HIDDEN))
    assert not resampler.pos_embed.requires_grad
    assert resampler.query.requires_grad
    assert resampler.query.std().item() == pytest.approx(0.02, rel=0.05)


def test_resampler_weights_say_where_a_query_looks(tower: VisionTower) -> None:
    state = as_numpy(original.state())
    p = {name.removeprefix(f"{PREFIX}attn_pool."): v for name, v in state.items() if "attn_pool" in name}
    patches = torch.randn(1, 64, original.WIDTH, generator=torch.Generator().manual_seed(1))
    weights = tower.attn_pool.weights(patches)[0]
    keys = original.layer_norm(patches[0].double().numpy() @ p["kv_proj.weight"].T, p, "ln_kv")
    keys = keys + original.resize(p["pos_embed"], 8)
    queries = original.layer_norm(p["query"], p, "ln_q") + p["pos_embed"]
    n, expected = original.HIDDEN, 0.0
    projected = [
        y @ p["attn.in_proj_weight"][s * n : (s + 1) * n].T + p["attn.in_proj_bias"][s * n : (s + 1) * n]
        for s, y in enumerate((queries, keys))
    ]
    for q, k in zip(*(original.heads(y, 128) for y in projected), strict=True):
        expected = expected + original.softmax(q @ k.T / math.sqrt(128)) / 2
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(256))


def test_queries_that_form_no_square_are_refused() -> None:
    with pytest.raises(ContractError, match="n_queries is 200, not a square number, so the image"):
        _ = QwenVLVisionConfig(n_queries=200).grid_size
