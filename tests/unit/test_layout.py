from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scr_lens.errors import ConfigError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.layout import TokenLayout, build_layout

IMAGE = 99
GRID = PatchGrid(2, 3)


def row(before: list[int], after: list[int], n_pad: int = 0, n_image: int = 6) -> tuple[Any, Any]:
    ids = [0] * n_pad + before + [IMAGE] * n_image + after
    return torch.tensor(ids), torch.tensor([0] * n_pad + [1] * (len(ids) - n_pad))


def test_positions_are_absolute_in_the_padded_row() -> None:
    layout = build_layout(*row([1, 2], [10, 11, 12, 13], n_pad=3), IMAGE, GRID, torch.tensor([10, 13]))
    assert layout.image_positions.tolist() == [5, 6, 7, 8, 9, 10]
    assert layout.text_after_image.tolist() == [11, 12, 13, 14]
    assert layout.question.tolist() == [12, 13]
    assert (layout.last, layout.seq_len, layout.n_pad) == (14, 15, 3)


@given(
    prefix=st.lists(st.integers(1, 9), max_size=3),
    question=st.lists(st.integers(20, 29), min_size=1, max_size=4),
    suffix=st.lists(st.integers(1, 9), max_size=3),
    n_pad=st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
def test_question_is_what_the_template_does_not_hold(
    prefix: list[int], question: list[int], suffix: list[int], n_pad: int
) -> None:
    ids, mask = row([1], prefix + question + suffix, n_pad)
    layout = build_layout(ids, mask, IMAGE, GRID, torch.tensor(prefix + suffix, dtype=torch.long))
    assert ids[layout.question].tolist() == question
    assert ids[layout.text_after_image].tolist() == prefix + question + suffix


def test_a_question_that_starts_like_the_suffix_keeps_its_length() -> None:
    ids, mask = row([1], [5, 7, 8, 7])
    layout = build_layout(ids, mask, IMAGE, GRID, torch.tensor([5, 7]))
    assert layout.question.tolist() == [9, 10]


def test_without_a_template_the_question_is_all_text_after_the_image() -> None:
    layout = build_layout(*row([1], [5, 6]), IMAGE, GRID, None)
    assert torch.equal(layout.question, layout.text_after_image)


def test_queries_of_each_kind() -> None:
    layout = build_layout(*row([1, 2], [10, 11, 13], n_pad=1), IMAGE, GRID, torch.tensor([10, 13]))
    assert layout.queries("all_text_after_image").tolist() == [9, 10, 11]
    assert layout.queries("question").tolist() == [10]
    assert layout.queries("last").tolist() == [11]
    with pytest.raises(ConfigError, match="unknown query set 'questions'; did you mean 'question'"):
        layout.queries("questions")  # type: ignore[arg-type]


def test_an_empty_question_is_refused_when_asked_for() -> None:
    layout = build_layout(*row([1], [10, 13]), IMAGE, GRID, torch.tensor([10, 13]))
    assert len(layout.question) == 0
    with pytest.raises(LayoutError, match="queries='question' but the prompt's question is empty"):
        layout.queries("question")


def test_an_image_id_in_the_padding_is_no_patch() -> None:
    ids, mask = row([1], [5], n_pad=2)
    ids[:2] = IMAGE
    assert build_layout(ids, mask, IMAGE, GRID).image_positions.tolist() == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        ([1, *[IMAGE] * 5, 2], [1] * 7, "holds 5 image tokens, the 2x3 grid has 6 patches"),
        ([1, 2, 3], [1] * 3, r"holds no image token \(id 99\)"),
        ([1, *[IMAGE] * 6], [1] * 7, "no text follows the image, which ends at position 6 of 7"),
        ([1, *[IMAGE] * 6, 2, 0], [1] * 8 + [0], "set padding_side='left'"),
        ([1, *[IMAGE] * 6, 2], [1] * 7, r"input_ids \(8,\) and attention_mask \(7,\)"),
        ([[1, 2]], [[1, 1]], "pass one sample of the batch"),
    ],
)
def test_bad_rows_are_refused(ids: list[Any], mask: list[Any], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        build_layout(torch.tensor(ids), torch.tensor(mask), IMAGE, GRID)


def layout_with(**change: Any) -> TokenLayout:
    values: dict[str, Any] = {
        "image_positions": torch.arange(1, 7),
        "grid": GRID,
        "text_after_image": torch.tensor([7, 8]),
        "question": torch.tensor([7]),
        "last": 8,
        "seq_len": 9,
        "n_pad": 0,
    }
    return TokenLayout(**(values | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_positions": torch.tensor([2, 1, 3, 4, 5, 6])}, "image positions are not in ascending order"),
        ({"image_positions": torch.tensor([1, 1, 3, 4, 5, 6])}, "image positions are not in ascending order"),
        ({"n_pad": 2}, "image positions 1 to 6 leave the row's tokens 2 to 8"),
        ({"seq_len": 8}, r"\(row length 8\)"),
        (
            {"text_after_image": torch.tensor([6, 7])},
            "text_after_image starts at 6, before the image ends at 6",
        ),
        ({"question": torch.tensor([9])}, "question positions 9 to 9 leave"),
    ],
)
def test_inconsistent_layouts_are_refused(change: dict[str, Any], message: str) -> None:
    assert layout_with().last == 8
    with pytest.raises(LayoutError, match=message):
        layout_with(**change)
