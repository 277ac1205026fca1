import json
from pathlib import Path

import pytest

from scr_lens.errors import ConfigError, DataError
from scr_lens.metrics.mme import COGNITION, PERCEPTION, MmeAnswer, mme_score, read_answer


def answers(*pairs: tuple[str, str]) -> list[MmeAnswer]:
    """Answers to the yes question and the no question of one image per pair."""
    return [
        MmeAnswer(image=f"{index}.jpg", question=f"Q{label}?", label=label, answer=answer)  # type: ignore[arg-type]
        for index, pair in enumerate(pairs)
        for label, answer in zip(("yes", "no"), pair, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "official", "strict"),
    [
        *(
            ("Yes", "yes", "yes"),
            ("NO", "no", "no"),
            ("yes and no", "yes", "other"),
            ("  Yes", "other", "yes"),
        ),
        *(
            ("There is no", "other", "no"),
            ("Nothing", "no", "other"),
            ("", "other", "other"),
            ("  no", "no", "no"),
        ),
        *(("I know", "other", "other"), ("No.", "no", "no")),
    ],
)
def test_reading_an_answer(text: str, official: str, strict: str) -> None:
    assert read_answer(text, "official") == official
    assert read_answer(text, "strict") == strict


def test_scores_by_hand() -> None:
    score = mme_score({"count": answers(("Yes", "No"), ("Yes", "Yes"), ("well", "No"))})
    task = score.tasks["count"]
    assert (task.n, task.n_other) == (6, 1)
    assert task.accuracy == pytest.approx(400 / 6)
    assert task.accuracy_plus == pytest.approx(100 / 3)
    assert task.score == pytest.approx(100)
    assert (score.perception, score.hallucination) == (None, None)
    assert "count" not in score.missing
    assert len(score.missing) == 13


def test_always_yes_gives_fifty_and_all_right_gives_two_hundred() -> None:
    everything = dict.fromkeys(PERCEPTION + COGNITION, answers(("Yes", "Yes")))
    assert mme_score(everything).perception == 500
    right = mme_score(dict.fromkeys(PERCEPTION + COGNITION, answers(("Yes", "No"))))
    assert (right.perception, right.cognition, right.hallucination) == (2000, 800, 800)
    assert right.missing == ()
    assert json.loads(json.dumps(right.to_dict()))["tasks"]["OCR"]["score"] == 200


def test_errors() -> None:
    with pytest.raises(DataError, match=r"unknown MME task 'counting'; did you mean 'count'\?"):
        mme_score({"counting": answers(("Yes", "No"))})
    with pytest.raises(DataError, match="task 'count' has 3 answers; expected two per image"):
        mme_score({"count": answers(("Yes", "No"), ("Yes", "No"))[:3]})
    with pytest.raises(DataError, match="task 'count' has 0 answers"):
        mme_score({"count": []})
    shifted = answers(("Yes", "No"), ("Yes", "No"), ("Yes", "No"))[1:5]
    with pytest.raises(DataError, match=r"answers about '0.jpg' and '1.jpg' stand where two of one image"):
        mme_score({"count": shifted})
    with pytest.raises(ConfigError, match="unknown rule 'lax'"):
        mme_score({"count": answers(("Yes", "No"))}, "lax")  # type: ignore[arg-type]


def test_answers_of_the_reference_file(real_data: Path) -> None:
    cases = json.loads((real_data / "reference/pope_parsers.json").read_text())["cases"]
    expected = cases["parsed"]["mme_official_parse_pred_ans_on_lowercased_field"]
    assert [read_answer(text, "official") for text in cases["answers"]] == expected
