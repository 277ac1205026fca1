"""Decoding methods as conditions of a run: the answers of direct calls, the guarantees of other methods."""

from types import SimpleNamespace

import numpy as np
import pytest
from asked import asked_alone, make_questions, make_requests

from scr_lens import answering, measurement
from scr_lens.answering import answer
from scr_lens.comparison import baseline_pass, diagnostic_capture
from scr_lens.config import DiagnosticConfig, ScrConfig
from scr_lens.decoding import decode, decode_yes_no, make_decoder
from scr_lens.decoding.one_pass_scr import OnePassScr
from scr_lens.decoding.sampling import Sampling
from scr_lens.errors import ConfigError
from scr_lens.measurement import WrittenAnswers, YesNoAnswers
from scr_lens.one_pass import PredictorConfig, SourcePredictor, save_predictor
from scr_lens.one_pass.training import TrainingReport
from scr_lens.questions import Condition, diagnostic_of, standard_conditions
from scr_lens.run import run_questions
from scr_lens.store import RunStore, read_run
from scr_lens.trace import generate, run_pass

SCR = ScrConfig(lambda_=1.5, n_sources=3)
VCD = Condition(name="noisy", method="vcd", config=make_decoder("vcd", {"alpha": 2.0, "seed": 3}))
OPERA = Condition(name="opera", method="opera", config=make_decoder("opera", {"beams": 2, "candidates": 2}))


@pytest.fixture
def questions(tmp_path):
    return make_questions(tmp_path, 2)


@pytest.fixture
def requests(questions):
    return make_requests(questions)


def test_yes_no_rows_are_what_the_method_says_alone(lens, questions, tmp_path):
    conditions = (VCD, OPERA, *standard_conditions(["vanilla"]))
    with RunStore.create(tmp_path / "run") as store:
        summary = run_questions(lens, questions, conditions, store, benchmark="b", batch_size=3)
    assert (summary.done, summary.failed) == (12, {})
    frame = read_run(tmp_path / "run").set_index(["image_id", "object", "condition"])
    for question in questions:
        vanilla = frame.loc[(question.image_id, question.object, "vanilla")]
        for condition in (VCD, OPERA):
            row = frame.loc[(question.image_id, question.object, condition.name)]
            expected = decode_yes_no(lens, asked_alone(lens, question), condition.config)[0]
            assert row.answer == expected.answer
            assert row.p_yes == pytest.approx(expected.p_yes, abs=1e-5)
            assert row.p_no == pytest.approx(expected.p_no, abs=1e-5)
            assert np.array_equal(row.resid_norm, vanilla.resid_norm)  # the prompt is read untouched
            assert row.sources is None and row.wall_ms > 0
            assert f'"method": "{condition.method}"' in row.config_json
    assert not np.allclose(frame.xs("noisy", level=2).p_yes, frame.xs("vanilla", level=2).p_yes, atol=1e-3)


def test_captions_are_what_the_method_decodes_alone(lens, requests, tmp_path):
    with RunStore.create(tmp_path / "run") as store:
        run_questions(
            lens, requests, (VCD, OPERA), store, benchmark="c", measurement=WrittenAnswers(4), batch_size=2
        )
    frame = read_run(tmp_path / "run").set_index(["image_id", "condition"])
    for request in requests:
        for condition in (VCD, OPERA):
            row = frame.loc[(request.image_id, condition.name)]
            expected = decode(lens, asked_alone(lens, request), condition.config, 4)[0]
            assert row.answer_text == expected.text != ""
            assert '"max_new_tokens": 4' in row.config_json


def test_what_is_stored_is_not_decoded_again(lens, questions, tmp_path, monkeypatch):
    conditions = (VCD, *standard_conditions(["vanilla"]))
    with RunStore.create(tmp_path / "run") as store:
        run_questions(lens, questions[:3], conditions, store, benchmark="b")
    asked, plain = [], measurement.decode_yes_no

    def counted(lens, batch, decoder):
        asked.extend(batch.prompts)
        return plain(lens, batch, decoder)

    monkeypatch.setattr(measurement, "decode_yes_no", counted)
    for expected in (1, 0):
        with RunStore.open(tmp_path / "run") as store:
            run_questions(lens, questions, conditions, store, benchmark="b")
        assert len(asked) == expected
        asked.clear()
    other = Condition(name="noisy", method="vcd", config=make_decoder("vcd", {"alpha": 2.0, "seed": 4}))
    with RunStore.open(tmp_path / "run") as store:  # another seed is another measurement
        assert run_questions(lens, questions, (other,), store, benchmark="b").done == 4


def saved(lens, folder, seed):
    predictor = SourcePredictor(PredictorConfig(d_model=lens.d_model, seed=seed)).eval()
    report = TrainingReport(n_maps=1, n_held_out=1, loss=0.0, recall=0.0, chance=0.0)
    return save_predictor(predictor, report, lens, folder)


def test_one_pass_scr_runs_as_an_edit_with_its_plans(lens, questions, requests, tmp_path):
    folder = saved(lens, tmp_path / "predictor", 1)
    decoder = OnePassScr(scr=SCR, predictor=str(folder))
    condition = Condition(name="one-pass-scr", method="one-pass-scr", config=decoder)
    with RunStore.create(tmp_path / "run") as store:
        run_questions(lens, questions, (condition,), store, benchmark="b")
        run_questions(lens, requests, (condition,), store, benchmark="c", measurement=WrittenAnswers(4))
    frame = read_run(tmp_path / "run").set_index("image_id")
    question = questions[0]
    row = frame[frame.object == question.object].loc[question.image_id]
    batch = asked_alone(lens, question)
    edit = decoder.as_intervention(lens, batch)
    record = run_pass(lens, batch, diagnostic_capture(lens, DiagnosticConfig()), edit).samples[0]
    assert row.sources.tolist() == edit.plans[0].sources.tolist() and len(row.sources) == 3
    assert np.allclose(row.resid_norm, record.resid_norm, rtol=2e-3)
    assert row.p_yes == pytest.approx(record.yes_no(lens).p_yes, abs=1e-5)
    batch = asked_alone(lens, requests[1])
    expected = generate(lens, batch, decoder.as_intervention(lens, batch), max_new_tokens=4)[0].text
    assert frame.loc["1"].answer_text == expected
    saved(lens, tmp_path / "predictor", 2)
    with RunStore.open(tmp_path / "run") as store:  # another predictor under the same name
        assert run_questions(lens, questions, (condition,), store, benchmark="b").done == 4


def test_a_missing_predictor_stops_the_run_before_it_starts(lens, questions, tmp_path):
    condition = Condition(name="one-pass-scr", method="one-pass-scr", config=OnePassScr())
    with (
        RunStore.create(tmp_path / "run") as store,
        pytest.raises(ConfigError, match="no one-pass predictor"),
    ):
        run_questions(lens, questions, (condition,), store, benchmark="b")


def test_sampling_goes_through_the_decode_loop(lens, requests, tmp_path):
    folder = saved(lens, tmp_path / "predictor", 1)
    decoder = OnePassScr(scr=SCR, predictor=str(folder), sampling=Sampling(temperature=3.0), seed=5)
    condition = Condition(name="drawn", method="one-pass-scr", config=decoder)
    with RunStore.create(tmp_path / "run") as store:
        run_questions(lens, requests, (condition,), store, benchmark="c", measurement=WrittenAnswers(4))
    texts = read_run(tmp_path / "run").set_index("image_id").answer_text
    assert texts["0"] == decode(lens, asked_alone(lens, requests[0]), decoder, 4)[0].text


def test_maps_are_those_of_the_first_redistribution():
    wanted = DiagnosticConfig(queries="last")
    scr = Condition(name="scr", method="scr", config=ScrConfig(diagnostic=wanted))
    assert diagnostic_of((VCD, scr)) == wanted
    assert diagnostic_of((VCD,)) == DiagnosticConfig()


def test_time_covers_the_answer_only(lens, questions, monkeypatch):
    clock = [0.0]

    def costing(seconds, function):
        def called(*arguments, **options):
            clock[0] += seconds
            return function(*arguments, **options)

        return called

    batch = asked_alone(lens, questions[0])
    baseline = baseline_pass(lens, batch, ("k",), diagnostic_capture(lens, DiagnosticConfig()))
    monkeypatch.setattr(answering, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(answering, "treatment", costing(1000, answering.treatment))
    monkeypatch.setattr(answering, "treated_pass", costing(100, answering.treated_pass))
    monkeypatch.setattr(measurement, "generate", costing(10, measurement.generate))
    monkeypatch.setattr(measurement, "decode", costing(1, measurement.decode))
    monkeypatch.setattr(measurement, "decode_yes_no", costing(1, measurement.decode_yes_no))
    vanilla, scr = standard_conditions(["vanilla", "scr"], SCR)
    taken = {
        (c.name, kind.reads_pass): answer(baseline, c, kind, 7.0).seconds
        for c in (vanilla, scr, VCD)
        for kind in (YesNoAnswers(), WrittenAnswers(2))
    }
    assert taken == {
        ("vanilla", True): 1007, ("vanilla", False): 1010, ("scr", True): 1100, ("scr", False): 1010,
        ("noisy", True): 1, ("noisy", False): 1,
    }  # fmt: skip
