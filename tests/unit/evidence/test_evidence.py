import json

import numpy as np
import pandas as pd
import pytest
from golden.synthetic_run import N_LAYERS, write_run

from scr_lens.config import LayerRange
from scr_lens.errors import StoreError
from scr_lens.evidence import read_evidence, score_captions, write_side_table
from scr_lens.evidence.evidence import first_steps
from scr_lens.evidence.times import TIMES
from scr_lens.store import RunStore, read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("evidence") / "run"
    write_run(path)
    return path


def test_a_plain_run_gives_sums_and_credit_by_the_map(run):
    evidence, rows = read_evidence(run), read_run(run)
    first = rows.iloc[0]
    assert np.allclose(evidence.answers["norm_sum"].iloc[0], first["resid_norm"].astype(float).sum(axis=1))
    assert "resid_norm" not in evidence.answers
    vanilla = rows[rows["condition"] == "vanilla"].iloc[3]
    credit = evidence.credit[
        (evidence.credit["image_id"] == vanilla["image_id"])
        & (evidence.credit["question"] == vanilla["question"])
    ]
    expected = [np.corrcoef(vanilla["resid_norm"][k], vanilla["attention"])[0, 1] for k in range(N_LAYERS)]
    assert np.allclose(credit.sort_values("layer")["pearson"], expected)
    assert evidence.early_layers == range(N_LAYERS // 2)
    assert evidence.every_condition is evidence.answers


def test_an_experiment_folder_adds_what_it_holds(run, tmp_path):
    (tmp_path / "pope").symlink_to(run)
    (tmp_path / "ablations").symlink_to(run)
    (tmp_path / "experiment.json").write_text(json.dumps({"scr_layers": "0-2", "chosen": "scr"}))
    rho = pd.DataFrame(
        {"image_id": ["0.png"] * 2, "measure": "pixels", "distance": [1.0, 2**0.5], "rho": [0.9, 0.7]}
    )
    write_side_table(tmp_path, "autocorrelation", rho, "k")
    evidence = read_evidence(tmp_path)
    assert evidence.scr_layers == LayerRange(0, 2) and evidence.chosen == "scr"
    assert evidence.early_layers == range(3)
    known = evidence.answers.dropna(subset=["autocorrelation"])
    assert set(known["image_id"]) == {"0.png"}
    assert set(known["autocorrelation"]) == {0.7}
    assert len(evidence.every_condition) == 200


def as_condition(row, name):
    """A row's stored cells under another condition, as a run would append them."""
    cells = {
        key: cell for key, cell in row.items() if key != "key" and not (np.isscalar(cell) and cell != cell)
    }
    return cells | {"condition": name, "config_digest": "0" * 64}


def test_conditions_that_the_ablations_lack_are_the_main_run_s(run, tmp_path):
    (tmp_path / "pope").symlink_to(run)
    rows = read_run(run)
    first = sorted(set(rows["image_id"]))[:2]
    with RunStore.create(tmp_path / "ablations") as store:
        own = rows[rows["image_id"].isin(first) & rows["condition"].eq("scr")]
        store.append([as_condition(row, "scr-once") for row in own.to_dict("records")])
    every = read_evidence(tmp_path).every_condition
    counts = every["condition"].value_counts()
    assert set(counts.index) == {*rows["condition"], "scr-once"} and set(counts) == {len(own)}
    assert set(every["image_id"]) == set(first)


def test_controls_count_for_the_splits_that_they_were_asked_for(run, tmp_path):
    (tmp_path / "pope").symlink_to(run)
    rows = read_run(run)
    assert set(rows["splits"]) == {("adversarial",)}
    asked = rows[rows["condition"].eq("scr")].iloc[::2]
    with RunStore.create(tmp_path / "controls") as store:
        cells = [as_condition(row, "uniform-smooth") for row in asked.to_dict("records")]
        store.append([row | {"splits": ["popular"]} for row in cells])
    answers = read_evidence(tmp_path).answers
    controls = answers[answers["condition"] == "uniform-smooth"]
    assert len(controls) == len(asked) and set(controls["splits"]) == {("popular",)}
    others = answers[answers["condition"] != "uniform-smooth"]
    assert sorted(others["key"]) == sorted(rows["key"]) and set(others["splits"]) == {("adversarial",)}


@pytest.mark.parametrize("folder", ["controls", "chosen", "ablations"])
def test_questions_that_the_main_run_lacks_are_refused(run, tmp_path, folder):
    (tmp_path / "pope").symlink_to(run)
    row = as_condition(read_run(run).iloc[0].to_dict(), "scr-once")
    with RunStore.create(tmp_path / folder) as store:
        store.append([row | {"question": "Is there a moon in the image?", "prompt": "moon"}])
    with pytest.raises(
        StoreError, match=f"{folder}: the main run beside it lacks some of its questions; run"
    ):
        read_evidence(tmp_path)


def test_no_run_and_bad_facts_are_refused(run, tmp_path):
    with pytest.raises(StoreError, match="is neither a run nor an experiment folder"):
        read_evidence(tmp_path)
    (tmp_path / "pope").symlink_to(run)
    for damaged in ("{}", "[]", "{"):
        (tmp_path / "experiment.json").write_text(damaged)
        with pytest.raises(StoreError, match=r"cannot read .*experiment.json"):
            read_evidence(tmp_path)


def test_captions_are_scored_one_by_one():
    rows = pd.DataFrame(
        {
            "image_id": ["1", "1", "2", "2"],
            "condition": ["vanilla", "scr", "vanilla", "scr"],
            "status": ["ok", "ok", "ok", "failed"],
            "answer_text": ["a dog and a cat .", "a dog .", "a bus and a bus .", None],
        }
    )
    objects = pd.DataFrame({"image_id": ["1", "2"], "object": ["dog", "car"]})
    references = pd.DataFrame({"image_id": ["1", "2"], "caption": ["a dog .", "a car on a street ."]})
    found = score_captions(rows, objects, references).set_index(["condition", "image_id"])
    assert found["n_mentions"].to_dict() == {("scr", "1"): 1, ("vanilla", "1"): 2, ("vanilla", "2"): 2}
    assert found["n_hallucinated"].to_dict() == {("scr", "1"): 0, ("vanilla", "1"): 1, ("vanilla", "2"): 2}


def test_times_of_a_comparison_are_read_and_a_damaged_file_is_refused(run, tmp_path):
    (tmp_path / "pope").symlink_to(run)
    assert read_evidence(tmp_path).times is None
    (tmp_path / TIMES).write_text("task,item,condition,ms,n_tokens\nquestion,a b,scr,12.5,0\n")
    assert read_evidence(tmp_path).times.to_dict("records") == [
        {"task": "question", "item": "a b", "condition": "scr", "ms": 12.5, "n_tokens": 0}
    ]
    (tmp_path / TIMES).write_text("task,item\n")
    with pytest.raises(
        StoreError, match=r"times.csv lacks the columns \['condition', 'ms', 'n_tokens'\]; del"
    ):
        read_evidence(tmp_path)
    (tmp_path / TIMES).write_text("")
    with pytest.raises(StoreError, match=r"cannot read .*times.csv .*run `scr-lens compare` again"):
        read_evidence(tmp_path)


def step_records(rows):
    """Records of 2 blocks x 4 patches whose norms say which row and block they are of."""
    base = {"grid_h": 2, "grid_w": 2, "status": "ok"}
    cells = {"sources": None, "resid_norm": None}
    return pd.DataFrame([base | cells | row for row in rows])


def norms(value):
    return np.array([[value] * 4, [10 * value] * 4], dtype=np.float16)


def test_first_steps_pair_the_outputs_of_one_block_image_by_image():
    def row(image, question, condition, value, sources=None):
        cells = {"image_id": image, "question": question, "condition": condition, "sources": sources}
        return cells | {"resid_norm": None if value is None else norms(value)}

    records = step_records(
        [
            row("b", "q1", "scr", 4, [1]),
            row("b", "q1", "vanilla", 3),
            row("a", "q2", "vanilla", 1),
            row("a", "q2", "scr", 2, [0, 3]),
            row("a", "q1", "vanilla", 5),  # the first question by name, but SCR's row has no sources
            row("a", "q1", "scr", 6, None),
            row("a", "q3", "vanilla", 7),  # a later question of an image that is there already
            row("a", "q3", "scr", 8, [2]),
            row("c", "q1", "vanilla", 9),  # no row under SCR
            row("d", "q1", "scr", 9, [2]),  # no untouched row
            row("e", "q1", "vanilla", None),  # no norms
            row("e", "q1", "scr", 9, [2]),
            row("a", "q2", "norm-only", 9, [2]),
        ]
    )
    steps = first_steps(records, 1)
    assert steps[["image_id", "question"]].to_numpy().tolist() == [["a", "q2"], ["b", "q1"]]
    assert [list(found) for found in steps["sources"]] == [[0, 3], [1]]
    for column, tens in (("before", (10, 30)), ("after", (20, 40))):
        assert [found.tolist() for found in steps[column]] == [[value] * 4 for value in tens]
        assert all(found.dtype == np.float64 for found in steps[column])
    assert first_steps(records, 0)["before"].iloc[0].tolist() == [1] * 4
    assert first_steps(records, 0, n_images=1)["image_id"].tolist() == ["a"]
    assert first_steps(records[records["condition"] != "scr"], 0) is None
