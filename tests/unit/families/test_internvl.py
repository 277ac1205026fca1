"""InternVL: one tile whatever the processor's setting, merged patches in raster order, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import noise_image
from tiny_internvl import build_internvl
from transformers import InternVLConfig

from scr_lens.errors import ContractError, DataError
from scr_lens.families import family_for
from scr_lens.families.internvl import merged_grid
from scr_lens.grid import PatchGrid
from scr_lens.trace import Lens, Sample, load, wrap

QUESTION = "is there a dog ?"


@pytest.fixture(scope="module")
def lens() -> Lens:
    return wrap(*build_internvl())


def test_the_published_tile_has_16_by_16_cells() -> None:
    assert merged_grid(448, 448, InternVLConfig()) == PatchGrid(16, 16)


def test_tiling_is_off_though_the_processor_has_it_on(lens: Lens) -> None:
    wide = noise_image(0, 168, 84)
    own = lens.processor(images=[wide], text=["<IMG_CONTEXT> what ?"], return_tensors="pt")
    assert lens.processor.image_processor.crop_to_patches
    assert own["pixel_values"].shape == (3, 3, 84, 84)
    batch = lens.prepare([Sample(wide, question=QUESTION), Sample(noise_image(1), question="describe .")])
    assert batch.encoding["pixel_values"].shape == (2, 3, 84, 84)
    assert [layout.grid for layout in batch.layouts] == [PatchGrid(6, 6)] * 2


def test_an_encoding_with_tiles_is_refused(lens: Lens) -> None:
    wide = noise_image(0, 168, 84)
    own = lens.processor(images=[wide], text=["<IMG_CONTEXT> what ?"], return_tensors="pt")
    with pytest.raises(ContractError, match=r"1 pictures are cut into 3 tiles.* set crop_to_patches=False"):
        lens.family.grids(dict(own), lens.config)


def test_a_prompt_is_start_patches_end_question(lens: Lens) -> None:
    batch = lens.prepare(Sample(noise_image(), question=QUESTION))
    tokens = lens.processor.tokenizer.convert_ids_to_tokens(batch.encoding["input_ids"][0])
    image = ["<img>", *["<IMG_CONTEXT>"] * 36, "</img>"]
    opening, closing = ["<|im_start|>", "user"], ["<|im_end|>", "<|im_start|>", "assistant"]
    assert tokens == ["<s>", *opening, *image, *QUESTION.split(), *closing]
    tail = lens.family.template_tail(lens.processor, lens.config)
    assert lens.processor.tokenizer.convert_ids_to_tokens(tail) == ["</img>", *closing]
    asked = batch.encoding["input_ids"][0][batch.layouts[0].question]
    assert lens.processor.tokenizer.decode(asked) == QUESTION


def test_a_cell_holds_the_patches_of_its_own_square(lens: Lens) -> None:
    """Every patch carries its own number through the merge."""
    patches = torch.arange(144.0).view(1, 12, 12, 1)
    merged = lens.hf_model.model.pixel_shuffle(patches, 0.5).reshape(36, 4)
    for cell, found in enumerate(merged.tolist()):
        top, left = 2 * (cell // 6), 2 * (cell % 6)
        assert set(found) == {12 * row + col for row in (top, top + 1) for col in (left, left + 1)}


def test_features_are_those_of_the_asked_pictures(lens: Lens) -> None:
    batch = lens.prepare([Sample(noise_image(seed), question="what ?") for seed in range(3)])
    whole = lens.hf_model.get_image_features(batch.encoding["pixel_values"], return_dict=True).pooler_output
    asked = lens.family.image_features(lens.hf_model, batch.encoding, [2, 0])
    assert asked is not None
    for features, row in zip(asked, (2, 0), strict=True):
        torch.testing.assert_close(features, whole[row], rtol=1e-5, atol=1e-5)


def test_a_prompt_with_a_video_placeholder_is_refused(lens: Lens) -> None:
    with pytest.raises(DataError, match="holds the video placeholder '<video>'; leave it out"):
        lens.prepare(Sample(noise_image(), question="what is in <video> ?"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, proc: proc.image_processor.size.update(width=56), "size is 84 x 56.*same number"),
        (lambda _, proc: setattr(proc, "image_seq_length", 144), "image_seq_length is 36 .* but 144"),
        (lambda config, _: setattr(config, "downsample_ratio", 1.0), "image_seq_length is 144 .* but 36"),
        (lambda config, _: setattr(config, "image_token_id", 1), "image_token_id is 1 "),
        (
            lambda config, _: setattr(config, "vision_feature_select_strategy", "full"),
            "'full' keeps the class token.*set it to 'default'",
        ),
    ],
)
def test_a_checkpoint_whose_parts_disagree_is_refused(change: Any, message: str) -> None:
    model, processor = build_internvl()
    processor.image_processor.size = dict(processor.image_processor.size)
    change(model.config, processor)
    with pytest.raises(ContractError, match=message):
        wrap(model, processor)


def test_a_folder_laid_out_as_the_published_checkpoints_loads(tmp_path: Path) -> None:
    """Image settings in preprocessor_config.json, the token count in processor_config.json, a template."""
    model, processor = build_internvl()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    images = {
        "image_processor_type": "GotOcr2ImageProcessorFast",
        "processor_class": "InternVLProcessor",
        "crop_to_patches": False,
        "min_patches": 1,
        "max_patches": 12,
        "size": {"height": 84, "width": 84},
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(images))
    counts = {"image_seq_length": 36, "processor_class": "InternVLProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(counts))
    template = "<|im_start|>user\n<IMG_CONTEXT>\n{{ messages[0].content[1].text }}<|im_end|>\nassistant"
    (tmp_path / "chat_template.jinja").write_text(template)
    lens = load(tmp_path, device="cpu")
    batch = lens.prepare(Sample(noise_image(0, 168, 84), question=QUESTION))
    assert batch.prompts == (f"<|im_start|>user\n<IMG_CONTEXT>\n{QUESTION}<|im_end|>\nassistant",)
    assert batch.layouts[0].grid == PatchGrid(6, 6)
    assert len(batch.layouts[0].question) == len(QUESTION.split())


def test_the_saved_processor_names_the_public_class(tmp_path: Path) -> None:
    build_internvl()[1].save_pretrained(tmp_path)
    assert json.loads((tmp_path / "processor_config.json").read_text())["processor_class"] == (
        "InternVLProcessor"
    )


def test_the_report_says_that_tiling_is_off() -> None:
    assert "tiling is off" in family_for("internvl").token_meaning
