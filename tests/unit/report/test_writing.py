"""A report of a small real run, end to end."""

import json

import pandas as pd
import pytest
from tiny import noise_image

from scr_lens.config import ScrConfig
from scr_lens.questions import Question, standard_conditions
from scr_lens.report import write_index, write_report
from scr_lens.run import run_questions
from scr_lens.store import RunStore, read_run

TITLE = "<script>x</script>.png"


@pytest.fixture(scope="module")
def run(lens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    questions = []
    for k in range(12):
        path = folder / f"image{k}.png"
        noise_image(k).save(path)
        name = TITLE if k == 0 else path.name
        for thing in ("dog", "cat", "red ball"):
            label = "yes" if (k + len(thing)) % 2 else "no"
            text = f"is there a {thing} ?"
            questions.append(
                Question(image=path, image_id=name, text=text, object=thing, label=label, splits=("random",))
            )
    conditions = standard_conditions(["vanilla", "scr"], ScrConfig(lambda_=1.5, n_sources=3))
    with RunStore.create(folder / "run") as store:
        run_questions(lens, questions, conditions, store, benchmark="tiny", batch_size=18)
    return folder / "run"


@pytest.fixture(scope="module")
def report(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    return write_report(run, folder / "a", note="Only a test."), folder / "a"


def test_everything_is_written_twice_alike(run, report, tmp_path):
    _, first = report
    write_report(run, tmp_path, note="Only a test.")
    names = sorted(path.name for path in first.iterdir())
    assert {"report.html", "report.md", "claims.csv", "figure-2.png"} - set(names) <= {"figure-2.png"}
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_what_an_earlier_report_drew_and_this_one_cannot_is_removed(run, report, tmp_path):
    _, first = report
    for name in ("table-5.csv", "p4-strength.png", "causal-dose.png", "notes.txt", "mine.png"):
        (tmp_path / name).write_text("of another day")
    write_report(run, tmp_path, note="Only a test.")
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {path.name for path in first.iterdir()} | {"notes.txt", "mine.png"}


def test_every_claim_is_in_the_report(report):
    written, folder = report
    results = written.claims
    table = pd.read_csv(folder / "claims.csv")
    assert table["id"].tolist() == list(results)
    assert table.set_index("id").loc["SCR", "verdict"] == results["SCR"].outcome
    text = (folder / "report.md").read_text()
    assert "Only a test." in text
    assert "needs condition gaussian-noise; the run holds scr, vanilla" in text
    assert "the causal test 'dose': it was not run" in text
    page = (folder / "report.html").read_text()
    assert all(result.claim.split(" (")[0].split("'")[0] in page for result in results.values())
    assert "<script" not in page


@pytest.mark.parametrize(("revision", "cost"), [(None, "3.000 times"), ("another", "not measured")])
def test_a_comparison_beside_the_run_is_read_and_named(run, tmp_path, monkeypatch, revision, cost):
    monkeypatch.setattr("scr_lens.report.writing.PAPER_FIGURES", {})  # drawn above
    for name in ("experiment", "compare-tiny"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pope").symlink_to(run)
    info = read_run(run, ["model_id", "model_revision"]).iloc[0]
    facts = {"model": info["model_id"], "revision": revision or info["model_revision"], "left_out": {}}
    (tmp_path / "compare-tiny" / "comparison.json").write_text(json.dumps(facts))
    times = ["question,a q,vanilla,10,0", "question,a q,scr,30,0", "question,b q,vanilla,5,0"]
    lines = ["task,item,condition,ms,n_tokens", *times, "question,b q,scr,15,0", ""]
    (tmp_path / "compare-tiny" / "times.csv").write_text("\n".join(lines))
    found = write_report(tmp_path / "experiment", tmp_path / "out").claims
    text = (tmp_path / "out" / "report.md").read_text()
    assert found["cost"].measured == cost
    if revision is None:
        words = "compare-tiny lacks sid: add it with `scr-lens compare tiny`"
        assert found["against-sid"].caveats[0].endswith(words)
        assert "comparison compare-tiny, begun" in text
        row = next(line for line in text.splitlines() if line.startswith("| measured | tiny | Two-Pass SCR"))
        assert " | 15.0 | " in row  # of 20 and 10 ms more: the median
    else:
        assert "compare-tiny is of revision another, not " in found["cost"].caveats[0]
        assert "comparison compare-tiny, begun" not in text


def test_the_index_is_written_next_to_the_reports(report, tmp_path):
    written, _ = report
    path = write_index({"tiny": written}, {"tiny": "Only a test."}, tmp_path)
    assert path == tmp_path / "index.md"
    assert "tiny/report.md" in path.read_text()
    assert "not measured: the causal tests were not run on any model" in path.read_text()
    assert (tmp_path / "index.html").exists()
