"""A published model with random weights says what it lacks of the published one."""

import pytest
from small_published import small_published

from scr_lens import random_weights
from scr_lens.families.published import PUBLISHED, read_published
from scr_lens.random_weights import published_depth, published_lens, shortcuts


@pytest.mark.parametrize(
    ("options", "lacks"),
    [
        ({}, ""),
        ({"n_layers": 4, "distinct_blocks": 4}, ""),
        ({"n_layers": 3}, "; CUT to 3 of 4 blocks, not the published model"),
        ({"distinct_blocks": 1}, "; blocks REPEAT the weights of the first 1"),
        (
            {"n_layers": 3, "distinct_blocks": 2},
            "; CUT to 3 of 4 blocks, not the published model; blocks REPEAT the weights of the first 2",
        ),
    ],
)
def test_its_name_says_what_it_lacks(
    options: dict[str, int], lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_weights, "read_published", small_published)
    lens = published_lens("llava-1.5-13b", dtype="float32", device="cpu", **options)
    assert lens.model_id == f"llava-1.5-13b, random weights{lacks}"
    assert lens.n_layers == options.get("n_layers", 4)


def test_nothing_is_missing_of_a_whole_model() -> None:
    assert shortcuts(32, 32, 32) == ""


def test_depths_are_the_published_ones() -> None:
    depths = {name: published_depth(read_published(name)) for name in PUBLISHED}
    assert depths == {
        "llava-1.5-7b": 32,
        "llava-1.5-13b": 40,
        "chameleon-7b": 32,
        "chameleon-30b": 48,
        "qwen-vl": 32,
        "qwen2-vl-7b": 28,
    }
