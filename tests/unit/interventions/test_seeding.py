import torch

from scr_lens.interventions.seeding import seeded_generator


def draw(*parts: object) -> list[float]:
    return torch.rand(4, generator=seeded_generator(*parts)).tolist()  # type: ignore[arg-type]


def test_equal_names_give_equal_draws() -> None:
    assert draw(0, "noise", "image-1", 3) == draw(0, "noise", "image-1", 3)


def test_every_part_and_its_place_changes_the_draw() -> None:
    draws = [
        draw(0, "a", 1),
        draw(1, "a", 1),
        draw(0, "b", 1),
        draw(0, "a", 2),
        draw(0, "a1"),
        draw(0, 1, "a"),
    ]
    assert len({tuple(values) for values in draws}) == len(draws)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    draw(0, "a")
    assert torch.equal(torch.get_rng_state(), before)
