"""The experiment on a tiny model: everything lands where evidence looks for it, and is made once."""

import numpy as np
import pandas as pd
import pytest

from scr_lens.evidence import read_evidence
from scr_lens.evidence.evidence import MAP_ESTIMATOR
from scr_lens.experiment import Plan, carry_out
from scr_lens.experiment.measures import credit_of, one_per_image
from scr_lens.pictures import read_image
from scr_lens.trace import Sample, credit_maps
from scr_lens.world_benchmark import world_pope

PLAN = Plan(
    n_images=4,
    n_ablation_images=3,
    n_caption_images=2,
    n_credit_questions=3,
    lambdas=(1.3,),
    n_choice_images=0,
    causal={},
)


@pytest.fixture(scope="module")
def made(lens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    return carry_out("tiny", folder / "runs", PLAN, world=folder / "world", lens=lens), folder


def test_evidence_finds_every_part(made):
    evidence = read_evidence(made[0])
    assert evidence.answers["image_id"].nunique() == 4
    assert set(evidence.answers["condition"]) == {"vanilla", "scr", "uniform-smooth"}
    assert evidence.ablations["image_id"].nunique() == 3
    assert "scr-lambda-1.3" in set(evidence.every_condition["condition"])
    assert len(evidence.captions) == 2 * 3
    assert set(evidence.credit["estimator"]) == {"grad_norm", "grad_dot", "attention", MAP_ESTIMATOR}
    assert set(evidence.boxes["image_id"]) == set(evidence.answers["image_id"])
    assert evidence.answers["autocorrelation"].notna().all()
    assert evidence.scr_layers is not None


def test_a_second_call_changes_nothing(made, lens):
    folder, root = made
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    before |= {path: path.stat().st_mtime_ns for path in folder.rglob("*.csv")}
    carry_out("tiny", root / "runs", PLAN, world=root / "world", lens=lens)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_credit_rows_are_correlations_of_the_maps(lens, made):
    questions = world_pope("test", 4, made[1] / "world")
    question = one_per_image(questions, 1)[0]
    table = credit_of(lens, [question], ["grad_dot"])
    batch = lens.prepare([Sample(read_image(question.image)[0], question=question.text)])
    norm, credit = (credit_maps(lens, batch, name)[0].numpy() for name in ("norm", "grad_dot"))
    for row in table.itertuples():
        expected = np.corrcoef(norm[row.layer], credit[row.layer])[0, 1]
        assert row.pearson == pytest.approx(expected, abs=1e-6)
    assert lens.n_layers - 1 not in set(table["layer"])  # gradients vanish at the last block


def test_one_question_per_image_in_turn(made):
    chosen = one_per_image(world_pope("test", 4, made[1] / "world"), 3)
    assert len({q.image_id for q in chosen}) == 3
    assert pd.Series([q.label for q in chosen]).tolist() == ["yes", "no", "yes"]
