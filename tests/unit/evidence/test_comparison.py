"""The comparison beside a run: found by its revision, refused with a reason, never the run itself."""

import json

import pandas as pd
import pytest

from scr_lens.config import ScrConfig
from scr_lens.errors import StoreError
from scr_lens.evidence import read_evidence, with_comparison
from scr_lens.serialization import digest, to_dict
from scr_lens.store import RunStore

TIMES = "task,item,condition,ms,n_tokens\nquestion,a b,scr,{},0\n"


def write_pope(folder, *, names=("vanilla", "scr"), revision="r1", n_images=2, dtype="float32", scr=None):
    """One question per image and condition."""
    rows = [
        {
            "model_id": "tiny", "model_revision": revision, "processor_digest": "p", "dtype": dtype,
            "attn_implementation": "sdpa", "benchmark": "b", "splits": ["adversarial"],
            "image_id": f"{image}.png", "image_sha256": f"{image:064x}", "question": "Is there a dog?",
            "prompt": "<image> dog", "object": "dog", "label": "no", "condition": name,
            "config_digest": digest(scr or ScrConfig()),
            "config_json": json.dumps(to_dict(scr or ScrConfig())), "status": "ok", "answer": "no",
        }
        for image in range(n_images)
        for name in names
    ]  # fmt: skip
    with RunStore.create(folder / "pope") as store:
        store.append(rows)


def write_comparison(folder, *, model="tiny", told=None, times=None, left_out=None, **rows):
    write_pope(folder, names=("vanilla", "scr", "opera"), **rows)
    facts = {"model": model, "revision": told or rows.get("revision", "r1"), "left_out": left_out or {}}
    (folder / "comparison.json").write_text(json.dumps(facts))
    if times is not None:
        (folder / "times.csv").write_text(TIMES.format(times))


def looked_for(folder):
    return with_comparison(read_evidence(folder), folder)


@pytest.fixture
def experiment(tmp_path):
    write_pope(tmp_path / "experiment")
    return tmp_path / "experiment"


def test_the_comparison_of_the_same_revision_is_found_with_its_facts(experiment, tmp_path):
    write_comparison(tmp_path / "compared", n_images=3, left_out={"vcd": "left out on request"}, times=5.0)
    evidence = looked_for(experiment)
    found = evidence.comparison
    assert (found.name, found.n_images, found.left_out) == ("compared", 3, {"vcd": "left out on request"})
    made = json.loads((tmp_path / "compared" / "pope" / "run.json").read_text())["created_utc"]
    assert found.begun == made.split("T")[0]
    assert set(found.answers["condition"]) == {"vanilla", "scr", "opera"}
    assert set(evidence.answers["condition"]) == {"vanilla", "scr"} and len(evidence.answers) == 4
    assert evidence.times is found.times and found.times["ms"].tolist() == [5.0]
    assert evidence.no_comparison == ""


def test_of_several_the_one_of_most_images_is_taken_and_own_times_are_kept(experiment, tmp_path):
    for name, n_images in {"a": 3, "b": 4, "c": 2}.items():
        write_comparison(tmp_path / name, n_images=n_images, times=n_images)
    (experiment / "times.csv").write_text(TIMES.format(99.0))
    evidence = looked_for(experiment)
    assert evidence.comparison.name == "b"
    assert evidence.times["ms"].tolist() == [99.0]


def test_without_one_it_is_said(experiment, tmp_path):
    write_pope(tmp_path / "another-run")
    evidence = looked_for(experiment)
    assert (evidence.comparison, evidence.times) == (None, None)
    assert evidence.no_comparison == "no comparison lies beside the run"
    assert read_evidence(experiment).no_comparison == ""


def test_another_revision_is_refused_and_another_model_not_told(experiment, tmp_path):
    write_comparison(tmp_path / "old", revision="0123456789", times=5.0)
    write_comparison(tmp_path / "other", model="folder/chameleon", revision="r9")
    evidence = looked_for(experiment)
    assert (evidence.comparison, evidence.times) == (None, None)
    assert evidence.no_comparison == "old is of revision 01234567, not r1"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"told": "r1", "revision": "r2"}, "x is of revision r2 and not r1"),
        ({"dtype": "bfloat16"}, "x is of dtype bfloat16 and not float32"),
        ({"scr": ScrConfig(lambda_=1.3)}, "x ran scr, vanilla with other settings"),
    ],
)
def test_rows_must_be_of_the_same_kind_too(experiment, tmp_path, rows, reason):
    write_comparison(tmp_path / "x", **rows)
    evidence = looked_for(experiment)
    assert (evidence.comparison, evidence.no_comparison) == (None, reason)


def test_a_comparison_is_not_its_own(tmp_path):
    write_comparison(tmp_path / "x", times=5.0)
    evidence = looked_for(tmp_path / "x")
    assert evidence.comparison is None and isinstance(evidence.times, pd.DataFrame)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"model": "tiny"}', '{"model": "a", "revision": "b", "left_out": 1}']
)
def test_damaged_facts_are_refused(experiment, tmp_path, text):
    write_comparison(tmp_path / "x")
    (tmp_path / "x" / "comparison.json").write_text(text)
    with pytest.raises(StoreError, match=r"cannot read .*x/comparison.json .*run `scr-lens compare` again"):
        looked_for(experiment)
