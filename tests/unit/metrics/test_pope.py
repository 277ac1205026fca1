"""POPE scores against counting by hand and against the official script's numbers."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scr_lens.analysis.hallucination import summary_row
from scr_lens.errors import DataError
from scr_lens.metrics import pope_metrics, pope_metrics_from_probabilities, score_answers, score_files

LABELS = ["yes", "yes", "yes", "no", "no", "no", "no", "yes"]
ANSWERS = ["yes", "no", "yes", "yes", "no", "no", "unparsed", "other"]


def write_lines(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def questions(n: int) -> list[dict[str, object]]:
    return [
        {"question_id": i + 1, "image": "a.jpg", "text": f"Is there a thing{i} in the image?", "label": "yes"}
        for i in range(n)
    ]


class TestPopeMetrics:
    def test_by_hand(self) -> None:
        m = pope_metrics(LABELS, ANSWERS)
        assert (m.n, m.tp, m.fp, m.tn, m.fn, m.n_unparsed) == (8, 2, 1, 2, 1, 2)
        assert m.accuracy == 4 / 8  # the two unparsed answers are errors
        assert m.precision == 2 / 3
        assert m.recall == 2 / 4  # an unparsed answer misses the object
        assert m.f1 == pytest.approx(4 / 7)
        assert m.yes_ratio == 3 / 8
        assert m.hallucination_rate == 1 / 4  # and is no hallucination, but its question was asked

    def test_arrays_and_series_are_as_good_as_lists(self) -> None:
        assert pope_metrics(np.array(LABELS), pd.Series(ANSWERS)) == pope_metrics(LABELS, ANSWERS)

    @given(st.lists(st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no", "unparsed"]))))
    def test_equals_brute_force(self, pairs: list[tuple[str, str]]) -> None:
        m = pope_metrics([a for a, _ in pairs], [b for _, b in pairs])
        absent = [b for a, b in pairs if a == "no"]
        n_present = len(pairs) - len(absent)
        expected = sum(b == "yes" for b in absent) / len(absent) if absent else None
        assert m.hallucination_rate == expected
        assert m.n == len(pairs) == m.tp + m.fp + m.tn + m.fn + m.n_unparsed
        assert m.accuracy == (sum(a == b for a, b in pairs) / len(pairs) if pairs else None)
        twice = m.tp + m.fp + n_present
        assert m.f1 == (pytest.approx(2 * m.tp / twice) if twice else None)
        assert m.recall == (m.tp / n_present if n_present else None)

    @given(
        st.lists(
            st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no", "other"])), min_size=2
        )
    )
    def test_agrees_with_the_analysis_of_stored_records(self, pairs: list[tuple[str, str]]) -> None:
        labels, answers = zip(*pairs, strict=True)
        ours = pope_metrics(labels, answers)
        records = pd.DataFrame({"label": labels, "answer": answers, "image_id": range(len(pairs))})
        theirs = summary_row(records)
        for name in ("hallucination_rate", "accuracy", "precision", "recall", "f1", "yes_ratio"):
            value = getattr(ours, name)
            assert theirs[name] == pytest.approx(np.nan if value is None else value, nan_ok=True), name

    def test_undefined_ratios_are_none(self) -> None:
        m = pope_metrics([], [])
        assert [v for v in dataclasses.asdict(m).values() if v is not None] == [0, 0, 0, 0, 0, 0]
        only_absent = pope_metrics(["no"], ["no"])
        assert (only_absent.recall, only_absent.precision, only_absent.f1) == (None, None, None)
        assert only_absent.hallucination_rate == 0.0

    def test_f1_is_zero_when_nothing_present_is_confirmed(self) -> None:
        assert pope_metrics(["yes", "no"], ["no", "no"]).f1 == 0.0
        assert pope_metrics(["yes", "no"], ["no", "yes"]).f1 == 0.0

    def test_unequal_lengths_are_refused(self) -> None:
        with pytest.raises(DataError, match="2 labels but 1 predictions"):
            pope_metrics(["yes", "no"], ["yes"])

    @pytest.mark.parametrize("bad", ["Yes", "", None, True])
    def test_unknown_values_are_refused_with_their_place(self, bad: object) -> None:
        with pytest.raises(DataError, match=r"label 1 is .*; expected one of: yes, no"):
            pope_metrics(["yes", bad], ["yes", "yes"])  # type: ignore[list-item]
        with pytest.raises(DataError, match="prediction 0 is"):
            pope_metrics(["yes"], [bad])  # type: ignore[list-item]


class TestProbabilities:
    def test_threshold_and_nan(self) -> None:
        m = pope_metrics_from_probabilities(["yes", "no", "no", "yes"], np.array([0.9, 0.5, 0.51, np.nan]))
        assert (m.tp, m.tn, m.fp, m.n_unparsed) == (1, 1, 1, 1)

    def test_against_p_no(self) -> None:
        m = pope_metrics_from_probabilities(["yes", "no"], [0.2, 0.2], [0.1, 0.3])
        assert (m.tp, m.tn) == (1, 1)

    def test_threshold_moves_the_answers(self) -> None:
        labels, p = ["no"] * 10, np.linspace(0.05, 0.95, 10)
        rates = [
            pope_metrics_from_probabilities(labels, p, threshold=t).hallucination_rate
            for t in (0.0, 0.5, 1.0)
        ]
        assert rates == [1.0, 0.5, 0.0]

    def test_logits_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"p_yes 1 is 2\.5; expected a probability"):
            pope_metrics_from_probabilities(["yes", "no"], [0.5, 2.5])

    def test_unequal_lengths_are_refused(self) -> None:
        with pytest.raises(DataError, match="2 p_yes but 1 p_no"):
            pope_metrics_from_probabilities(["yes", "no"], [0.5, 0.5], [0.1])


class TestFiles:
    def test_both_answer_keys(self, tmp_path: Path) -> None:
        asked = write_lines(tmp_path / "q.json", questions(2))
        for key in ("answer", "text"):
            given_ = write_lines(tmp_path / "a.jsonl", [{key: "Yes"}, {key: "No"}])
            m = score_files(asked, given_)
            assert (m.tp, m.fn) == (1, 1)

    def test_rule_decides_about_unclear_answers(self, tmp_path: Path) -> None:
        asked = write_lines(tmp_path / "q.json", questions(2))
        given_ = write_lines(tmp_path / "a.jsonl", [{"answer": "Hmm"}, {"answer": ""}])
        assert score_files(asked, given_, "official").tp == 2
        assert score_files(asked, given_, "strict").n_unparsed == 2

    def test_length_mismatch_names_both_counts(self, tmp_path: Path) -> None:
        asked = write_lines(tmp_path / "q.json", questions(3))
        given_ = write_lines(tmp_path / "a.jsonl", [{"answer": "Yes"}] * 2)
        with pytest.raises(DataError, match=r"q\.json has 3 questions but .*a\.jsonl has 2 answers"):
            score_files(asked, given_)

    def test_answers_to_another_split_are_refused(self, tmp_path: Path) -> None:
        asked = write_lines(tmp_path / "q.json", questions(2))
        records = [{"prompt": "Is there a thing0 in the image?\nOne word.", "text": "Yes"}]
        records.append({"prompt": "Is there a cat in the image?\nOne word.", "text": "Yes"})
        with pytest.raises(DataError, match=r"a\.jsonl:2: answers 'Is there a cat .*q\.json:2 asks"):
            score_files(asked, write_lines(tmp_path / "a.jsonl", records))

    def test_answers_in_another_order_are_refused_by_their_ids(self, tmp_path: Path) -> None:
        labels = ["yes", "no", "no"]
        records = [{**q, "label": label} for q, label in zip(questions(3), labels, strict=True)]
        asked = write_lines(tmp_path / "q.json", records)
        # Ids as text, so that the same ids also show that 1 and "1" are one id. Right answers, all of them.
        told = [{"question_id": str(i), "answer": label} for i, label in enumerate(labels, 1)]
        ordered = write_lines(tmp_path / "ordered.jsonl", told)
        assert score_files(asked, ordered).accuracy == 1.0
        swapped = write_lines(tmp_path / "a.jsonl", [told[0], told[2], told[1]])
        with pytest.raises(DataError) as caught:
            score_files(asked, swapped)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path}/a.jsonl:2: question_id is '3' but {tmp_path}/q.json:2 has 2; ")
        assert "bring the answers into the order of the questions" in message and "\n" not in message
        # Both remedies of the message.
        by_id = sorted(map(json.loads, swapped.read_text().splitlines()), key=lambda a: int(a["question_id"]))
        assert score_files(asked, write_lines(tmp_path / "sorted.jsonl", by_id)).accuracy == 1.0
        bare = [{"answer": record["answer"]} for record in told]
        assert score_files(asked, write_lines(tmp_path / "bare.jsonl", bare)).accuracy == 1.0

    def test_answers_numbered_on_from_another_file_are_in_order(self, tmp_path: Path) -> None:
        asked = write_lines(tmp_path / "q.json", questions(3))
        for first in (0, 3001):
            told = [{"question_id": first + i, "answer": "Yes"} for i in range(3)]
            assert score_files(asked, write_lines(tmp_path / "a.jsonl", told)).tp == 3
        for ids in ([3001, 3003, 3002], ["x", "y", "z"], [1, 2, 4]):
            told = [{"question_id": i, "answer": "Yes"} for i in ids]
            with pytest.raises(
                DataError, match=r"a\.jsonl:[123]: question_id is .* has [123]; bring the answers"
            ):
                score_files(asked, write_lines(tmp_path / "a.jsonl", told))

    @pytest.mark.parametrize("given_", [{}, {"question_id": None}])
    def test_a_record_without_an_id_goes_by_its_place(
        self, tmp_path: Path, given_: dict[str, object]
    ) -> None:
        with_id, without = questions(1)[0], {k: v for k, v in questions(1)[0].items() if k != "question_id"}
        for question, answer in ((with_id, given_), (without | given_, {"question_id": 7})):
            asked = write_lines(tmp_path / "q.json", [question])
            told = write_lines(tmp_path / "a.jsonl", [{**answer, "answer": "Yes"}])
            assert score_files(asked, told).tp == 1

    def test_old_typo_in_either_file_is_the_same_question(self, tmp_path: Path) -> None:
        one = {"question_id": 1, "image": "a", "text": "Is there an owl in the imange?", "label": "no"}
        asked = write_lines(tmp_path / "q.json", [one])
        answer = {"question": "Is there an owl in the image?", "answer": "No"}
        assert score_files(asked, write_lines(tmp_path / "a.jsonl", [answer])).tn == 1

    def test_missing_answer_field_names_line(self, tmp_path: Path) -> None:
        asked = write_lines(tmp_path / "q.json", questions(2))
        given_ = write_lines(tmp_path / "a.jsonl", [{"answer": "Yes"}, {"reply": "No"}])
        with pytest.raises(
            DataError, match=r"a\.jsonl:2: field 'answer' or 'text' is missing .*present: reply"
        ):
            score_files(asked, given_)

    def test_bad_label_names_line(self, tmp_path: Path) -> None:
        asked = write_lines(tmp_path / "q.json", [*questions(1), {**questions(1)[0], "label": "maybe"}])
        given_ = write_lines(tmp_path / "a.jsonl", [{"answer": "Yes"}] * 2)
        with pytest.raises(DataError, match=r"q\.json:2: field 'label' is 'maybe'; expected 'yes' or 'no'"):
            score_files(asked, given_)


def test_real_llava_answers_give_the_official_numbers() -> None:
    root = os.environ.get("SCR_LENS_TEST_DATA")
    if not root:
        pytest.skip("SCR_LENS_TEST_DATA is not set: no real answers")
    folder = Path(root) / "pope"
    for release in ("coco", "coco_legacy_e3e3926"):
        m = score_files(
            folder / release / "coco_pope_adversarial.json",
            folder / "answers" / "llava-v1.5-13b_first3000.jsonl",
        )
        # Published with the data: HR 7.8, accuracy 85.5, FNR 21.2 (percent).
        assert (m.tp, m.fp, m.tn, m.fn) == (1182, 117, 1383, 318)
        assert m.hallucination_rate == 0.078
        assert m.accuracy == 0.855
        assert m.recall == 1 - 0.212


def test_score_answers_parses_then_counts() -> None:
    texts = ["Yes.", "It is not there", "maybe", "yes and no"]
    assert score_answers(["yes", "no", "no", "yes"], texts, "strict").n_unparsed == 3
    assert score_answers(["yes", "no", "no", "yes"], texts).fp == 1
