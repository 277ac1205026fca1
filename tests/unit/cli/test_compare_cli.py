"""`scr-lens compare` on a tiny checkpoint: what is written, said and refused, and several processes."""

import re

import numpy as np
import pandas as pd
import pytest
from tiny import save_llava

from scr_lens import execute as execute_module
from scr_lens.evidence import read_evidence, with_comparison
from scr_lens.experiment.compare import compare
from scr_lens.experiment.comparison_plan import COMPARED, ComparisonPlan
from scr_lens.store import read_info, read_run

LEFT_OUT = tuple(name for name in COMPARED if name not in ("vanilla", "scr", "one-pass-scr"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare-cli")
    save_llava(folder / "tiny")
    return folder


def arguments(root, *more):
    without = [part for name in LEFT_OUT for part in ("--without", name)]
    sizes = ("--images", 4, "--caption-images", 2, "--timed", 2)
    folders = ("--runs", root / "runs", "--world", root / "world", "--out", root / "out", "--device", "cpu")
    return ("compare", root / "tiny", *sizes, *folders, *without, *more)


def test_compare_writes_its_tables_and_goes_on_where_it_stopped(run, root):
    code, out, errors = run(*arguments(root))
    assert (code, errors) == (0, [])
    assert re.search(
        r"^not in the comparison: one-pass-scr: .*train one with: scr-lens one-pass train", out, re.M
    )
    assert "not in the comparison: opera: left out on request" in out
    (folder,) = (root / "runs").iterdir()
    assert out.splitlines()[-2:] == [f"run: {folder}", str(root / "out" / "comparison.md")]
    beside = with_comparison(read_evidence(folder), root / "runs" / "experiment").comparison
    assert (beside.name, beside.n_images, beside.left_out["opera"]) == (folder.name, 4, "left out on request")
    assert set(beside.times["condition"]) == set(beside.answers["condition"]) == {"vanilla", "scr"}
    times = pd.read_csv(folder / "times.csv")
    assert times.groupby(["task", "condition"]).size().to_dict() == {
        (task, name): 2 for task in ("question", "caption") for name in ("vanilla", "scr")
    }
    cost = pd.read_csv(root / "out" / "table-4.csv", comment="#").query("source == 'measured'")
    asked = times[times.task == "question"].set_index(["item", "condition"]).ms.unstack()
    assert cost["latency_ms"].tolist() == pytest.approx(
        [np.mean(asked.scr - asked.vanilla)]
    )  # of two: median
    assert set(cost["timing"]) == {"`scr-lens compare`, each method alone, 2 questions"}
    stored = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, _ = run(*arguments(root))
    assert code == 0 and {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == stored


def test_bad_arguments_give_one_line(run, root):
    code, _, errors = run("compare", root / "tiny", "--without", "opra")
    assert code == 2 and len(errors) == 1
    assert "unknown method to leave out 'opra'; did you mean 'opera'?" in errors[0]


def rows(folder):
    frame = read_run(folder).drop(columns="wall_ms")
    return [repr({k: np.asarray(v).tolist() for k, v in row.items()}) for row in frame.to_dict("records")]


@pytest.mark.slow
def test_two_processes_store_the_rows_of_one(root, tmp_path, monkeypatch):
    for name in ("LEAST_CHUNKS", "LEAST_TEXT_CHUNKS"):
        monkeypatch.setattr(execute_module, name, 1)
    plan = ComparisonPlan(
        n_images=10, n_caption_images=2, max_new_tokens=3, n_timed=2, without=(*LEFT_OUT, "one-pass-scr")
    )
    one, two = (
        compare(str(root / "tiny"), tmp_path / str(jobs), plan, world=root / "world", jobs=jobs)
        for jobs in (1, 2)
    )
    writers = {path.name for path in (two.folder / "pope").glob("manifest-*")}
    assert writers == {"manifest-main.1.json", "manifest-main.2.json"}
    for part in ("pope", "captions"):
        assert rows(one.folder / part) == rows(two.folder / part)
        assert read_info(one.folder / part)["config"] == read_info(two.folder / part)["config"]
    assert [summary.failed for summary in two.summaries] == [{}, {}]
    assert set(zip(one.times.item, one.times.condition, strict=True)) == set(
        zip(two.times.item, two.times.condition, strict=True)
    )
