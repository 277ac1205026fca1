"""The shipped checkpoints: ordinary folders whose weights do what their cards say."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from transformers import AutoModelForImageTextToText

import scr_lens.families  # noqa: F401 - registers Qwen-VL's classes with transformers' Auto classes
from scr_lens.families.registry import family_for
from scr_lens.models import caveat, load
from scr_lens.organisms.canvas import canvas_of
from scr_lens.organisms.card import model_card
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.language import DESCRIBE, question
from scr_lens.organisms.recipe import RECIPES, recipe
from scr_lens.organisms.render import render_scene
from scr_lens.organisms.scenes import SCENE_TYPES
from scr_lens.organisms.scores import read_scores
from scr_lens.organisms.shipped import shipped_folder, shipped_names
from scr_lens.organisms.world import sample_scene
from scr_lens.trace import Sample, generate, run_pass

PROMPTS = {
    "llava": "USER: <image>\nDescribe the image. ASSISTANT:",
    "chameleon": "<image>Describe the image.",  # its processor appends the separator
    "qwen": "<img><imgpad></img>Describe the image. Answer:",
    "qwen2_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|image_pad|><|vision_end|>Describe the image.<|im_end|>\n<|im_start|>assistant\n",
}
"""A whole prompt of every architecture, written out."""


def test_what_is_shipped_has_a_recipe():
    assert "llava-small" in shipped_names() and set(shipped_names()) <= set(RECIPES)


@pytest.fixture(scope="module", params=shipped_names())
def folder(request):
    return shipped_folder(request.param)


def render(folder, split, index):
    """A scene on the canvas that the organism sees it on."""
    return render_scene(sample_scene(split, index), canvas_of(index, recipe(folder.name).canvases))


@pytest.fixture(scope="module")
def scenes(folder):
    return [render(folder, "validation", k) for k in range(24)]


def test_a_folder_is_small_half_precision_and_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "scores.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".py", ".pkl"))]
    assert (folder / "model.safetensors").stat().st_size < 10e6
    with safe_open(folder / "model.safetensors", "pt") as weights:
        assert {str(weights.get_tensor(key).dtype) for key in weights.keys()} == {"torch.float16"}  # noqa: SIM118


def test_it_is_an_ordinary_checkpoint(folder):
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32")
    processor = family_for(model.config.model_type).processor_class.from_pretrained(folder)
    image = render(folder, "test", 0).image
    inputs = processor(images=image, text=PROMPTS[model.config.model_type], return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=40, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    lens = load(folder)
    ours = generate(lens, lens.prepare(Sample(image, question="Describe the image.")), max_new_tokens=40)[0]
    assert tuple(ids.tolist()) == ours.token_ids


def test_it_answers_far_above_chance(folder, scenes):
    lens = load(folder)
    samples, labels = [], []
    for k, scene in enumerate(scenes):
        absent = [n for n in SCENE_TYPES[(scene.scene.place + 3) % 7].pool if n not in scene.names]
        for name, label in ((scene.names[0], "yes"), (absent[k % len(absent)], "no")):
            samples.append(Sample(scene.image, question=question(name)))
            labels.append(label)
    answers = [record.yes_no(lens).answer for record in run_pass(lens, lens.prepare(samples)).samples]
    assert np.mean([a == b for a, b in zip(answers, labels, strict=True)]) > 0.85


def test_its_captions_name_mostly_what_is_there(folder, scenes):
    # How much of what is there they name is a quality target, below.
    lens = load(folder)
    batch = lens.prepare([Sample(scene.image, question=DESCRIBE[0]) for scene in scenes])
    present = [
        name in scene.names
        for answer, scene in zip(generate(lens, batch, max_new_tokens=48), scenes, strict=True)
        for name in CATEGORY_NAMES
        if f" {name}" in answer.text
    ]
    assert len(present) >= 24 and np.mean(present) > 0.6


def test_the_card_states_the_measured_scores(folder):
    scores = json.loads((folder / "scores.json").read_text())
    card = (folder / "README.md").read_text()
    for values in scores["pope"].values():
        assert f"{100 * values['accuracy'][0]:.1f} [{100 * values['accuracy'][1]:.1f}" in card
        assert f"{100 * values['hallucination_rate'][0]:.1f}" in card
    assert f"{100 * scores['captions']['recall']:.1f}% of the objects named" in card
    assert f"{scores['parameters']:,}" in card and f"organism train {folder.name}" in card
    assert caveat(load(folder))


def test_the_card_is_current(folder):
    weights = (folder / "model.safetensors").stat().st_size
    card = model_card(recipe(folder.name), read_scores(folder), weights)
    assert (folder / "README.md").read_text() == card, f"run `scr-lens organism card {folder.name}`"


def test_the_quality_targets_of_answers_are_met(folder):
    scores = json.loads((folder / "scores.json").read_text())
    rates = [scores["pope"][split]["hallucination_rate"][0] for split in ("random", "popular", "adversarial")]
    assert rates[0] < rates[1] < rates[2] and 0.08 <= rates[2] <= 0.25
    assert scores["pope"]["adversarial"]["accuracy"][0] >= 0.88


def test_the_quality_target_of_captions_is_met(folder):
    assert json.loads((folder / "scores.json").read_text())["captions"]["recall"] >= 0.8
