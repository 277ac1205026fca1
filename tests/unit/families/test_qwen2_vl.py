"""Qwen2-VL and Qwen2.5-VL: rotary positions by another route, grids of any aspect, videos refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import noise_image
from tiny_qwen2_vl import build_qwen2_5_vl, build_qwen2_vl

from scr_lens.errors import ContractError, DataError
from scr_lens.families import family_for
from scr_lens.grid import PatchGrid
from scr_lens.trace import Lens, Sample, load, run_pass, wrap

SIZES = ((168, 196), (224, 140), (110, 250))
TEXTS = ("is there a dog ?", "what color is the red ball on the left ?", "describe .")


@pytest.fixture(scope="module", params=[build_qwen2_vl, build_qwen2_5_vl], ids=["2", "2.5"])
def lens(request: pytest.FixtureRequest) -> Lens:
    return wrap(*request.param())


def samples() -> list[Sample]:
    return [
        Sample(noise_image(i, *size), question=text)
        for i, (size, text) in enumerate(zip(SIZES, TEXTS, strict=True))
    ]


def test_positions_equal_a_loop_over_tokens(lens: Lens) -> None:
    batch = lens.prepare(samples())
    image_token = lens.config.image_token_id
    for row, layout in enumerate(batch.layouts):
        expected, at, cell = [], 0, 0
        for token in batch.encoding["input_ids"][row, layout.n_pad :].tolist():
            if token == image_token:
                r, c = divmod(cell, layout.grid.width)
                expected.append((at, at + r, at + c))
                cell += 1
                if cell == layout.grid.size:
                    at += max(layout.grid.height, layout.grid.width)
            else:
                expected.append((at, at, at))
                at += 1
        found = batch.forward_inputs["position_ids"][:, row, layout.n_pad :].T.tolist()
        assert [tuple(position) for position in found] == expected


def test_positions_equal_the_models_own_even_with_padding(lens: Lens) -> None:
    batch = lens.prepare(samples())
    names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
    own, _ = lens.hf_model.model.get_rope_index(**{name: batch.encoding[name] for name in names})
    assert torch.equal(batch.forward_inputs["position_ids"], own)
    assert len({layout.n_pad for layout in batch.layouts}) == 3


def test_a_pass_neither_reads_nor_writes_the_models_rope_deltas(lens: Lens) -> None:
    batch = lens.prepare(samples())
    before = run_pass(lens, batch).samples[0].logits
    lens.hf_model.model.rope_deltas = torch.tensor([[999]])
    after = run_pass(lens, batch).samples[0].logits
    assert torch.equal(before, after)
    assert lens.hf_model.model.rope_deltas.tolist() == [[999]]
    lens.hf_model.model.rope_deltas = None


def test_grids_are_patches_over_the_merge_size() -> None:
    config = build_qwen2_vl()[0].config
    encoding = {"image_grid_thw": torch.tensor([[1, 4, 10], [1, 26, 38]])}
    assert family_for("qwen2_vl").grids(encoding, config) == (PatchGrid(2, 5), PatchGrid(13, 19))


def test_an_image_of_several_frames_is_refused() -> None:
    config = build_qwen2_vl()[0].config
    with pytest.raises(ContractError, match="an image has 3 frames, which do not lie in one patch grid"):
        family_for("qwen2_vl").grids({"image_grid_thw": torch.tensor([[1, 4, 4], [3, 4, 4]])}, config)


def test_a_prompt_with_a_video_placeholder_is_refused(lens: Lens) -> None:
    prompt = "<|vision_start|><|image_pad|><|vision_end|> what ? <|video_pad|>"
    with pytest.raises(DataError, match=r"holds the video placeholder '<\|video_pad\|>'; leave it out"):
        lens.prepare(Sample(noise_image(), prompt=prompt))
    with pytest.raises(DataError, match="holds the video placeholder"):
        lens.prepare(Sample(noise_image(), question="what is in <|video_pad|> ?"))


def test_features_are_those_of_the_asked_pictures(lens: Lens) -> None:
    batch = lens.prepare(samples())
    whole = lens.hf_model.get_image_features(
        batch.encoding["pixel_values"], batch.encoding["image_grid_thw"], return_dict=True
    ).pooler_output
    asked = lens.family.image_features(lens.hf_model, batch.encoding, [2, 0])
    assert asked is not None
    for features, row in zip(asked, (2, 0), strict=True):
        torch.testing.assert_close(features, whole[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, proc: setattr(proc.image_processor, "merge_size", 1), "spatial_merge_size is 2"),
        (lambda _, proc: setattr(proc.image_processor, "patch_size", 16), "patch_size is 14"),
        (lambda _, proc: setattr(proc.image_processor, "temporal_patch_size", 1), "temporal_patch_size is 2"),
        (lambda config, _: setattr(config, "image_token_id", 1), "image_token_id is 1"),
    ],
)
def test_a_checkpoint_whose_parts_disagree_is_refused(change: Any, message: str) -> None:
    model, processor = build_qwen2_vl()
    change(model.config, processor)
    with pytest.raises(ContractError, match=message):
        wrap(model, processor)


def test_a_folder_laid_out_as_the_published_checkpoints_loads(tmp_path: Path) -> None:
    """Pixel limits in preprocessor_config.json, a chat_template.json, no processor_config.json."""
    model, processor = build_qwen2_vl()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    (tmp_path / "processor_config.json").unlink()
    images = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "min_pixels": 4 * 28 * 28,
        "max_pixels": 64 * 28 * 28,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(images))
    template = "<|vision_start|><|image_pad|><|vision_end|>{{ messages[0].content[1].text }}<|im_end|>"
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    lens = load(tmp_path, device="cpu")
    batch = lens.prepare(samples())
    assert batch.prompts[0] == template.replace("{{ messages[0].content[1].text }}", TEXTS[0])
    assert [layout.grid for layout in batch.layouts] == [PatchGrid(7, 6), PatchGrid(5, 8), PatchGrid(9, 4)]


def test_the_saved_processor_names_the_public_class(tmp_path: Path) -> None:
    for build, name in ((build_qwen2_vl, "Qwen2VLProcessor"), (build_qwen2_5_vl, "Qwen2_5_VLProcessor")):
        build()[1].save_pretrained(tmp_path)
        assert json.loads((tmp_path / "processor_config.json").read_text())["processor_class"] == name
