import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from scr_lens import training_state
from scr_lens.errors import ConfigError
from scr_lens.organisms import training
from scr_lens.organisms.bodies import body_for
from scr_lens.organisms.initialization import initialize
from scr_lens.organisms.recipe import RECIPES
from scr_lens.organisms.training import (
    batch_indices,
    pretrain_vision,
    schedule,
    step_pictures,
    train,
    train_jointly,
    train_tower,
)

CPU = torch.device("cpu")


def test_the_schedule_warms_up_and_ends_at_zero():
    shares = [schedule(step, 100, 10) for step in range(100)]
    assert shares[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert shares[10] == pytest.approx(1) and shares[55] == pytest.approx(0.5, abs=0.02)
    assert 0 < shares[-1] < 0.001 and sorted(shares[10:], reverse=True) == shares[10:]


def test_an_epoch_shows_every_picture_once():
    seen = np.concatenate([batch_indices(24, 4, step, (0, 1)) for step in range(6)])
    assert sorted(seen) == list(range(24))
    following = np.concatenate([batch_indices(24, 4, step, (0, 1)) for step in range(6, 12)])
    assert sorted(following) == list(range(24)) and not np.array_equal(seen, following)


def test_canvases_take_turns_and_each_shows_its_pictures_once(tiny_recipe, tiny_corpora):
    corpora = (tiny_corpora[0],) * 2
    drawn = [step_pictures(corpora, tiny_recipe, step, 1) for step in range(12)]
    assert [which for which, _ in drawn] == [0, 1] * 6
    for which in (0, 1):
        seen = np.concatenate([indices for turn, indices in drawn if turn == which])
        assert sorted(seen) == list(range(24))


def run(recipe, corpora, cache):
    body = body_for(recipe.model_type)
    processor = body.processor(recipe)
    model = body.model(recipe, processor)
    log = []
    patch_head = pretrain_vision(model, body, corpora, recipe, cache, CPU, log.append)
    initialize(model, body, processor, corpora[0], CPU)
    seen = copy.deepcopy(body.encoder(model).state_dict())
    train_jointly(model, body, patch_head, processor, corpora, recipe, cache, CPU, log.append)
    stayed = all(
        torch.equal(a, b)
        for a, b in zip(seen.values(), body.encoder(model).state_dict().values(), strict=True)
    )
    assert stayed is not body.sees_jointly or not log  # nothing is trained when all of it was done before
    return model, log


def test_a_stopped_training_resumes_exactly(tiny_recipe, tiny_corpora, tmp_path, monkeypatch):
    monkeypatch.setattr(training_state, "SAVE_EVERY", 2)
    whole, log = run(tiny_recipe, tiny_corpora, tmp_path / "whole")
    assert {entry["phase"] for entry in log} == {0, 1}
    plain, calls = training._update, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) in (4, 12):
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(training, "_update", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tiny_recipe, tiny_corpora, tmp_path / "parts")
    resumed, _ = run(tiny_recipe, tiny_corpora, tmp_path / "parts")
    for (name, a), b in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b), name
    body = body_for(tiny_recipe.model_type)
    untrained = body.model(tiny_recipe, body.processor(tiny_recipe))
    moved = [not torch.equal(a, b) for a, b in zip(whole.parameters(), untrained.parameters(), strict=True)]
    assert np.mean(moved) > 0.9


def test_the_state_of_another_recipe_is_not_used(tiny_recipe, tiny_corpora, tmp_path):
    first, _ = run(tiny_recipe, tiny_corpora, tmp_path)
    again, _ = run(replace(tiny_recipe, lr=1e-3), tiny_corpora, tmp_path)
    fresh, _ = run(replace(tiny_recipe, lr=1e-3), tiny_corpora, tmp_path / "fresh")
    weights = [m.lm_head.weight for m in (first, again, fresh)]
    assert torch.equal(weights[1], weights[2]) and not torch.equal(weights[0], weights[1])


def test_a_larger_organism_starts_from_the_smaller_one_s_tower(tiny_recipe, tiny_corpora, tmp_path):
    body = body_for(tiny_recipe.model_type)
    larger = replace(tiny_recipe, name="larger", tower=tiny_recipe.name, n_layers=3)
    encoders = []
    for each, entries in ((tiny_recipe, 1), (larger, 0)):
        model, log = body.model(each, body.processor(each)), []
        pretrain_vision(model, body, tiny_corpora, each, tmp_path, CPU, log.append)
        encoders.append(body.encoder(model).state_dict())
        assert len(log) == entries
    assert all(torch.equal(encoders[0][name], encoders[1][name]) for name in encoders[0])


@pytest.fixture
def larger(tiny_recipe, monkeypatch):
    """A recipe with another decoder that starts from the tiny one's encoder; only these two have names."""
    monkeypatch.setattr(training, "compile_blocks", lambda model: None)
    monkeypatch.setitem(RECIPES, tiny_recipe.name, tiny_recipe)
    return replace(tiny_recipe, name="larger", tower=tiny_recipe.name, n_layers=3, n_heads=4, d_mlp=40)


def test_a_larger_organism_is_the_same_whether_or_not_the_smaller_was_trained_before(
    tiny_recipe, larger, tmp_path
):
    logs = {"before": [], "alone": []}
    train(tiny_recipe, tmp_path / "before", CPU, [].append)
    dense = (tmp_path / "before" / "tiny-vision.pt").read_bytes()
    models = {name: train(larger, tmp_path / name, CPU, log.append)[0] for name, log in logs.items()}
    assert [entry["phase"] for entry in logs["before"]] == [1] and logs["alone"][0]["phase"] == 0
    assert logs["before"] == logs["alone"][1:]
    for (name, a), b in zip(models["before"].named_parameters(), models["alone"].parameters(), strict=True):
        assert torch.equal(a, b), name
    files = {path.name for path in (tmp_path / "alone").glob("*.pt")}
    assert files == {"tiny-vision.pt", "larger-joint.pt"}
    mine, other = (torch.load(tmp_path / name / "tiny-vision.pt", weights_only=True) for name in logs)
    assert (tmp_path / "before" / "tiny-vision.pt").read_bytes() == dense
    assert (mine["settings"], mine["done"]) == (other["settings"], 6)
    for part in ("model", "extra"):
        assert all(torch.equal(mine[part][name], other[part][name]) for name in mine[part])


def test_a_stopped_dense_phase_of_the_smaller_organism_is_gone_on_with(
    larger, tiny_corpora, tmp_path, monkeypatch
):
    monkeypatch.setattr(training_state, "SAVE_EVERY", 2)
    plain, calls = training._update, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(training, "_update", stopping)
    body = body_for(larger.model_type)
    with pytest.raises(KeyboardInterrupt):
        train_tower(larger, body, tiny_corpora, tmp_path, CPU, [].append)
    train_tower(larger, body, tiny_corpora, tmp_path, CPU, [].append)
    assert len(calls) == 4 + 6 - 2
    train_tower(larger, body, tiny_corpora, tmp_path, CPU, [].append)
    assert len(calls) == 8


def test_an_encoder_of_other_settings_is_refused(larger, tiny_corpora, tmp_path):
    other = replace(larger, pretrain_lr=1e-3, seed=1)
    with pytest.raises(
        ConfigError, match="larger: starts from the encoder of tiny, but pretrain_lr, seed differ"
    ):
        train_tower(other, body_for(other.model_type), tiny_corpora, tmp_path, CPU, [].append)
    unknown = replace(larger, tower="tinny")
    with pytest.raises(ConfigError, match=r"organism 'tinny': expected one of .*did you mean 'tiny'"):
        train_tower(unknown, body_for(other.model_type), tiny_corpora, tmp_path, CPU, [].append)
    assert not list(tmp_path.iterdir())
