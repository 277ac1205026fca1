"""One command trains, resumes, measures and describes an organism of any architecture."""

import json

import pytest
import torch
from tiny_organism import TINY_WIDTHS
from transformers import AutoModelForImageTextToText

from scr_lens import models, organism_card, training_state
from scr_lens.organisms import training
from scr_lens.organisms.canvas import Canvas
from scr_lens.organisms.recipe import RECIPES, Recipe
from scr_lens.organisms.render import render_scene
from scr_lens.organisms.world import sample_scene
from scr_lens.trace import Sample, run_pass

SQUARE, WIDE = Canvas(32, 32), Canvas(24, 48)
CANVASES = {"llava": (SQUARE,), "chameleon": (SQUARE,), "qwen2_vl": (WIDE, SQUARE), "qwen": (Canvas(48, 48),)}


@pytest.fixture(params=sorted(CANVASES))
def recipe(request, monkeypatch):
    """A recipe that is trained and measured in seconds."""
    quick = Recipe(
        name="quick",
        model_type=request.param,
        canvases=CANVASES[request.param],
        vision_width=TINY_WIDTHS[request.param],
        vision_layers=1,
        n_codes=64,
        d_model=32,
        n_layers=4,
        d_mlp=24,
        train_scenes=8 * len(CANVASES[request.param]),
        batch=4,
        questions=4,
        pretrain_steps=4,
        steps=4,
        warmup=2,
    )
    monkeypatch.setitem(RECIPES, quick.name, quick)
    monkeypatch.setattr(training, "compile_blocks", lambda model: None)
    monkeypatch.setattr(training_state, "SAVE_EVERY", 2)
    monkeypatch.setattr(organism_card, "POPE_IMAGES", 4)
    monkeypatch.setattr(organism_card, "CAPTION_IMAGES", 3)
    return quick


@pytest.fixture
def updates(monkeypatch):
    """Counts the optimizer's steps; stops the program before that of the number put into `stop`."""
    plain, seen = training._update, {"count": 0, "stop": 0}

    def counted(*arguments):
        seen["count"] += 1
        if seen["count"] == seen["stop"]:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(training, "_update", counted)
    return seen


def test_a_stopped_training_is_completed_measured_and_described(run, recipe, updates, tmp_path):
    command = ("organism", "train", "quick", "--out", tmp_path / "out", "--cache", tmp_path / "cache")
    updates["stop"] = 8  # the dense phase has four steps; two of the joint phase's are on the disk
    assert run(*command, "--threads", 1)[0] == 130
    assert not (tmp_path / "out").exists()
    updates.update(count=0, stop=0)
    status, out, errors = run(*command, "--threads", 1)
    folder = tmp_path / "out" / "quick"
    assert (status, errors, out.splitlines()[-1]) == (0, [], f"written: {folder}")
    assert updates["count"] == 2
    log = [json.loads(line) for line in (tmp_path / "cache" / "quick-log.jsonl").read_text().splitlines()]
    assert [(entry["phase"], entry["step"]) for entry in log] == [(0, 0), (1, 0)]
    check_folder(folder, recipe, tmp_path / "cache")
    (folder / "README.md").write_text("spoiled")
    before = (folder / "scores.json").read_bytes()
    assert run("organism", "card", "quick", "--out", tmp_path / "out")[0] == 0
    check_folder(folder, recipe, tmp_path / "cache")
    assert (folder / "scores.json").read_bytes() == before and updates["count"] == 2


def check_folder(folder, recipe, cache):
    """The trained weights in half precision, which load, and the card of what was measured on them."""
    scores, card = json.loads((folder / "scores.json").read_text()), (folder / "README.md").read_text()
    trained = torch.load(cache / "quick-joint.pt", weights_only=True)["model"]
    stored = AutoModelForImageTextToText.from_pretrained(folder).state_dict()
    assert {
        name for name in stored if not torch.equal(stored[name], trained[name].to(stored[name].dtype))
    } == set()
    assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.float16}
    assert f"| parameters | {scores['parameters']:,} |" in card
    assert f"| weights | {(folder / 'model.safetensors').stat().st_size:,} bytes |" in card
    assert set(scores["pope"]) == {"random", "popular", "adversarial"}
    assert scores["captions"]["n_captions"] == 3 and scores["captions"]["example"] in card
    assert f"scr-lens organism train {recipe.name}" in card
    lens = models.load(folder, device="cpu")
    assert scores["parameters"] == sum(p.numel() for p in lens.hf_model.parameters())
    assert models.caveat(lens) and lens.model_type == recipe.model_type
    scenes = [render_scene(sample_scene("test", k), canvas) for k, canvas in enumerate(recipe.canvases)]
    batch = lens.prepare([Sample(scene.image, question="Is there a dog in the image?") for scene in scenes])
    assert [layout.grid for layout in batch.layouts] == [recipe.grid(canvas) for canvas in recipe.canvases]
    assert all(0 < record.yes_no(lens).p_yes < 1 for record in run_pass(lens, batch).samples)


def test_a_card_needs_measurements(run, tmp_path):
    status, _, errors = run("organism", "card", "llava-small", "--out", tmp_path)
    assert status == 2 and "holds no measurements" in errors[0] and "organism train llava-small" in errors[0]
