import numpy as np
import pandas as pd
import pytest
import torch
from tiny import noise_image

from scr_lens import run as run_module
from scr_lens.analysis.entropy import credit_entropy
from scr_lens.comparison import baseline_pass, diagnostic_capture, treatment
from scr_lens.config import DiagnosticConfig, ScrConfig
from scr_lens.errors import ConfigError, DataError
from scr_lens.pictures import read_image
from scr_lens.questions import Condition, Question, standard_conditions
from scr_lens.run import run_questions
from scr_lens.store import COMPARED_COLUMNS, RunStore, read_run
from scr_lens.trace import Sample, run_pass

CONFIG = ScrConfig(lambda_=1.5, n_sources=3)
CONDITIONS = standard_conditions(["vanilla", "scr", "uniform-smooth", "identity"], CONFIG)
ASKED = {"dog": "is there a dog ?", "red ball": "is there a red ball in the picture ?"}


@pytest.fixture
def questions(tmp_path):
    made = []
    for k in range(3):
        path = tmp_path / f"image{k}.png"
        noise_image(k).save(path)
        made += [
            Question(image=path, image_id=path.name, text=text, object=name, label="yes", splits=("random",))
            for name, text in ASKED.items()
        ]
    return made


def compared(run) -> pd.DataFrame:
    return read_run(run)[list(COMPARED_COLUMNS)]


def assert_same(first: pd.DataFrame, second: pd.DataFrame) -> None:
    assert len(first) == len(second)
    for column in first:
        for a, b in zip(first[column], second[column], strict=True):
            same = (
                np.array_equal(a, b) if isinstance(a, np.ndarray) else (a == b or (pd.isna(a) and pd.isna(b)))
            )
            assert same, column


def test_rows_hold_what_single_passes_give(lens, questions, tmp_path):
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS, store, benchmark="b", batch_size=4)
    assert (summary.planned, summary.done, summary.failed) == (24, 24, {})
    frame = read_run(tmp_path / "run").set_index(["image_id", "object", "condition"])
    question = questions[3]
    image, digest = read_image(question.image)
    batch = lens.prepare(Sample(image, question=question.text))
    capture = diagnostic_capture(lens, DiagnosticConfig())
    baseline = baseline_pass(lens, batch, (f"{digest}/{batch.prompts[0]}",), capture)
    for condition in CONDITIONS:
        row = frame.loc[(question.image_id, question.object, condition.name)]
        record = run_pass(lens, batch, capture, treatment(baseline, condition.method, CONFIG)).samples[0]
        answer = record.yes_no(lens)
        assert row.p_yes == pytest.approx(answer.p_yes, abs=1e-5) and row.answer == answer.answer
        assert np.allclose(row.attention, record.attention.mean(0), atol=1e-6)
        assert np.allclose(row.resid_norm, record.resid_norm, rtol=2e-3)
        assert np.allclose(
            row.entropy_norm_nats, credit_entropy(record.resid_norm.numpy(), normalize=False), atol=1e-5
        )
        assert row.prompt == batch.prompts[0] and row.image_sha256 == digest
    vanilla, identity = (frame.xs(name, level="condition").sort_index() for name in ("vanilla", "identity"))
    assert np.array_equal(vanilla.p_yes, identity.p_yes)
    assert not np.allclose(vanilla.p_yes, frame.xs("scr", level="condition").sort_index().p_yes, atol=1e-4)


def test_a_finished_run_is_not_run_again(lens, questions, tmp_path, monkeypatch):
    with RunStore.create(tmp_path / "run") as store:
        run_questions(lens, questions, CONDITIONS, store, benchmark="b")
    monkeypatch.setattr(run_module, "baseline_pass", None)
    with RunStore.open(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS, store, benchmark="b")
    assert (summary.done, summary.stored_before) == (0, 24)


def test_an_interrupted_run_resumes_to_the_same_store(lens, questions, tmp_path, monkeypatch):
    with RunStore.create(tmp_path / "whole") as store:
        run_questions(lens, questions, CONDITIONS, store, benchmark="b", batch_size=2)
    plain, calls = run_module.baseline_pass, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(run_module, "baseline_pass", stopping)
    with pytest.raises(KeyboardInterrupt), RunStore.create(tmp_path / "parts") as store:
        run_questions(lens, questions, CONDITIONS, store, benchmark="b", batch_size=2)
    assert len(read_run(tmp_path / "parts")) == 8
    with RunStore.open(tmp_path / "parts") as store:
        summary = run_questions(lens, questions, CONDITIONS, store, benchmark="b", batch_size=2)
    assert summary.stored_before == 8
    assert_same(compared(tmp_path / "whole"), compared(tmp_path / "parts"))


def test_a_new_condition_adds_its_rows_only(lens, questions, tmp_path):
    with RunStore.create(tmp_path / "run") as store:
        run_questions(lens, questions, CONDITIONS[:1], store, benchmark="b")
        summary = run_questions(lens, questions, CONDITIONS[:2], store, benchmark="b")
    assert (summary.done, summary.stored_before) == (6, 6)


def test_a_broken_image_is_recorded_and_the_run_goes_on(lens, questions, tmp_path):
    content = questions[2].image.read_bytes()
    questions[2].image.write_bytes(content[: len(content) // 2])
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS[:2], store, benchmark="b")
    assert list(summary.failed) == ["image1.png"] and "cannot be decoded" in summary.failed["image1.png"]
    frame = read_run(tmp_path / "run")
    assert frame.status.value_counts().to_dict() == {"ok": 8, "failed": 4}
    assert set(frame[frame.status == "failed"].image_id) == {"image1.png"}
    assert summary.done == 8 and summary.stored_before == 0


def test_out_of_memory_halves_the_batch(lens, questions, tmp_path, monkeypatch):
    with RunStore.create(tmp_path / "whole") as store:
        run_questions(lens, questions, CONDITIONS, store, benchmark="b", batch_size=1)
    plain, sizes = run_module.baseline_pass, []

    def small_memory(lens, batch, *rest):
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("no")
        return plain(lens, batch, *rest)

    monkeypatch.setattr(run_module, "baseline_pass", small_memory)
    with RunStore.create(tmp_path / "halved") as store:
        summary = run_questions(lens, questions, CONDITIONS, store, benchmark="b", batch_size=4)
    assert sizes[:3] == [4, 2, 1] and summary.done == 24
    assert_same(compared(tmp_path / "whole"), compared(tmp_path / "halved"))


def test_conditions_need_names_of_their_own(lens, questions, tmp_path):
    twice = [Condition(name="scr", method="scr"), Condition(name="scr", method="scr", config=CONFIG)]
    with RunStore.create(tmp_path / "run") as store, pytest.raises(DataError, match="names must differ"):
        run_questions(lens, questions, twice, store, benchmark="b")
    with pytest.raises(ConfigError, match="did you mean 'scr'"):
        Condition(name="x", method="sccr")


def test_unreadable_images_say_why(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "absent.png")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(DataError, match="not an image"):
        read_image(tmp_path / "text.png")
