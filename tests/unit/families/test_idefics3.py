"""Idefics3 and SmolVLM: one tile whatever the processor says, merged patches in raster order, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import noise_image
from tiny_idefics3 import build_idefics3, build_smolvlm
from transformers import Idefics3Config

from scr_lens.errors import ContractError, DataError
from scr_lens.families import family_for
from scr_lens.grid import PatchGrid
from scr_lens.trace import Lens, Sample, load, wrap

QUESTION = "is there a dog ?"
BUILDERS = {"idefics3": build_idefics3, "smolvlm": build_smolvlm}
SCALES = {"idefics3": 2, "smolvlm": 3}
both = pytest.mark.parametrize("name", list(BUILDERS))


@pytest.fixture(scope="module", params=list(BUILDERS))
def lens(request: pytest.FixtureRequest) -> Lens:
    return wrap(*BUILDERS[request.param]())


@pytest.mark.parametrize(
    ("pixels", "patch", "scale", "side"),
    [(512, 16, 4, 8), (384, 14, 3, 9), (364, 14, 2, 13)],
    ids=["SmolVLM-256M", "SmolVLM-2.2B", "Idefics3-8B"],
)
def test_grids_of_the_published_sizes(pixels: int, patch: int, scale: int, side: int) -> None:
    config = Idefics3Config(vision_config={"image_size": pixels, "patch_size": patch}, scale_factor=scale)
    encoding = {"pixel_values": torch.zeros(2, 1, 3, pixels, pixels)}
    assert family_for("idefics3").grids(encoding, config) == (PatchGrid(side, side),) * 2


def test_splitting_is_off_though_the_processor_has_it_on(lens: Lens) -> None:
    wide = noise_image(0, 168, 84)
    own = lens.processor(images=[[wide]], text=["<image> what ?"], return_tensors="pt")
    side = 42 * SCALES[lens.model_type]
    assert lens.processor.image_processor.do_image_splitting
    assert own["pixel_values"].shape == (1, 3, 3, side, side)
    batch = lens.prepare([Sample(wide, question=QUESTION), Sample(noise_image(1), question="describe .")])
    assert batch.encoding["pixel_values"].shape == (2, 1, 3, side, side)
    assert [layout.grid for layout in batch.layouts] == [PatchGrid(6, 6)] * 2


def test_an_encoding_with_tiles_is_refused(lens: Lens) -> None:
    own = lens.processor(images=[[noise_image(0, 168, 84)]], text=["<image> what ?"], return_tensors="pt")
    with pytest.raises(ContractError, match=r"a picture is cut into 3 tiles.* set do_image_splitting=False"):
        lens.family.grids(dict(own), lens.config)


def test_a_prompt_is_marks_patches_mark_question(lens: Lens) -> None:
    batch = lens.prepare(Sample(noise_image(), question=QUESTION))
    tokens = lens.processor.tokenizer.convert_ids_to_tokens(batch.encoding["input_ids"][0])
    mark, closing = "<fake_token_around_image>", ["<end_of_utterance>", "Assistant:"]
    image = [mark, "<global-img>", *["<image>"] * 36, mark]
    assert tokens == ["<s>", "User:", *image, *QUESTION.split(), *closing]
    tail = lens.family.template_tail(lens.processor, lens.config)
    assert lens.processor.tokenizer.convert_ids_to_tokens(tail) == [mark, *closing]
    asked = batch.encoding["input_ids"][0][batch.layouts[0].question]
    assert lens.processor.tokenizer.decode(asked) == QUESTION


def test_a_cell_holds_the_patches_of_its_own_square(lens: Lens) -> None:
    """Every patch carries its own number through the merge."""
    scale = SCALES[lens.model_type]
    side = 6 * scale
    numbers = torch.arange(float(side**2)).view(1, -1, 1)
    merged = lens.hf_model.model.connector.pixel_shuffle(numbers, scale)[0]
    for cell, found in enumerate(merged.tolist()):
        top, left = scale * (cell // 6), scale * (cell % 6)
        square = {side * (top + i) + left + j for i in range(scale) for j in range(scale)}
        assert set(found) == square


def test_features_are_those_of_the_asked_pictures(lens: Lens) -> None:
    batch = lens.prepare([Sample(noise_image(seed), question="what ?") for seed in range(3)])
    whole = lens.hf_model.get_image_features(
        batch.encoding["pixel_values"], batch.encoding["pixel_attention_mask"], return_dict=True
    ).pooler_output
    asked = lens.family.image_features(lens.hf_model, batch.encoding, [2, 0])
    assert asked is not None
    for features, row in zip(asked, (2, 0), strict=True):
        torch.testing.assert_close(features, whole[row], rtol=1e-5, atol=1e-5)


def test_a_prompt_with_a_video_placeholder_is_refused() -> None:
    lens = wrap(*build_smolvlm())
    with pytest.raises(DataError, match="holds the video placeholder '<video>'; leave it out"):
        lens.prepare(Sample(noise_image(), question="what is in <video> ?"))


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, proc: setattr(proc, "image_seq_len", 64), "image_seq_len is 36 .* but 64"),
        (lambda config, _: setattr(config, "scale_factor", 1), "image_seq_len is .* but 36"),
        (lambda config, _: setattr(config, "image_token_id", 1), "image_token_id is 1 "),
    ],
)
def test_a_checkpoint_whose_parts_disagree_is_refused(name: str, change: Any, message: str) -> None:
    model, processor = BUILDERS[name]()
    change(model.config, processor)
    with pytest.raises(ContractError, match=message):
        wrap(model, processor)


def test_patches_that_cannot_be_merged_are_refused() -> None:
    model, processor = build_idefics3()
    processor.image_processor.max_image_size = {"longest_edge": 13 * 7}
    processor.image_seq_len = 13 * 13 // 4
    with pytest.raises(ContractError, match="13 patches per side cannot be merged by scale_factor=2; set"):
        wrap(model, processor)


@both
def test_a_folder_laid_out_as_the_published_checkpoints_loads(name: str, tmp_path: Path) -> None:
    """Image settings in preprocessor_config.json, the token count in processor_config.json, a template."""
    model, processor = BUILDERS[name]()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    public = {"idefics3": "Idefics3", "smolvlm": "SmolVLM"}[name]
    side = 42 * SCALES[name]
    images = {
        "image_processor_type": f"{public}ImageProcessor",
        "processor_class": f"{public}Processor",
        "do_image_splitting": True,
        "max_image_size": {"longest_edge": side},
        "size": {"longest_edge": 4 * side},
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(images))
    counts = {"image_seq_len": 36, "processor_class": f"{public}Processor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(counts))
    template = "User:<image>{{ messages[0].content[1].text }}<end_of_utterance>\nAssistant:"
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    lens = load(tmp_path, device="cpu")
    batch = lens.prepare(Sample(noise_image(0, 168, 84), question=QUESTION))
    assert batch.prompts == (f"User:<image>{QUESTION}<end_of_utterance>\nAssistant:",)
    assert batch.layouts[0].grid == PatchGrid(6, 6)
    assert len(batch.layouts[0].question) == len(QUESTION.split())


@both
def test_the_saved_processor_names_the_public_class(name: str, tmp_path: Path) -> None:
    BUILDERS[name]()[1].save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "processor_config.json").read_text())
    assert saved["processor_class"] == {"idefics3": "Idefics3Processor", "smolvlm": "SmolVLMProcessor"}[name]
    assert saved["image_seq_len"] == 36


@both
def test_the_report_says_that_splitting_is_off(name: str) -> None:
    assert "splitting is off" in family_for(name).token_meaning
