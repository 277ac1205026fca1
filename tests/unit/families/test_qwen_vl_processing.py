"""The processor built from an original checkpoint's files, base and Chat, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import qwen_vl_original as original
import torch
from tiny import noise_image
from tiny_qwen_vl import build_qwen_vl
from transformers import AutoProcessor

from scr_lens.errors import ContractError, DataError
from scr_lens.families import family_for
from scr_lens.families.qwen_vl import QwenVLProcessor
from scr_lens.trace import Sample, load, wrap

START = original.IMAGE_START
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return original.write(tmp_path_factory.mktemp("qwen") / "base", original.state())


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return original.write(tmp_path_factory.mktemp("qwen") / "chat", original.state(), chat=True)


@pytest.fixture(scope="module")
def processor(base: Path) -> Any:
    return AutoProcessor.from_pretrained(base, local_files_only=True)


@pytest.mark.parametrize("image", ["<img>a.jpg</img>", "<img><imgpad></img>", "<imgpad>", "<img>a\nb</img>"])
def test_every_way_to_write_an_image_gives_the_same_places(processor: Any, image: str) -> None:
    encoding = processor(images=noise_image(), text=f"a{image} dog", return_tensors="pt")
    a, dog = processor.tokenizer("a")["input_ids"], processor.tokenizer(" dog")["input_ids"]
    expected = [*a, START, *[START + 2] * 256, START + 1, *dog]
    assert encoding["input_ids"].tolist() == [expected]
    assert set(encoding) == {"input_ids", "attention_mask", "pixel_values"}


def test_expanded_prompts_stay_as_they_are(processor: Any) -> None:
    text = "<img>" + "<imgpad>" * 256 + "</img>a"
    ids = processor(images=noise_image(), text=text)["input_ids"][0]
    assert ids == processor.tokenizer(text)["input_ids"]


def test_images_are_squeezed_to_a_square(processor: Any) -> None:
    """A picture with a black left and a white right half keeps both whole, whatever its shape."""
    for size in [(200, 50), (40, 300)]:
        picture = noise_image(0, *size)
        picture.paste((0, 0, 0), (0, 0, size[0] // 2, size[1]))
        picture.paste((255, 255, 255), (size[0] // 2, 0, *size))
        pixels = processor(images=picture, text="<imgpad>", return_tensors="pt")["pixel_values"][0]
        assert pixels.shape == (3, original.IMAGE, original.IMAGE)
        third = original.IMAGE // 3
        torch.testing.assert_close(pixels[:, :, :third].mean((1, 2)), -MEAN / STD, rtol=0, atol=0.02)
        torch.testing.assert_close(pixels[:, :, -third:].mean((1, 2)), (1 - MEAN) / STD, rtol=0, atol=0.02)


def test_the_base_model_is_asked_with_the_authors_prompt(base: Path) -> None:
    lens = load(base, device="cpu")
    batch = lens.prepare(Sample(noise_image(), question="is there a dog?"))
    assert batch.prompts == ("<img><imgpad></img>is there a dog? Answer:",)
    layout, ids = batch.layouts[0], batch.encoding["input_ids"][0]
    assert (layout.grid.height, layout.grid.width) == (16, 16)
    assert (ids[layout.image_positions] == lens.config.image_token_id).all()
    decode = lens.processor.tokenizer.decode
    assert decode(ids[layout.text_after_image]) == "</img>is there a dog? Answer:"
    assert decode(ids[layout.question]) == "is there a dog?"
    assert "resampler" in lens.family.token_meaning
    assert lens.hf_model.generation_config.eos_token_id == len(original.ranks())


def test_chat_is_asked_in_chatml_and_ends_at_the_end_of_a_turn(chat: Path) -> None:
    lens = load(chat, device="cpu")
    batch = lens.prepare(Sample(noise_image(), question="is there a dog?"))
    assert batch.prompts == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nPicture 1:<img><imgpad></img>\nis there a dog?<|im_end|>\n"
        "<|im_start|>assistant\n",
    )
    question = batch.encoding["input_ids"][0][batch.layouts[0].question]
    assert lens.processor.tokenizer.decode(question) == "is there a dog?"
    end = len(original.ranks())
    assert lens.hf_model.generation_config.eos_token_id == [end, end + 2, end + 1]


def test_a_conversation_keeps_its_own_system_text_and_counts_pictures(chat: Path) -> None:
    processor = AutoProcessor.from_pretrained(chat, local_files_only=True)
    image = {"type": "image"}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [image, image, {"type": "text", "text": "what?"}]},
        {"role": "assistant", "content": "a dog"},
        {"role": "user", "content": "sure?"},
    ]
    assert processor.apply_chat_template(messages, tokenize=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nPicture 1:<img><imgpad></img>\nPicture 2:<img><imgpad></img>\nwhat?<|im_end|>\n"
        "<|im_start|>assistant\na dog<|im_end|>\n"
        "<|im_start|>user\nsure?<|im_end|>\n"
    )


def test_a_saved_processor_keeps_its_template_and_sizes(chat: Path, tmp_path: Path) -> None:
    made = AutoProcessor.from_pretrained(chat, local_files_only=True)
    made.save_pretrained(tmp_path)
    again = QwenVLProcessor.from_pretrained(tmp_path, local_files_only=True)
    assert again.chat_template == made.chat_template
    encodings = [p(images=noise_image(), text="<imgpad>a", return_tensors="pt") for p in (made, again)]
    for name, value in encodings[0].items():
        assert torch.equal(value, encodings[1][name])


def test_a_damaged_vocabulary_is_refused_at_load(tmp_path: Path) -> None:
    folder = original.write(tmp_path, original.state())
    (folder / "qwen.tiktoken").write_text("YQ== 0\n")
    with pytest.raises(DataError, match="lists 1 tokens that lack single bytes"):
        load(folder, device="cpu")


def test_a_folder_without_any_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = original.write(tmp_path, original.state())
    (folder / "qwen.tiktoken").unlink()
    with pytest.raises(DataError, match="cannot load"):
        load(folder, device="cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config, _: setattr(config, "image_token_id", 1),
            "id of <imgpad> is 1 in the model",
        ),
        (lambda _, processor: setattr(processor, "num_image_tokens", 256), "number of image tokens is 36 in"),
        (lambda config, _: setattr(config.vision_config, "image_size", 98), r"image size is \(98, 98\) in"),
        (lambda config, _: setattr(config.vision_config, "n_queries", 35), "n_queries is 35, not a square"),
        (
            lambda config, _: setattr(config.vision_config, "output_dim", 64),
            "have width 64, the language",
        ),
    ],
)
def test_model_and_processor_must_agree(change: Any, message: str) -> None:
    model, processor = build_qwen_vl()
    change(model.config, processor)
    with pytest.raises(ContractError, match=message):
        wrap(model, processor)


def test_the_family_is_the_original_checkpoints_own() -> None:
    assert family_for("qwen").image_features is not None
    assert family_for(original.config()["model_type"]).layers_path == "model.language_model.layers"
