"""Bad input gets one line that names it and says what to do; good input becomes the expected tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny import noise_image, ragged_samples

from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError, DataError, LayoutError
from scr_lens.trace import Batch, CaptureSpec, Lens, Sample, run_pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"question": ""}, "question is ''; give a text that is not empty"),
        ({"question": "  \n"}, "give a text that is not empty"),
        ({"prompt": ""}, "prompt is ''; give a text that is not empty"),
        ({"question": 3}, "question is 3; give a text"),
        ({}, "give exactly one of question"),
        ({"question": "a", "prompt": "<image> a"}, "give exactly one of question"),
    ],
)
def test_a_sample_needs_exactly_one_text(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Sample(noise_image(), **arguments)
    assert "\n" not in str(caught.value).replace("\\n", "")


@pytest.mark.parametrize("image", ["photo.jpg", Path("photo.jpg"), None, torch.zeros(3, 8, 8)])
def test_an_image_must_be_a_pil_image(image: Any) -> None:
    with pytest.raises(DataError, match=r"image is a \w+; give a PIL image, such as PIL.Image.open"):
        Sample(image, question="what ?")


def test_a_truncated_image_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    noise_image().save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with Image.open(path) as image, pytest.raises(DataError, match="image cannot be decoded"):
        Sample(image, question="what ?")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_images_of_any_mode_become_rgb(lens: Lens, mode: str) -> None:
    sample = Sample(noise_image().convert(mode), question="what ?")
    assert sample.image.mode == "RGB"
    assert run_pass(lens, lens.prepare(sample)).samples[0].logits.isfinite().all()


@pytest.mark.parametrize(
    ("prompt", "times"), [("USER: what ? ASSISTANT:", 0), ("USER: <image> <image> what ? ASSISTANT:", 2)]
)
def test_a_prompt_needs_exactly_one_placeholder(lens: Lens, prompt: str, times: int) -> None:
    with pytest.raises(DataError, match=f"'<image>' {times} times; put it in exactly once"):
        lens.prepare(Sample(noise_image(), prompt=prompt))


def test_a_question_must_not_hold_the_placeholder(lens: Lens) -> None:
    with pytest.raises(DataError, match="contains the image placeholder '<image>'; leave it out"):
        lens.prepare(Sample(noise_image(), question="what is <image> ?"))


def test_text_must_follow_the_image(lens: Lens) -> None:
    with pytest.raises(LayoutError, match="no text follows the image"):
        lens.prepare(Sample(noise_image(), prompt="USER: what ? <image>"))


def test_no_samples_is_refused(lens: Lens) -> None:
    with pytest.raises(DataError, match="got no samples; give at least one Sample"):
        lens.prepare([])


def test_a_prompt_longer_than_the_model_is_refused(lens: Lens) -> None:
    with pytest.raises(DataError, match="the model takes 2048; shorten the prompt"):
        lens.prepare(Sample(noise_image(), question="dog " * 2100))


def test_a_question_goes_into_the_familys_template(lens: Lens) -> None:
    batch = lens.prepare(Sample(noise_image(), question="is there a dog ?"))
    assert batch.prompts == ("USER: <image>\nis there a dog ? ASSISTANT:",)
    tokens = lens.processor.tokenizer.convert_ids_to_tokens(batch.encoding["input_ids"][0])
    assert tokens == ["<s>", "USER:", *["<image>"] * 36, "is", "there", "a", "dog", "?", "ASSISTANT:"]


def test_the_processors_chat_template_comes_first(lens: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    template = (
        "{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}<image> "
        "{% else %}{{ c.text }} {% endif %}{% endfor %}{% endfor %}ASSISTANT:"
    )
    monkeypatch.setattr(lens.processor, "chat_template", template)
    batch = lens.prepare(Sample(noise_image(), question="is there a dog ?"))
    assert batch.prompts == ("<image> is there a dog ? ASSISTANT:",)
    assert len(batch.layouts[0].question) == 5


def test_layouts_name_the_question_and_the_patches(lens: Lens, batch: Batch) -> None:
    tokenizer = lens.processor.tokenizer
    for layout, sample, ids in zip(batch.layouts, batch.samples, batch.encoding["input_ids"], strict=True):
        assert (layout.grid.height, layout.grid.width) == (6, 6)
        assert (ids[layout.image_positions] == lens.config.image_token_id).all()
        assert tokenizer.decode(ids[layout.question]).split() == (sample.question or "").split()
        assert tokenizer.decode(ids[layout.last]) == "ASSISTANT:"


def test_a_whole_prompt_is_used_as_it_is(lens: Lens) -> None:
    sample = ragged_samples()[0]
    as_prompt = Sample(sample.image, prompt=f"USER: <image>\n{sample.question} ASSISTANT:")
    batch, same = lens.prepare(sample), lens.prepare(as_prompt)
    assert torch.equal(batch.encoding["input_ids"], same.encoding["input_ids"])
    assert torch.equal(same.layouts[0].question, same.layouts[0].text_after_image)


def test_position_ids_count_real_tokens_only(batch: Batch) -> None:
    for layout, positions in zip(batch.layouts, batch.forward_inputs["position_ids"], strict=True):
        assert positions[layout.n_pad :].tolist() == list(range(layout.seq_len - layout.n_pad))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"queries": "all"}, "unknown query set 'all'"),
        ({"attention_heads": True}, "attention_heads=True needs attention="),
        ({"stop_after": 2}, "stop_after=2 ends the pass before there are logits"),
        ({"stop_after": 2, "logits": False, "gradients": True}, "stop_after=2 ends the pass before"),
        ({"gradient_target": "label"}, "gradient_target is 'label'; give 'answer'"),
    ],
)
def test_contradicting_captures_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CaptureSpec(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention": LayerRange(2, 4)}, "attention asks for block 4, but the pass runs blocks 0-3"),
        ({"residuals": (1, 9)}, "residuals entry 9 asks for block 9"),
        ({"residuals": (-1,)}, "residuals holds block -1; blocks count from 0"),
        ({"stop_after": 4, "logits": False}, "stop_after asks for block 4, but the pass runs blocks 0-3"),
        ({"stop_after": -1, "logits": False}, "stop_after asks for block -1"),
        ({"stop_after": 1, "logits": False, "residuals": (2,)}, "the pass runs blocks 0-1"),
    ],
)
def test_captures_outside_the_model_are_refused(
    lens: Lens, batch: Batch, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_pass(lens, batch, CaptureSpec(**settings))
