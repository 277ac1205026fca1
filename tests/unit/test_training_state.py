"""Stopping and resuming: which steps are left, what the file holds, whose state is not used."""

import json

import pytest
import torch
from torch import nn

from scr_lens import training_state
from scr_lens.errors import DataError
from scr_lens.training_state import TrainingState

SETTINGS = {"rate": 0.1, "betas": (0.9, 0.98)}


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(training_state, "SAVE_EVERY", 3)


def parts(extra=False):
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    head = nn.Linear(1, 1) if extra else None
    trained = [*model.parameters(), *(head.parameters() if head else ())]
    optimizer = torch.optim.AdamW(trained, lr=0.1)
    return model, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step)), head


def descend(state_parts, path, count, stop_at=None, settings=SETTINGS):
    """Trains towards zero; returns the steps that were done."""
    model, optimizer, scheduler, head = state_parts
    done = []
    for step in TrainingState(path, settings, model, optimizer, scheduler, extra=head).steps(count, "test"):
        if step == stop_at:
            break
        done.append(step)
        seen = model(torch.ones(1, 2) * (step + 1))
        loss = ((head(seen) if head else seen) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return done


def test_a_stopped_training_goes_on_after_the_last_state(tmp_path):
    path = tmp_path / "new" / "state.pt"
    whole, resumed = parts(extra=True), parts(extra=True)
    assert descend(whole, None, 8) == list(range(8))
    assert descend(parts(extra=True), path, 8, stop_at=5) == [0, 1, 2, 3, 4]
    assert descend(resumed, path, 8) == [3, 4, 5, 6, 7]
    assert descend(parts(extra=True), path, 8) == []
    for a, b in zip(whole, resumed, strict=True):
        assert str(a.state_dict()) == str(b.state_dict())


def test_the_file_holds_plain_states(tmp_path):
    """Its format: a training that began with another version of this package is gone on with."""
    descend(parts(extra=True), tmp_path / "state.pt", 3)
    stored = torch.load(tmp_path / "state.pt", weights_only=True)
    assert list(stored) == ["settings", "done", "model", "optimizer", "scheduler", "extra"]
    assert json.loads(stored["settings"]) == {"rate": 0.1, "betas": [0.9, 0.98]} and stored["done"] == 3
    assert set(stored["model"]) == set(stored["extra"]) == {"weight", "bias"}
    assert {path.name for path in tmp_path.iterdir()} == {"state.pt"}


def test_the_state_of_other_settings_is_not_used(tmp_path):
    path = tmp_path / "state.pt"
    descend(parts(), path, 3)
    assert descend(parts(), path, 3, settings=SETTINGS | {"rate": 0.2}) == [0, 1, 2]
    assert descend(parts(), path, 3) == [0, 1, 2]


def test_no_file_is_kept_without_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert descend(parts(), None, 4) == [0, 1, 2, 3] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "of another model"])
def test_a_damaged_state_is_refused(damage, tmp_path):
    path = tmp_path / "state.pt"
    descend(parts(), path, 3)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"state\.pt: damaged state of a training .*; delete it to train"):
        descend(parts(extra=damage != "cut"), path, 3)
