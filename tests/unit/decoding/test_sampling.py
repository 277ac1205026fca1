"""Greedy choice, nucleus and seeded draws."""

import pytest
import torch

from scr_lens.decoding.sampling import Sampling, choose, nucleus
from scr_lens.errors import ConfigError

SCORES = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()[None]


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize(("top_p", "kept"), [(0.4, 1), (0.5, 1), (0.51, 2), (0.8, 2), (0.81, 3), (1.0, 4)])
def test_nucleus_keeps_the_smallest_set(top_p: float, kept: int) -> None:
    assert int(nucleus(SCORES, top_p).isfinite().sum()) == kept


def test_greedy_takes_the_first_of_equal_tokens() -> None:
    assert choose(torch.tensor([[1.0, 2.0, 2.0]]), None, []).tolist() == [1]


def test_draws_follow_the_scores() -> None:
    rows = SCORES.expand(4000, -1)
    drawn = choose(rows, Sampling(), generators(*range(4000)))
    shares = torch.bincount(drawn, minlength=4) / 4000
    torch.testing.assert_close(shares, SCORES[0].exp(), rtol=0, atol=0.03)
    cold = choose(rows[:200], Sampling(temperature=0.01), generators(*range(200)))
    assert (cold == 0).all()


def test_a_row_draws_the_same_beside_any_mate() -> None:
    alone = choose(SCORES, Sampling(), generators(7))
    together = choose(torch.cat([SCORES.flip(-1), SCORES]), Sampling(), generators(3, 7))
    assert together[1] == alone[0]


def test_removed_tokens_are_never_drawn() -> None:
    scores = SCORES.clone()
    scores[:, 0] = float("-inf")
    drawn = choose(scores.expand(300, -1), Sampling(), generators(*range(300)))
    assert (drawn != 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "temperature is 0"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampling(**settings)
