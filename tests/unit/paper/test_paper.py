import numpy as np
import pytest

from scr_lens import paper
from scr_lens.errors import DataError


def test_sizes_of_all_tables():
    sizes = {number: len(paper.table(number)) for number in paper.TABLES}
    assert sizes == {1: 36, 2: 18, 3: 18, 4: 12, 5: 7, 6: 7}


@pytest.mark.parametrize(
    ("number", "column", "row", "expected"),
    [
        (1, "hr", {"model": "Chameleon-7B", "method": "Vanilla"}, 19.5),
        (1, "hr_pm", {"model": "Chameleon-7B", "method": "Vanilla"}, 0.8),
        (1, "cider", {"model": "Qwen-VL", "method": "VCD"}, 111.2),
        (1, "cider_pm", {"model": "Qwen-VL", "method": "VCD"}, 1.4),
        (2, "accuracy", {"model": "LLaVA-1.5-13B", "method": "SCR"}, 87.4),
        (2, "hr_reduction", {"model": "Chameleon-30B", "method": "Uniform-Smooth"}, 2.6),
        (3, "hr_scr", {"model": "Chameleon-7B", "split": "popular"}, 10.9),
        (4, "latency_ms", {"model": "Qwen2-VL-7B", "variant": "One-Pass SCR"}, 6),
        (5, "chair_i_scr", {"model": "LLaVA-1.5-13B"}, 3.1),
        (6, "p_value", {"model": "LLaVA-1.5-7B"}, 8.7e-6),
    ],
)
def test_single_cells(number, column, row, expected):
    assert paper.value(number, column, **row) == expected


def test_every_model_is_named_the_same_everywhere():
    for number in paper.TABLES:
        assert set(paper.table(number)["model"]) <= {*paper.MODELS, "Average"}
    assert set(paper.load().pope_adversarial["model"]) == set(paper.MODELS)


def test_tables_that_share_numbers_agree():
    for model in paper.MODELS:
        scr = paper.value(1, "hr", model=model, method="SCR")
        assert paper.value(3, "hr_scr", model=model, split="adversarial") == scr
        assert paper.value(4, "hr", model=model, variant="Two-Pass SCR") == scr
        vanilla = paper.value(1, "hr", model=model, method="Vanilla")
        assert paper.value(3, "hr_vanilla", model=model, split="adversarial") == vanilla


def test_printed_reductions_equal_the_differences():
    pope = paper.load().pope_adversarial.dropna(subset=["hr_reduction"])
    for row in pope.itertuples():
        vanilla = paper.value(1, "hr", model=row.model, method="Vanilla")
        assert row.hr_reduction == pytest.approx(vanilla - row.hr, abs=0.051)


def test_empty_cells_are_nan_and_copies_are_independent():
    assert np.isnan(paper.value(1, "hr_reduction", model="Qwen-VL", method="SCR"))
    mine = paper.table(5)
    mine.loc[0, "chair_s_scr"] = 99
    assert paper.value(5, "chair_s_scr", model="Chameleon-7B") == 7.1


def test_stated_values():
    assert paper.stated("norm_credit_r") == 0.72
    assert paper.stated("latency_oa_vcd") == 72
    with pytest.raises(DataError, match="unknown stated value 'norm_credit'; did you mean 'norm_credit_r'"):
        paper.stated("norm_credit")


def test_refusals():
    with pytest.raises(DataError, match="table 7: expected one of"):
        paper.table(7)
    with pytest.raises(DataError, match="table 1 has 9 rows"):
        paper.value(1, "hr", model="Qwen-VL")
    with pytest.raises(DataError, match="unknown column of table 3 'hr'"):
        paper.value(3, "hr", model="Qwen-VL")
