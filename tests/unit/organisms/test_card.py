"""What a card says of every kind of recipe, and that its lines of code load what they are beside."""

import re
import subprocess
import sys
from dataclasses import replace

from tiny_organism import save_organism

from scr_lens.families import family_for
from scr_lens.organisms.bodies import BODIES, body_for
from scr_lens.organisms.canvas import Canvas
from scr_lens.organisms.card import image_tokens, model_card, percent, share, shown
from scr_lens.organisms.recipe import RECIPES, recipe

SPLIT = {
    "hallucination_rate": [0.1234, 0.1, 0.15],
    "accuracy": [0.9, 0.88, 0.92],
    "precision": None,
    "recall": [0.5, 0.4, 0.6],
    "yes_ratio": [0.45, 0.44, 0.46],
}
SCORES = {
    "parameters": 1234567,
    "pope": dict.fromkeys(("adversarial", "popular", "random"), SPLIT),
    "captions": {"n_captions": 20, "recall": 0.815, "chair_s": 0.5, "chair_i": 0.25, "example": "a dog."},
}


def card(name, **changes):
    return model_card(replace(recipe(name), **changes), SCORES, 2469134)


def setting(text, name):
    return re.search(rf"^\| {name} \| (.*) \|$", text, re.MULTILINE)[1]


def test_settings_are_written_for_readers():
    text = card("llava-small", canvases=(Canvas(96, 96), Canvas(80, 112)))
    assert setting(text, "canvases") == "96x96, 80x112 (height x width)"
    assert setting(text, "tower") == "none" and setting(text, "swin_norm") == "no"
    assert setting(text, "betas") == "0.9, 0.98" and setting(text, "pretrain_lr") == "0.002"
    assert setting(card("chameleon-large"), "swin_norm") == "yes"
    assert not re.search(r"None|True|False|\{|\}|Canvas|\(0\.9", text)


def test_every_setting_of_a_recipe_is_listed():
    for each in RECIPES.values():
        rows = re.findall(r"^\| (\w+) \| ", card(each.name).split("## Made by")[1], re.MULTILINE)
        assert rows[0] == "setting" and rows[1:] == list(vars(each))


def test_plain_values_stay_as_they_are():
    assert [shown(value) for value in (0, 1, 1.5, "x", (1, None, True))] == [
        "0",
        "1",
        "1.5",
        "x",
        "1, none, yes",
    ]


def test_sizes_and_the_command_are_stated():
    text = card("qwen2-vl-small")
    assert "| parameters | 1,234,567 |" in text and "| weights | 2,469,134 bytes |" in text
    assert "    scr-lens organism train qwen2-vl-small\n" in text
    assert "| pictures | 96x96, 80x112, 112x80, 72x128, 128x72 pixels (height x width) |" in text
    assert "| image tokens | 140 or 144 (12x12, 10x14, 14x10, 9x16, 16x9) |" in text
    assert image_tokens(recipe("llava-small")) == "144 (12x12)"


def test_scores_are_percentages_split_by_split():
    rows = re.findall(r"^\| (?:random|popular|adversarial) .*$", card("llava-small"), re.MULTILINE)
    values = "12.3 [10.0, 15.0] | 90.0 [88.0, 92.0] | - | 50.0 [40.0, 60.0] | 45.0 [44.0, 46.0]"
    assert rows == [f"| {split} | {values} |" for split in ("random", "popular", "adversarial")]
    assert percent(None) == share(None) == "-"
    told = model_card(
        recipe("llava-small"), {**SCORES, "captions": {**SCORES["captions"], "chair_i": None}}, 1
    )
    assert "81.5% of the objects named,\nCHAIR-s 50.0%, CHAIR-i -% (lemma variant)" in told


def test_the_encoder_of_another_organism_is_named():
    text = card("llava-large")
    assert "starts from the encoder of [llava-small](../llava-small/README.md)" in text
    assert "starts from the encoder" not in card("llava-small")


PROMPTED = """
from PIL import Image
inputs = processor(images=Image.new("RGB", (96, 96), "red"), text={prompt!r}, return_tensors="pt")
written = model.generate(**inputs, max_new_tokens=2, do_sample=False)
assert written.shape[1] == inputs["input_ids"].shape[1] + 2
tokens = (inputs["input_ids"] == model.config.image_token_id).sum()
print(type(model).__name__, type(processor).__name__, int(tokens))
"""
PURE = """
import sys
assert "scr_lens" not in sys.modules
"""
REFUSED = """
try:
{lines}
except ValueError as error:
    print(type(error).__name__, "does not recognize this architecture" in str(error))
"""


def lines_of(each):
    """The card's code, with a question about a picture."""
    code = re.search(r"```python\n(.*?)```", model_card(each, SCORES, 1), re.DOTALL)[1]
    processor = body_for(each.model_type).processor(each)
    return code + PROMPTED.format(prompt=family_for(each.model_type).prompt(processor, "Is there a dog?"))


def test_the_lines_of_every_card_load_its_folder_in_a_fresh_process(tmp_path):
    folders = tmp_path / "data" / "organisms"
    made = {}
    for model_type in sorted(BODIES):
        saved = save_organism(model_type, tmp_path / model_type)
        folders.mkdir(parents=True, exist_ok=True)
        (tmp_path / model_type).rename(folders / saved.name)
        made[model_type] = lines_of(saved)
    without = made["qwen"].replace("import scr_lens.families\n", "")
    assert without != made["qwen"]
    refused = REFUSED.format(lines="".join(f"    {line}\n" for line in without.strip().splitlines()))
    program = made["llava"] + made["chameleon"] + refused + PURE + made["qwen"] + made["qwen2_vl"]
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.splitlines() == [
        "LlavaForConditionalGeneration LlavaProcessor 144",
        "ChameleonForConditionalGeneration ChameleonProcessor 144",
        "ValueError True",
        "QwenVLForConditionalGeneration QwenVLProcessor 144",
        "Qwen2VLForConditionalGeneration Qwen2VLProcessor 144",
    ]
