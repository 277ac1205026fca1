import importlib
import linecache
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from asked import asked_alone, make_questions, make_requests
from families import family_twins
from tiny import noise_image

from scr_lens import answering
from scr_lens import run as run_module
from scr_lens.analysis.entropy import credit_entropy
from scr_lens.comparison import baseline_pass, diagnostic_capture, treated_pass, treatment
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.errors import ConfigError, DataError
from scr_lens.measurement import WrittenAnswers
from scr_lens.pictures import read_image
from scr_lens.questions import Condition, standard_conditions
from scr_lens.run import run_questions
from scr_lens.store import COMPARED_COLUMNS, RunStore, read_run
from scr_lens.trace import Sample, generate, run_pass

CONFIG = ScrConfig(lambda_=1.5, n_sources=3)
CONDITIONS = standard_conditions(["vanilla", "scr", "uniform-smooth", "identity"], CONFIG)


@pytest.fixture
def questions(tmp_path):
    return make_questions(tmp_path, 3)


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
    assert np.allclose(
        vanilla.p_yes, identity.p_yes, atol=1e-6
    )  # vanilla shares the image, identity does not
    assert not np.allclose(vanilla.p_yes, frame.xs("scr", level="condition").sort_index().p_yes, atol=1e-4)


def test_conditions_that_come_to_the_same_are_run_once(lens, questions, tmp_path, monkeypatch):
    written_out = ScrConfig(
        lambda_=1.5,
        n_sources=3,
        layers=LayerRange(0, lens.n_layers // 2 - 1),
        diagnostic=DiagnosticConfig(layers=LayerRange(lens.n_layers // 4, lens.n_layers // 2)),
    )
    stronger = replace(written_out, lambda_=1.6)
    conditions = [
        Condition(name="left open", method="scr", config=CONFIG),
        Condition(name="stronger", method="scr", config=stronger),
        Condition(name="written out", method="scr", config=written_out),
        Condition(name="of another method", method="uniform-smooth", config=written_out),
    ]
    passes = []

    def counted(baseline, intervention, capture):
        passes.append(intervention)
        return treated_pass(baseline, intervention, capture)

    with RunStore.create(tmp_path / "alone") as store:
        for condition in conditions:
            run_questions(lens, questions, [condition], store, benchmark="b")
    monkeypatch.setattr(answering, "treated_pass", counted)
    with RunStore.create(tmp_path / "run") as store:
        run_questions(lens, questions, conditions, store, benchmark="b")
    assert len(passes) == 3
    order = ["condition", "image_id", "object"]
    together, alone = (compared(tmp_path / name).sort_values(order) for name in ("run", "alone"))
    assert_same(together.reset_index(drop=True), alone.reset_index(drop=True))
    by_condition = read_run(tmp_path / "run").set_index(["image_id", "object"]).groupby("condition")["p_yes"]
    p_yes = {name: values.sort_index() for name, values in by_condition}
    assert p_yes["left open"].equals(p_yes["written out"])
    assert not p_yes["left open"].equals(p_yes["stronger"])
    assert not p_yes["left open"].equals(p_yes["of another method"])


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


def test_a_picture_that_the_processor_refuses_fails_alone(questions, tmp_path):
    noise_image(0, 900, 3).save(questions[2].image)  # Qwen2-VL takes sides that differ at most 200 times
    lens = family_twins("qwen2_vl").lens
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS[:1], store, benchmark="b")
    assert list(summary.failed) == ["image1.png"] and "aspect ratio" in summary.failed["image1.png"]
    frame = read_run(tmp_path / "run")
    assert set(frame[frame.status == "failed"].image_id) == {"image1.png"}
    assert frame.status.value_counts().to_dict() == {"ok": 4, "failed": 2}


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


def test_a_failed_row_is_tried_again(lens, questions, tmp_path):
    whole = questions[2].image.read_bytes()
    questions[2].image.write_bytes(b"")
    for _ in range(2):  # each call reports the failure; the row is on record once
        with RunStore.create(tmp_path / "run", exist_ok=True) as store:
            assert list(run_questions(lens, questions, CONDITIONS[:1], store, benchmark="b").failed) == [
                "image1.png"
            ]
        assert read_run(tmp_path / "run").status.tolist().count("failed") == 2
    questions[2].image.write_bytes(whole)
    with RunStore.open(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS[:1], store, benchmark="b")
    assert (summary.done, summary.failed) == (2, {})


def test_maps_that_are_not_finite_fail_their_own_row_only(lens, questions, tmp_path, monkeypatch):
    plain = answering.treated_pass

    def overflowing(*arguments):
        record = plain(*arguments)
        record.samples[1].resid_norm[2, 3] = float("nan")
        return record

    monkeypatch.setattr(answering, "treated_pass", overflowing)
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS[:2], store, benchmark="b")
    frame = read_run(tmp_path / "run")
    assert summary.done == 11 and len(summary.failed) == 1
    failed = frame[frame.status == "failed"]
    assert failed.condition.tolist() == ["scr"] and failed.p_yes.isna().all()
    assert failed.resid_norm.isna().all() and "finite" in failed.error.iloc[0]


def test_a_norm_too_large_for_the_store_fails_its_own_row_only(lens, questions, tmp_path, monkeypatch):
    plain = answering.treated_pass

    def large(*arguments):
        record = plain(*arguments)
        record.samples[0].resid_norm[0, 0] = 1e6
        return record

    monkeypatch.setattr(answering, "treated_pass", large)
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS[:2], store, benchmark="b")
    frame = read_run(tmp_path / "run")
    assert summary.done == 11 and "exceeds float16" in frame[frame.status == "failed"].error.item()


def test_a_question_that_no_model_takes_fails_alone(lens, questions, tmp_path):
    bad = replace(questions[3], text="is there a <image> ?")
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, [*questions[:3], bad], CONDITIONS[:2], store, benchmark="b")
    assert summary.done == 6 and "placeholder" in summary.failed[bad.image_id]
    failed = read_run(tmp_path / "run").query("status == 'failed'")
    assert set(failed.prompt) != {""} and len(failed) == 2


def test_one_picture_under_two_names_is_one_measurement(lens, questions, tmp_path):
    questions[2].image.write_bytes(questions[0].image.read_bytes())
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, questions, CONDITIONS[:1], store, benchmark="b")
    assert (summary.done, summary.failed) == (4, {})


def test_captions_are_what_generate_writes(lens, questions, tmp_path):
    asked = make_requests(questions)
    with RunStore.create(tmp_path / "run") as store:
        run_questions(
            lens, asked, CONDITIONS[:2], store, benchmark="c", measurement=WrittenAnswers(5), batch_size=2
        )
    frame = read_run(tmp_path / "run").set_index(["image_id", "condition"])
    batch = asked_alone(lens, asked[2])
    baseline = baseline_pass(lens, batch, ("k",), diagnostic_capture(lens, DiagnosticConfig()))
    for condition in CONDITIONS[:2]:
        row = frame.loc[("2", condition.name)]
        edit = treatment(baseline, condition.method, CONFIG)
        assert row.answer_text == generate(lens, batch, edit, max_new_tokens=5)[0].text != ""
        assert row.answer is None and row.label is None and row.question is None
        assert '"max_new_tokens": 5' in row.config_json
    texts = frame.answer_text.unstack()
    assert (texts.vanilla != texts.scr).any()
    with RunStore.open(tmp_path / "run") as store:  # another length is another measurement
        longer = run_questions(
            lens, asked, CONDITIONS[:1], store, benchmark="c", measurement=WrittenAnswers(6)
        )
    assert longer.done == 3


OWN = """
class Halve:
    def __init__(self, context):
        self.layers = context.layers
    def __call__(self, resid_post, layer):
        return resid_post * {factor}
"""


def test_an_own_method_runs_beside_the_others_and_its_code_is_in_the_key(
    lens, questions, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(tmp_path))
    answers = []
    for factor in ("0.5", "0.5  # same", "0.25"):
        (tmp_path / "own_method.py").write_text(OWN.format(factor=factor))
        importlib.invalidate_caches()
        sys.modules.pop("own_method", None)
        linecache.checkcache()
        own = Condition(name="own", method="own_method:Halve", config=CONFIG)
        with RunStore.create(tmp_path / "run", exist_ok=True) as store:
            summary = run_questions(lens, questions[:2], [CONDITIONS[0], own], store, benchmark="b")
        answers.append((summary.done, own.digest()))
    assert [done for done, _ in answers] == [4, 2, 2] and len({d for _, d in answers}) == 3
    frame = read_run(tmp_path / "run")
    own_rows = frame[frame.condition == "own"]
    assert own_rows.config_json.str.contains("source_sha256").all() and own_rows.sources.isna().all()
    batch = asked_alone(lens, questions[0])
    edit = sys.modules["own_method"].Halve(SimpleNamespace(layers=LayerRange(0, 1)))
    expected = (
        run_pass(lens, batch, diagnostic_capture(lens, DiagnosticConfig()), edit).samples[0].yes_no(lens)
    )
    rows = own_rows[(own_rows.object == questions[0].object) & (own_rows.config_digest == answers[-1][1])]
    assert rows.p_yes.item() == pytest.approx(expected.p_yes, abs=1e-6)
    monkeypatch.delitem(sys.modules, "own_method")


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
