import json
import random

import pytest

from scr_lens.errors import DataError
from scr_lens.metrics.hallusionbench import (
    Correctness,
    HallusionItem,
    hallusionbench_score,
    parse_correctness,
)


def item(
    category: str, figure: str, question: str, visual_input: int = 1, label: bool = True
) -> HallusionItem:
    return HallusionItem(
        category=category,  # type: ignore[arg-type]
        subcategory="chart",
        set_id="0",
        figure_id=figure,
        question_id=question,
        visual_input=visual_input,
        label=label,
    )


def test_scores_by_hand() -> None:
    judged: list[tuple[HallusionItem, Correctness]] = [
        (item("VD", "0", "0"), 1),
        (item("VD", "0", "1"), 0),
        (item("VD", "1", "0", 2, label=False), 1),
        (item("VD", "1", "1", 2), 1),
        (item("VS", "0", "0", 0), 2),  # no image: not to know is right
        (item("VS", "1", "0", 1), 2),  # an image: it is not
    ]
    score = hallusionbench_score(judged)
    assert score.overall.a_acc == round(100 * 4 / 6, 4)
    assert (score.overall.n_figures, score.overall.f_acc) == (3, round(100 / 3, 4))
    assert (score.overall.n_groups, score.overall.q_acc) == (3, round(100 / 3, 4))
    assert score.overall.easy == round(100 / 3, 4)
    assert score.overall.hard == 100
    assert score.overall.inconsistent == round(100 / 3, 4)
    assert score.visual_dependent.q_acc == 50
    assert score.visual_supplement.f_acc == 0
    assert score.n_unclear == 2
    # right and label yes: 3; wrong and label no: 0 -> three times yes against five labels
    assert score.yes_bias == pytest.approx(-2 / 6)
    assert score.false_yes_share == 0


def test_random_answers_against_loops() -> None:
    generator = random.Random(1)
    items = [
        item(category, str(figure), str(question), min(figure, 2), generator.random() < 0.5)
        for category in ("VD", "VS")
        for figure in range(4)
        for question in range(5)
    ]
    codes = generator.choices([0, 1, 2], weights=[1, 6, 1], k=len(items))
    score = hallusionbench_score(zip(items, codes, strict=True)).overall  # type: ignore[arg-type]
    right = {
        one.key: code == 1 or (code == 2 and one.category == "VS" and one.figure_id == "0")
        for one, code in zip(items, codes, strict=True)
    }
    figures = [
        all(right[(category, "chart", "0", str(figure), str(question))] for question in range(5))
        for category in ("VD", "VS")
        for figure in range(4)
        if (category, figure) != ("VS", 0)
    ]
    groups = [
        all(right[(category, "chart", "0", str(figure), str(question))] for figure in range(4))
        for category in ("VD", "VS")
        for question in range(5)
    ]
    assert score.a_acc == round(100 * sum(right.values()) / 40, 4)
    assert score.f_acc == round(100 * sum(figures) / 7, 4)
    assert score.q_acc == round(100 * sum(groups) / 10, 4)
    assert 0 < score.f_acc < 100


@pytest.mark.parametrize(
    ("answer", "label", "expected"),
    [
        *(("Yes, it is.", True, 1), ("Yes, it is.", False, 0), ("no", False, 1), ("I cannot tell", True, 2)),
        *(("yes or no", True, 2), ("0", False, 1), (" 1 ", True, 1), ("2", True, 2), ("", False, 2)),
    ],
)
def test_reading_an_answer(answer: str, label: bool, expected: int) -> None:
    assert parse_correctness(answer, label) == expected


def test_nothing_to_count_is_none() -> None:
    score = hallusionbench_score([(item("VS", "0", "0", 0), 1)], "parser")
    assert score.overall.f_acc is None
    assert score.overall.hard is None
    assert score.visual_dependent.a_acc is None
    assert score.false_yes_share is None
    assert json.loads(json.dumps(score.to_dict()))["judge"] == "parser"


def test_errors() -> None:
    with pytest.raises(DataError, match="no answer to score"):
        hallusionbench_score([])
    with pytest.raises(DataError, match="question VD_chart_0_0_0 is answered twice"):
        hallusionbench_score([(item("VD", "0", "0"), 1), (item("VD", "0", "0"), 0)])
    with pytest.raises(DataError, match="correctness of VD_chart_0_0_0 is 3; expected 0 wrong"):
        hallusionbench_score([(item("VD", "0", "0"), 3)])  # type: ignore[list-item]
