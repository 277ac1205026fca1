"""Every causal test end to end on a tiny random model, with its records found again by another route."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import build_method

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.causal import (
    TESTS,
    CreditSettings,
    DirectionSettings,
    DoseSettings,
    PriorSettings,
    find_test,
    read_ledger,
    run_credit,
    run_direction,
    run_doses,
    run_prior,
)
from scr_lens.causal.credit import ESTIMATED
from scr_lens.causal.prior import swaps
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, DataError, StoreError
from scr_lens.organisms.render import render_scene
from scr_lens.organisms.scenes import SCENE_TYPES
from scr_lens.pictures import read_image
from scr_lens.trace import CaptureSpec, Sample, ablation_credit, credit_maps, diagnose, run_pass
from scr_lens.trace import patch_effects as effects_module
from scr_lens.trace.temperature import attention_temperature

SCR = ScrConfig(lambda_=1.5, n_sources=3)
CREDIT = CreditSettings(n_images=3, n_layers=2, rows_per_pass=12)
DOSE = DoseSettings(n_images=4, lambdas=(0.8, 1.5), temperatures=(0.5, 2.0), batch_size=4, scr=SCR)
PRIOR = PriorSettings(n_images=3, n_absent=2, n_present=1, scr=SCR, batch_scenes=2)
DIRECTION = DirectionSettings(n_images=4, scr=SCR, batch_size=4)


def batch_of(lens, asked, row):
    question = next(q for q in asked.questions if (q.image_id, q.text) == (row.image_id, row.question))
    return lens.prepare(Sample(read_image(question.image)[0], question=question.text))


def test_credit(lens, asked, tmp_path):
    frame = run_credit(lens, asked, tmp_path, CREDIT)
    assert len(frame) == 6 and sorted(frame["layer"].unique()) == [0, 2]
    assert frame.groupby("image_id")["question"].nunique().eq(1).all() and set(frame["label"]) == {
        "yes",
        "no",
    }
    row = frame[frame["layer"] == 2].iloc[1]
    batch = batch_of(lens, asked, row)
    at = LayerRange(2, 2)
    assert np.allclose(row["ablation"], ablation_credit(lens, batch, layers=at)[0][0], atol=2e-5)
    for name in ("norm", "grad_norm", "grad_dot", "attention"):
        assert np.allclose(row[name], credit_maps(lens, batch, name, layers=at)[0][0], rtol=1e-3, atol=1e-5)
    following = credit_maps(lens, batch, "attention", layers=LayerRange(3, 3))[0][0]
    assert np.allclose(row["attention_next"], following, atol=1e-6)
    assert np.allclose(row["attention_map"], diagnose(lens, batch)[0], atol=1e-6)
    outcome = TESTS["credit"].analyze(frame)
    assert len(outcome.findings) == len(ESTIMATED) and len(outcome.remarks) == 2


def test_dose(lens, asked, tmp_path):
    frame = run_doses(lens, asked, tmp_path, DOSE)
    assert len(frame) == 8 * (1 + 2 + 2 * 2)
    row = frame[(frame["instrument"] == "temperature") & (frame["dose"] == 2.0)].iloc[3]
    batch = batch_of(lens, asked, row)
    capture = CaptureSpec(attention=LayerRange(1, 2))
    with attention_temperature(lens, batch, 2.0, LayerRange(1, 2)):
        record = run_pass(lens, batch, capture).samples[0]
    assert row["p_yes"] == pytest.approx(record.yes_no(lens).p_yes, abs=1e-5)
    entropy = credit_entropy(record.attention.mean(0).numpy(), normalize=True)
    assert row["entropy_attention"] == pytest.approx(float(entropy), abs=1e-5)
    row = frame[(frame["instrument"] == "scr") & (frame["dose"] == 1.5)].iloc[2]
    batch = batch_of(lens, asked, row)
    scr = build_method("scr", lens, batch, diagnose(lens, batch), SCR)
    record = run_pass(lens, batch, capture, scr).samples[0]
    assert row["p_yes"] == pytest.approx(record.yes_no(lens).p_yes, abs=1e-5)
    norms = credit_entropy(record.resid_norm[:2].numpy(), normalize=True).mean()
    assert row["entropy_norm"] == pytest.approx(float(norms), abs=1e-5)
    outcome = TESTS["dose"].analyze(frame)
    assert set(outcome.results) == {"attention", "norm"} and len(outcome.findings) == 6


def test_prior(lens, asked, tmp_path):
    frame = run_prior(lens, asked, tmp_path, PRIOR)
    assert len(frame) == 3 * 3 * 2 * 2
    assert set(frame["condition"]) == {"vanilla", "scr"} and (frame["place"] != frame["background"]).all()
    pools = {place.name: place.pool for place in SCENE_TYPES}
    assert all((row.object in pools[row.background]) == row.in_pool for row in frame.itertuples())
    (swap,) = [s for s in swaps(asked, 1, PRIOR) if s.label == "yes" and s.in_pool]
    drawn = render_scene(swap.scene, swap.canvas)
    assert swap.object in drawn.names
    image_id = f"test_{1:06d}"
    row = frame[
        (frame["image_id"] == image_id)
        & (frame["label"] == "yes")
        & frame["in_pool"]
        & (frame["condition"] == "vanilla")
    ].iloc[0]
    record = run_pass(lens, lens.prepare(Sample(drawn.image, question=row["question"]))).samples[0]
    assert row["p_yes"] == pytest.approx(record.yes_no(lens).p_yes, abs=1e-5)
    assert len(TESTS["prior"].analyze(frame).findings) == 2


def test_direction(lens, asked, tmp_path):
    frame = run_direction(lens, asked, tmp_path, DIRECTION)
    assert len(frame) == 8 * 3
    assert all(len(values) == 5 for column in ("reading", "attribution") for values in frame[column])
    row = frame[frame["condition"] == "scr"].iloc[5]
    batch = batch_of(lens, asked, row)
    scr = build_method("scr", lens, batch, diagnose(lens, batch), SCR)
    record = run_pass(lens, batch, intervention=scr).samples[0]
    (yes,), (no,) = lens.yes_no_ids()
    assert row["reading"][-1] == pytest.approx(float(record.logits[yes] - record.logits[no]), abs=1e-4)
    assert row["answer"] == record.yes_no(lens).answer
    outcome = TESTS["direction"].analyze(frame.assign(answer=np.where(frame["p_yes"] > 0, "yes", "no")))
    assert set(outcome.tables) == {"profiles", "changes", "decided"}


def test_a_stopped_test_goes_on_and_a_finished_one_is_not_run_again(lens, asked, tmp_path, monkeypatch):
    real, calls = effects_module.patch_effects, []

    def stopping(*args, **options):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*args, **options)

    monkeypatch.setattr("scr_lens.causal.credit.patch_effects", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_credit(lens, asked, tmp_path, CREDIT)
    assert len(read_ledger(tmp_path, "credit")) == 2
    monkeypatch.setattr("scr_lens.causal.credit.patch_effects", real)
    finished = run_credit(lens, asked, tmp_path, CREDIT)
    assert len(finished) == 6
    monkeypatch.setattr("scr_lens.causal.credit.patch_effects", None)
    again = run_credit(lens, asked, tmp_path, CREDIT)
    assert np.array_equal(np.stack(again["ablation"]), np.stack(finished["ablation"]))
    with pytest.raises(StoreError, match="of other settings"):
        run_credit(lens, asked, tmp_path, CreditSettings(n_images=2))


def test_layers_leave_out_the_last_block():
    assert CreditSettings().layers(8) == (0, 2, 4, 6)
    assert CreditSettings().layers(32) == (0, 10, 20, 30)
    assert CreditSettings().layers(2) == (0,)


def test_settings_for_chosen_parameters():
    scr = SCR
    assert TESTS["dose"].with_settings(n_images=7, scr=scr).scr is scr
    assert TESTS["credit"].with_settings(scr=scr).diagnostic == scr.diagnostic
    assert TESTS["prior"].with_settings() == PriorSettings()


def test_wrong_names_and_doses():
    with pytest.raises(ConfigError, match="unknown causal test 'doze'; did you mean 'dose'"):
        find_test("doze")
    for dose in (1.0, 0.0, -2.0):
        with pytest.raises(ConfigError, match="give numbers above 0 other than 1"):
            DoseSettings(lambdas=(dose,))


def test_nothing_to_ask(lens, asked, tmp_path):
    with pytest.raises(DataError, match="the credit test has nothing to ask"):
        run_credit(lens, replace(asked, questions=()), tmp_path, CREDIT)


def test_draws_are_seeded_and_of_whole_images(asked):
    first = asked.images(2, "x")
    assert first == asked.images(2, "x") and len({q.image_id for q in first}) == 2 and len(first) == 4
    assert any(asked.images(2, f"x{k}") != first for k in range(5))
    assert any(replace(asked, seed=k).images(2, "x") != first for k in range(5))
