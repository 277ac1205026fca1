"""`scr-lens figures` and `scr-lens report` on a stored synthetic run."""

from pathlib import Path

import pytest
from golden.synthetic_run import write_run
from typer.testing import CliRunner

from scr_lens.cli.app import app
from scr_lens.cli.report import trial_plan
from scr_lens.errors import ConfigError, DataError
from scr_lens.experiment import Plan
from scr_lens.model_reports import ModelReport, Order


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    write_run(path)
    return path


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_figures_are_drawn_and_what_is_missing_is_said(run, tmp_path):
    made = call("figures", "table-3", "figure-4b", "--run", run, "--out", tmp_path)
    assert made.exit_code == 1
    assert (tmp_path / "table-3.md").exists()
    assert "figure-4b: not drawn, needs condition gaussian-noise" in made.output
    assert call("figures", "table-3", "--run", run, "--out", tmp_path).exit_code == 0


def test_figures_are_listed():
    listed = call("figures", "--list").output
    assert "figure-4c" in listed
    assert "table-cost" in listed


def test_figures_need_a_run():
    with pytest.raises(ConfigError, match="no run to draw from; give --run"):
        CliRunner().invoke(app, ["figures"], catch_exceptions=False)


def test_a_trial_cuts_every_part_of_the_plan():
    assert trial_plan(None) is None
    plan = trial_plan(5)
    sizes = (plan.n_images, plan.n_ablation_images, plan.n_caption_images, plan.n_credit_questions)
    assert (*sizes, plan.n_choice_images) == (5,) * 5
    assert set(plan.causal.values()) == {5}
    full = Plan()
    assert trial_plan(100_000) == full and plan.lambdas == full.lambdas


def test_images_belong_to_all(run):
    with pytest.raises(ConfigError, match="--images belongs to --all"):
        CliRunner().invoke(app, ["report", str(run), "--images", "5"], catch_exceptions=False)


def test_report_needs_a_run_or_all(run):
    for arguments in (["report"], ["report", str(run), "--all"]):
        with pytest.raises(ConfigError, match="give either a run to report on or --all"):
            CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_all_prints_the_reports_in_order_and_then_the_index(tmp_path, monkeypatch):
    asked = []

    def report_models(models, order, *, jobs, say, show):
        asked.append((models, order, jobs))
        for name in models:
            say(f"{name}: pope")
            show(name, "pope: 1%")
            yield ModelReport(name=name, page=order.out / name / "report.html", reported=name, note="")

    monkeypatch.setattr("scr_lens.model_reports.report_models", report_models)
    monkeypatch.setattr(
        "scr_lens.report.write_index", lambda reports, notes, out: out / "-".join(reports.values())
    )
    options = [
        "--model",
        "b",
        "--model",
        "a",
        "--jobs",
        "2",
        "--out",
        tmp_path,
        "--runs",
        "r",
        "--world",
        "w",
    ]
    made = call("report", "--all", *options)
    pages = [tmp_path / name / "report.html" for name in ("b", "a")]
    assert made.stdout.splitlines() == [*map(str, pages), str(tmp_path / "b-a")]
    assert made.stderr.splitlines() == ["b: pope", "a: pope"]
    assert asked == [(["b", "a"], Order(out=tmp_path, runs=Path("r"), world=Path("w")), 2)]


def test_an_unknown_model_is_named_before_anything_is_begun(tmp_path):
    folders = [f"--{name}={tmp_path / name}" for name in ("out", "runs", "world")]
    arguments = ["report", "--all", "--model", "llava-small", "--model", "llava-smal", *folders]
    with pytest.raises(DataError, match=r"^unknown organism 'llava-smal'; did you mean 'llava-small'[^\n]*$"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
