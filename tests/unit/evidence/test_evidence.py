import json

import numpy as np
import pandas as pd
import pytest
from golden.synthetic_run import N_LAYERS, write_run

from scr_lens.config import LayerRange
from scr_lens.errors import StoreError
from scr_lens.evidence import read_evidence, score_captions, write_side_table
from scr_lens.store import read_run


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
    (tmp_path / "experiment.json").write_text(json.dumps({"scr_layers": "0-2"}))
    rho = pd.DataFrame(
        {"image_id": ["0.png"] * 2, "measure": "pixels", "distance": [1.0, 2**0.5], "rho": [0.9, 0.7]}
    )
    write_side_table(tmp_path, "autocorrelation", rho, "k")
    evidence = read_evidence(tmp_path)
    assert evidence.scr_layers == LayerRange(0, 2)
    assert evidence.early_layers == range(3)
    known = evidence.answers.dropna(subset=["autocorrelation"])
    assert set(known["image_id"]) == {"0.png"}
    assert set(known["autocorrelation"]) == {0.7}
    assert len(evidence.every_condition) == 200


def test_no_run_and_bad_facts_are_refused(run, tmp_path):
    with pytest.raises(StoreError, match="is neither a run nor an experiment folder"):
        read_evidence(tmp_path)
    (tmp_path / "pope").symlink_to(run)
    (tmp_path / "experiment.json").write_text("{}")
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
