"""Reports of several models: side by side as one after the other."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_organism import save_organism

from scr_lens import model_reports
from scr_lens.errors import ConfigError, DataError, StoreError
from scr_lens.evidence.evidence import ABLATIONS, CAPTIONS, CONTROLS, POPE
from scr_lens.experiment import Plan, carry_out, experiment_folder
from scr_lens.model_reports import Order, report_models
from scr_lens.models import caveat, load
from scr_lens.report import write_report
from scr_lens.store import read_run
from scr_lens.store.lock import WriterLock

NAMES = ("tiny-a", "tiny-b")
PLAN = Plan(
    n_images=4,
    n_ablation_images=3,
    n_caption_images=2,
    n_credit_questions=2,
    lambdas=(),
    n_choice_images=0,
    causal={"prior": 4},
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(NAMES):
        torch.manual_seed(seed)
        save_organism("llava", folder / name)
    return tuple(str(folder / name) for name in NAMES)


def order_in(folder, plan=PLAN):
    return Order(out=folder / "out", runs=folder / "runs", world=folder / "world", plan=plan)


def rows(run):
    frame = read_run(run).drop(columns="wall_ms")
    return [repr({k: np.asarray(v).tolist() for k, v in row.items()}) for row in frame.to_dict("records")]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_bars_are_told_about_once_a_second(monkeypatch):
    told, now = [], iter([10.0, 10.4, 10.9, 11.0, 11.2])
    monkeypatch.setattr(model_reports.time, "monotonic", lambda: next(now))
    stream = model_reports._Bars(lambda bar: told.append(bar.text))
    for text in ("\rpope:   0%", "\rpope:  10%", "\r", "\rpope:  20%\rpope:  30%", "\rpope: 40%\n"):
        stream.write(text)
    assert told == ["pope:   0%", "pope:  30%"]


@pytest.mark.slow
def test_side_by_side_gives_what_one_after_the_other_gives(models, tmp_path):
    order, lines, bars = order_in(tmp_path / "both"), [], []
    made = list(report_models(models, order, jobs=2, say=lines.append, show=lambda *bar: bars.append(bar)))
    assert [report.name for report in made] == list(NAMES)
    assert {name for name, _ in bars} == set(NAMES)
    assert any("%" in bar and "row" in bar for _, bar in bars)
    for model, report in zip(models, made, strict=True):
        lens = load(model, device="cpu")
        assert report.note == caveat(lens) != ""
        alone = carry_out(model, tmp_path / "alone", PLAN, world=tmp_path / f"world-{report.name}", lens=lens)
        beside = experiment_folder(lens, order.runs)
        for part in (POPE, CONTROLS, ABLATIONS, CAPTIONS):
            assert rows(alone / part) == rows(beside / part)
        for table in sorted((alone / "tables").glob("*.parquet")):
            pd.testing.assert_frame_equal(
                pd.read_parquet(table), pd.read_parquet(beside / "tables" / table.name)
            )
        told = [line.removeprefix(f"{report.name}: ") for line in lines if line.startswith(report.name)]
        assert [line for line in told if ": " not in line] == [
            POPE, CONTROLS, ABLATIONS, CAPTIONS, "side tables", "causal test prior", "report", "done"
        ]  # fmt: skip
    write_report(beside, tmp_path / "again", note=report.note)
    assert contents(tmp_path / "again") == contents(made[1].page.parent)


def test_the_largest_model_is_begun_first_and_reports_keep_their_order(tmp_path, monkeypatch):
    sizes = {"small": 1, "large": 3, "middle": 2}
    monkeypatch.setattr(model_reports, "_n_parameters", sizes.__getitem__)
    begun = []
    monkeypatch.setattr(model_reports, "_side_by_side", lambda models, *_: begun.extend(models) or models)
    assert list(report_models(tuple(sizes), order_in(tmp_path), jobs=2)) == list(sizes)
    assert begun == ["large", "middle", "small"]


@pytest.mark.slow
def test_a_failing_model_stops_the_others_and_is_named(models, tmp_path):
    order = order_in(tmp_path)
    run = experiment_folder(load(models[1], device="cpu"), order.runs) / POPE
    run.mkdir(parents=True)
    held = WriterLock(run, "main")
    with pytest.raises(StoreError, match=r"^tiny-b: writer 'main' of .* is in use") as caught:
        list(report_models(models, order, jobs=2))
    held.release()
    assert str(caught.value).endswith("(what was stored is kept, the other models were stopped)")
    assert not (order.out / "tiny-a").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_model_that_does_not_exist_is_named_before_any_work(models, tmp_path, jobs):
    order = order_in(tmp_path)
    with pytest.raises(DataError, match=r"^unknown organism 'absent'"):
        next(iter(report_models((models[0], "absent"), order, jobs=jobs)))
    assert list(tmp_path.iterdir()) == []


def test_two_models_of_one_name_are_refused(tmp_path):
    with pytest.raises(
        ConfigError, match="models 'a/tiny' and 'b/tiny' would both report to a folder 'tiny'"
    ):
        next(iter(report_models(("a/tiny", "b/tiny"), order_in(tmp_path))))


def test_a_single_model_gets_all_jobs_in_this_process_and_one_job_does_all_models(
    models, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        model_reports, "carry_out", lambda model, *_, **options: asked.append((model, options["jobs"]))
    )
    monkeypatch.setattr(model_reports, "write_report", lambda *_, **__: None)
    order, lines = order_in(tmp_path), []
    twice = [models[0], models[0]]
    made = list(report_models(twice, order, jobs=3, say=lines.append))
    assert asked == [(models[0], 3)]
    assert lines == [f"{models[0]}: running what is missing"]
    assert [(one.name, one.page) for one in made] == [("tiny-a", order.out / "tiny-a" / "report.html")]
    assert [one.name for one in report_models(models, order)] == list(NAMES)
    assert asked[1:] == [(model, 1) for model in models]


def test_gpus_take_turns(monkeypatch):
    assert model_reports._device(0) is None or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [model_reports._device(number) for number in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
