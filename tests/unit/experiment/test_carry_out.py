"""The experiment on a tiny model: everything lands where evidence looks for it, and is made once."""

from dataclasses import replace
from multiprocessing.process import BaseProcess

import numpy as np
import pandas as pd
import pytest
from tiny_organism import save_organism

from scr_lens.causal import Asked, Grid, Setting, choose, write_choice
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.evidence import read_evidence
from scr_lens.evidence.evidence import ABLATIONS, CAPTIONS, CHOSEN, CONTROLS, MAP_ESTIMATOR, POPE
from scr_lens.experiment import Plan, carry_out, experiment_folder
from scr_lens.experiment.carry_out import _patch_counts
from scr_lens.experiment.measures import credit_of, one_per_image
from scr_lens.organisms.canvas import canvas_of
from scr_lens.pictures import read_image
from scr_lens.report.claims.registry import claims
from scr_lens.store import read_run
from scr_lens.trace import Sample, credit_maps, load
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


TOLD = []
"""What the first experiment told."""


def claim_of(name):
    return next(claim for claim in claims() if claim.id == name)


@pytest.fixture(scope="module")
def made(lens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")

    def one():
        TOLD.append("asked for jobs")
        return 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseProcess, "start", None)  # with one job no process is started
        made = carry_out(
            "tiny", folder / "runs", PLAN, world=folder / "world", lens=lens, jobs=one, tell=TOLD.append
        )
    return made, folder


def test_evidence_finds_every_part(made):
    evidence = read_evidence(made[0])
    assert evidence.answers["image_id"].nunique() == 4
    assert set(evidence.answers["condition"]) == {"vanilla", "scr", "uniform-smooth"}
    assert evidence.ablations["image_id"].nunique() == 3
    assert {"scr-lambda-1.3", "identity", "vanilla"} < set(evidence.every_condition["condition"])
    assert len(evidence.captions) == 2 * 3
    assert set(evidence.credit["estimator"]) == {"grad_norm", "grad_dot", "attention", MAP_ESTIMATOR}
    assert set(evidence.boxes["image_id"]) == set(evidence.answers["image_id"])
    assert evidence.answers["autocorrelation"].notna().all()
    assert evidence.scr_layers is not None


def test_the_ablations_ask_the_main_run_s_questions_and_read_its_rows(made):
    evidence = read_evidence(made[0])
    asked = {
        name: set(zip(rows.image_id, rows.question, strict=True))
        for name, rows in evidence.ablations.groupby("condition")
    }
    assert len(set(map(frozenset, asked.values()))) == 1  # every condition answers the same questions
    assert set(evidence.ablations["splits"]) == {("adversarial",)}
    assert set(evidence.ablations["label"]) == {"no"}  # about absent objects
    own = set(read_run(made[0] / ABLATIONS, ["condition"])["condition"])
    assert own == set(asked) - {"vanilla", "scr", "uniform-smooth"}
    adversarial = evidence.answers[["adversarial" in splits for splits in evidence.answers["splits"]]]
    absent = adversarial[adversarial["label"] == "no"]
    main = absent[absent["image_id"].isin(evidence.ablations["image_id"])].set_index("key")
    read = evidence.ablations[~evidence.ablations["condition"].isin(own)].set_index("key")
    assert read["p_yes"].sort_index().equals(main["p_yes"].sort_index()) and len(read)


def test_controls_are_asked_all_adversarial_questions_and_no_others(made):
    answers = read_evidence(made[0]).answers
    asked = {
        name: set(zip(rows.image_id, rows.question, strict=True))
        for name, rows in answers.groupby("condition")
    }
    adversarial = answers[["adversarial" in splits for splits in answers["splits"]]]
    expected = adversarial[adversarial["condition"] == "vanilla"]
    assert asked["uniform-smooth"] == set(zip(expected.image_id, expected.question, strict=True))
    assert asked["uniform-smooth"] < asked["vanilla"] == asked["scr"]
    assert set(answers[answers["condition"] == "uniform-smooth"]["splits"]) == {("adversarial",)}
    assert set(read_run(made[0] / CONTROLS, ["condition"])["condition"]) == {"uniform-smooth"}


@pytest.mark.parametrize("lambda_", [1.1, 1.4])
def test_chosen_settings_are_run_where_they_are_not_the_paper_s(lens, tmp_path, lambda_):
    (tmp_path / "world").mkdir()
    plan = replace(PLAN, lambdas=(), n_choice_images=2)
    folder = experiment_folder(lens, tmp_path / "runs")
    asked = Asked.of_world(lens, "validation", 2, tmp_path / "world")
    (count,) = _patch_counts(lens)
    paper = ScrConfig(n_sources=round(32 / 576 * count), layers=LayerRange(0, lens.n_layers // 2 - 1))
    setting = Setting.of(replace(paper, lambda_=lambda_))
    choice, _ = choose(lens, asked, tmp_path / "choice", grid=Grid((setting,), setting), n_images=2)
    write_choice(folder / "choice.json", choice, setting, lens, asked)
    assert carry_out("tiny", tmp_path / "runs", plan, world=tmp_path / "world", lens=lens) == folder
    evidence = read_evidence(folder)
    chosen = evidence.answers[evidence.answers["condition"] == "scr-chosen"]
    absent = evidence.answers[evidence.answers["condition"].eq("uniform-smooth")].query("label == 'no'")
    if lambda_ == ScrConfig().lambda_:
        assert evidence.chosen == "scr" and chosen.empty and not (folder / CHOSEN).exists()
        assert claim_of("SCR-chosen").assess(evidence).estimate == claim_of("SCR").assess(evidence).estimate
    else:
        assert evidence.chosen == "scr-chosen"
        pairs = [list(zip(rows.image_id, rows.question, strict=True)) for rows in (chosen, absent)]
        assert sorted(pairs[0]) == sorted(pairs[1]) != []


def test_it_tells_where_it_is_and_asks_for_jobs_before_every_run(made):
    parts = [line.partition(":")[0] for line in TOLD]
    asked = "asked for jobs"
    expected = [line for name in (POPE, CONTROLS, ABLATIONS, CAPTIONS) for line in (name, asked, name)]
    assert parts == [*expected, "side tables"]
    assert TOLD[11].startswith("captions: 6 rows: 0 stored before, 6 computed in ")


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


def test_an_organism_of_several_canvases_is_asked_about_them_throughout(tmp_path):
    recipe = save_organism("qwen2_vl", tmp_path / "organism")
    lens = load(tmp_path / "organism", device="cpu")
    assert _patch_counts(lens) == [recipe.grid(canvas).size for canvas in recipe.canvases]
    plan = replace(PLAN, lambdas=(), n_caption_images=5)
    folder = carry_out("tiny", tmp_path / "runs", plan, world=tmp_path / "world", lens=lens)
    for name in (POPE, CONTROLS, ABLATIONS, CAPTIONS):
        frame = read_run(folder / name)
        numbers = frame.image_id.astype(str).str.extract(r"(\d{6})(?:\.png)?$")[0].astype(int)
        for number, height, width in zip(numbers, frame.grid_h, frame.grid_w, strict=True):
            grid = recipe.grid(canvas_of(number, recipe.canvases))
            assert (height, width) == (grid.height, grid.width)
        assert len(set(zip(frame.grid_h, frame.grid_w, strict=True))) > 1
    evidence = read_evidence(folder)
    sizes = {(row.image_height, row.image_width) for row in evidence.boxes.itertuples()}
    assert sizes <= {(canvas.height, canvas.width) for canvas in recipe.canvases} and len(sizes) > 1
    assert evidence.answers["autocorrelation"].notna().all() and len(evidence.credit)
