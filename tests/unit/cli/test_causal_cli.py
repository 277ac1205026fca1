import re

import pandas as pd
import pytest
from tiny import save_llava


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("tiny-llava"))


def test_causal_writes_findings_tables_and_figures(run, checkpoint, tmp_path):
    options = ("--tests", "prior", "--images", 4, "--pool", 12, "--work", tmp_path, "--out", tmp_path / "c")
    code, out, errors = run("causal", checkpoint, *options)
    assert (code, errors) == (0, [])
    assert out.startswith("prior: is a false yes driven by the background") and "scene prior" in out
    names = {path.name for path in (tmp_path / "c" / "prior").iterdir()}
    assert {"findings.csv", "prior.csv", "figure-prior.png", "records.parquet", "provenance.json"} <= names
    findings = pd.read_csv(tmp_path / "c" / "prior" / "findings.csv", comment="#")
    assert findings["name"].tolist() == ["scene prior", "SCR on prior"]
    before = (tmp_path / "c" / "prior" / "findings.csv").read_bytes()
    assert run("causal", checkpoint, *options)[0] == 0
    assert (tmp_path / "c" / "prior" / "findings.csv").read_bytes() == before


def test_choose_writes_settings_and_says_what_it_saw(run, checkpoint, tmp_path):
    code, out, errors = run(
        "choose", checkpoint, "--images", 4, "--work", tmp_path, "--out", tmp_path / "c.json"
    )
    assert (code, errors) == (0, [])
    assert "rule: lowest hallucination rate" in out and re.search(r"^\* lambda=", out, re.MULTILINE)
    assert {"c.json", "c-grid.csv", "c-grid.png"} <= {path.name for path in tmp_path.iterdir()}


def test_bad_arguments_give_one_line(run, checkpoint, tmp_path):
    code, _, errors = run("choose", checkpoint, "--split", "test", "--out", tmp_path / "c.json")
    assert code == 2 and errors[0].startswith(
        "error: split 'test': settings are chosen on validation scenes only"
    )
    code, _, errors = run("causal", checkpoint, "--tests", "dose,prio")
    assert code == 2 and "unknown causal test 'prio'; did you mean 'prior'" in errors[0]
    code, _, errors = run("causal", checkpoint, "--settings", tmp_path / "none.json")
    assert code == 2 and "not a file of chosen settings" in errors[0]
