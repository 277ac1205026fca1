"""An original Qwen-VL checkpoint loads unchanged and computes what its description says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qwen_vl_original as original
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny import noise_image
from transformers import AutoConfig, AutoModelForImageTextToText

from scr_lens.errors import ContractError, DataError
from scr_lens.families.qwen_vl import QwenVLConfig, QwenVLForConditionalGeneration, QwenVLProcessor
from scr_lens.trace import Lens, Sample, generate, load, run_pass

QUESTION = "is there a dog?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return original.write(tmp_path_factory.mktemp("qwen") / "original", original.state())


@pytest.fixture(scope="module")
def lens(folder: Path) -> Lens:
    return load(folder, device="cpu")


def load_with_report(folder: Path) -> tuple[Any, dict[str, Any]]:
    return AutoModelForImageTextToText.from_pretrained(
        folder, output_loading_info=True, local_files_only=True, dtype=torch.float32
    )


def independent_pixels(image: Image.Image) -> np.ndarray:
    square = np.asarray(image.convert("RGB").resize((original.IMAGE,) * 2, Image.Resampling.BICUBIC))
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    return ((square / 255 - mean) / std).transpose(2, 0, 1)


def expected_row(lens: Lens, state: original.State, sample: Sample) -> np.ndarray:
    ids = lens.prepare(sample).encoding["input_ids"][0].tolist()
    return original.logits(state, ids, [independent_pixels(sample.image)])[-1]


def test_no_key_is_missing_unexpected_or_mismatched(folder: Path) -> None:
    model, report = load_with_report(folder)
    assert isinstance(model, QwenVLForConditionalGeneration)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not report[kind], kind


def test_every_parameter_is_the_checkpoints_own(folder: Path) -> None:
    """None is re-initialized: each tensor is found, bit by bit, where the description puts it."""
    loaded = load_with_report(folder)[0].state_dict()
    state, width = original.state(), original.HIDDEN
    names = {"ln_1": "input_layernorm", "ln_2": "post_attention_layernorm", "attn.c_proj": "self_attn.o_proj"}
    names |= {"mlp.w1": "mlp.up_proj", "mlp.w2": "mlp.gate_proj", "mlp.c_proj": "mlp.down_proj"}
    expected = {
        "lm_head.weight": "lm_head.weight",
        "model.language_model.norm.weight": "transformer.ln_f.weight",
    }
    expected |= {"model.language_model.embed_tokens.weight": "transformer.wte.weight"}
    expected |= {f"model.{n.removeprefix('transformer.')}": n for n in state if ".visual." in n}
    for i in range(original.LAYERS):
        at = f"model.language_model.layers.{i}."
        expected |= {f"{at}{new}.weight": f"transformer.h.{i}.{old}.weight" for old, new in names.items()}
        for kind in ("weight", "bias"):
            fused = state.pop(f"transformer.h.{i}.attn.c_attn.{kind}")
            for part, letter in enumerate("qkv"):
                own = loaded.pop(f"{at}self_attn.{letter}_proj.{kind}")
                assert torch.equal(own, fused[part * width : (part + 1) * width])
    assert set(expected) == set(loaded)
    assert set(expected.values()) == set(state)
    for new, old in expected.items():
        assert torch.equal(loaded[new], state[old]), new


def test_the_logits_are_those_of_the_description(lens: Lens) -> None:
    sample = Sample(noise_image(3, 130, 60), question=QUESTION)
    expected = expected_row(lens, original.state(), sample)
    assert expected.std() > 0.5
    np.testing.assert_allclose(run_pass(lens, lens.prepare(sample)).samples[0].logits, expected, atol=2e-4)


def swap_mlp(state: original.State) -> None:
    for i in range(original.LAYERS):
        first, second = f"transformer.h.{i}.mlp.w1.weight", f"transformer.h.{i}.mlp.w2.weight"
        state[first], state[second] = state[second], state[first]


def swap_query_and_key(state: original.State) -> None:
    for name, value in state.items():
        if ".c_attn." in name:
            query, key, rest = value.chunk(3)
            state[name] = torch.cat([key, query, rest])


def swap_key_and_value(state: original.State) -> None:
    for name, value in state.items():
        if ".c_attn." in name:
            query, key, rest = value.chunk(3)
            state[name] = torch.cat([query, rest, key])


def pack_by_part(state: original.State) -> None:
    """Repack the image tower's fused rows as [q, k, v][head] instead of [head][q, k, v]."""
    for name, value in state.items():
        if ".attn.in_proj." in name:
            state[name] = value.unflatten(0, (original.V_HEADS, 3, -1)).transpose(0, 1).flatten(0, 2)


@pytest.mark.parametrize("mistake", [swap_mlp, swap_query_and_key, swap_key_and_value, pack_by_part])
def test_a_valid_looking_mistake_in_the_mapping_shows(
    lens: Lens, tmp_path: Path, mistake: Callable[[original.State], None]
) -> None:
    """All shapes fit, so only the numbers can tell."""
    state = original.state()
    mistake(state)
    wrong = load(original.write(tmp_path, state), device="cpu")
    sample = Sample(noise_image(3, 130, 60), question=QUESTION)
    expected = expected_row(lens, original.state(), sample)
    actual = run_pass(wrong, wrong.prepare(sample)).samples[0].logits.numpy()
    assert np.abs(actual - expected).max() > 0.1


def test_two_images_fill_their_own_places(lens: Lens) -> None:
    images = [noise_image(1), noise_image(2)]
    text = "<img>first.jpg</img>a <imgpad>is there a dog? Answer:"
    encoding = lens.processor(images=images, text=text, return_tensors="pt")
    ids = encoding["input_ids"][0].tolist()
    assert [ids.count(original.IMAGE_START + i) for i in range(3)] == [2, 2, 512]
    with torch.no_grad():
        actual = lens.hf_model(**encoding, use_cache=False).logits[0]
    expected = original.logits(original.state(), ids, [independent_pixels(image) for image in images])
    np.testing.assert_allclose(actual, expected, atol=2e-4)


def test_cached_greedy_is_recomputed_greedy(lens: Lens) -> None:
    batch = lens.prepare(Sample(noise_image(4), question=QUESTION))
    cached = generate(lens, batch, max_new_tokens=8)[0].token_ids
    ids, pixels = batch.encoding["input_ids"], batch.encoding["pixel_values"]
    with torch.no_grad():
        for _ in cached:
            scores = lens.hf_model(input_ids=ids, pixel_values=pixels, use_cache=False).logits[:, -1]
            ids = torch.cat([ids, scores.argmax(-1, keepdim=True)], dim=1)
    assert tuple(ids[0, batch.seq_len :].tolist()) == cached
    assert len(set(cached)) > 1


def test_a_padded_batch_gives_the_single_rows(lens: Lens) -> None:
    samples = [
        Sample(noise_image(i), question=text) for i, text in enumerate((QUESTION, "a cat?", "Describe"))
    ]
    together = run_pass(lens, lens.prepare(samples)).samples
    for sample, record in zip(samples, together, strict=True):
        expected = expected_row(lens, original.state(), sample)
        np.testing.assert_allclose(record.logits, expected, atol=2e-4)
    assert len({record.layout.n_pad for record in together}) == 3


def test_a_saved_model_is_an_ordinary_checkpoint(lens: Lens, tmp_path: Path) -> None:
    lens.hf_model.save_pretrained(tmp_path)
    lens.processor.save_pretrained(tmp_path)
    again = load(tmp_path, device="cpu")
    sample = Sample(noise_image(5), question=QUESTION)
    first, second = (run_pass(x, x.prepare(sample)).samples[0].logits for x in (lens, again))
    assert torch.equal(first, second)
    assert again.processor_digest == lens.processor_digest
    assert not (tmp_path / "qwen.tiktoken").exists()


def test_a_pickled_checkpoint_is_refused_and_converted_in_two_lines(lens: Lens, tmp_path: Path) -> None:
    folder, new = original.write(tmp_path / "old", original.state()), tmp_path / "new"
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    torch.save(original.state(), folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="holds only pickled weights"):
        load(folder, device="cpu")
    options = {"use_safetensors": False, "dtype": torch.float32}  # the config's own type is bfloat16
    QwenVLForConditionalGeneration.from_pretrained(folder, **options).save_pretrained(new)
    QwenVLProcessor.from_pretrained(folder).save_pretrained(new)
    sample = Sample(noise_image(5), question=QUESTION)
    converted = load(new, device="cpu", dtype="float32")
    first, second = (run_pass(x, x.prepare(sample)).samples[0].logits for x in (lens, converted))
    assert torch.equal(first, second)


def test_leftovers_of_old_checkpoints_are_ignored(tmp_path: Path) -> None:
    state = original.state() | {
        "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
        "transformer.rotary_emb.inv_freq": torch.ones(4),
    }
    report = load_with_report(original.write(tmp_path, state))[1]
    assert not report["unexpected_keys"]


def test_a_checkpoint_without_a_fused_projection_is_refused(tmp_path: Path) -> None:
    state = original.state()
    del state["transformer.h.1.attn.c_attn.weight"]
    with pytest.raises(DataError, match=r"lacks 3 weights of its own .*, such as .*layers\.1\.self_attn"):
        load(original.write(tmp_path, state), device="cpu")


def test_rows_beyond_the_exact_range_are_refused(lens: Lens) -> None:
    with pytest.raises(DataError, match="the model takes 2048; shorten the prompt"):
        lens.prepare(Sample(noise_image(), question="a cat " * 1100))
    model, text = lens.hf_model, torch.zeros(1, 2049, dtype=torch.long)
    message = r"a row of 2049 tokens, Qwen-VL as computed here takes 2048 .* shorten the prompt or max_new"
    with pytest.raises(DataError, match=message):
        model(input_ids=text)
    with torch.no_grad():
        cache = model(input_ids=text[:, :2048], use_cache=True, logits_to_keep=1).past_key_values
    with pytest.raises(DataError, match=message):
        model(input_ids=text[:, :1], past_key_values=cache)


def test_images_and_places_must_agree(lens: Lens) -> None:
    batch = lens.prepare(Sample(noise_image(), question=QUESTION))
    pixels = batch.encoding["pixel_values"].repeat(2, 1, 1, 1)
    with pytest.raises(DataError, match=r"256 image places \(id \d+\), the images give 512 tokens; build"):
        lens.hf_model(input_ids=batch.encoding["input_ids"], pixel_values=pixels)


def published_config() -> dict[str, Any]:
    """The sizes of Qwen-VL and Qwen-VL-Chat."""
    visual = {"heads": 16, "image_size": 448, "image_start_id": 151857, "layers": 48, "mlp_ratio": 4.9231}
    visual |= {"output_dim": 4096, "patch_size": 14, "width": 1664}
    sizes = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128}
    sizes |= {"intermediate_size": 22016, "vocab_size": 151936}
    return original.config() | sizes | {"visual": visual}


def test_half_precision_stays_near_the_description(folder: Path) -> None:
    """bfloat16 keeps 8 bits; the original, which turns the rotary angles in float32, rounds as much."""
    half = load(folder, device="cpu", dtype="bfloat16")
    sample = Sample(noise_image(3, 130, 60), question=QUESTION)
    expected = expected_row(half, original.state(), sample)
    actual = run_pass(half, half.prepare(sample)).samples[0].logits.numpy()
    assert np.abs(actual - expected).max() < 0.15 * np.abs(expected).max()
    assert np.corrcoef(actual, expected)[0, 1] > 0.995


def test_the_published_sizes_have_the_published_number_of_parameters() -> None:
    config = QwenVLConfig.from_dict(published_config())
    with torch.device("meta"):
        model = QwenVLForConditionalGeneration._from_config(config)
    visual = sum(p.numel() for p in model.model.visual.parameters())
    assert visual == 1_935_610_624
    assert sum(p.numel() for p in model.parameters()) - visual == 7_721_324_544
    assert sum(np.prod(shape) for shape in original.shapes(published_config()).values()) == 9_656_935_168
    assert (config.image_token_id, config.vision_config.n_queries, config.vision_config.grid_size) == (
        151859,
        256,
        16,
    )
    assert config.text_config.max_position_embeddings == 2048
    assert not hasattr(config, "auto_map")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visual": None}, "no 'visual' section: a text-only Qwen model"),
        ({"rotary_pct": 0.5}, "sets rotary_pct=0.5, this port computes only 1.0"),
        ({"no_bias": False}, "sets no_bias=False, this port computes only True"),
        ({"quantization_config": {"bits": 4}}, "sets quantization_config="),
    ],
)
def test_configs_of_other_models_are_refused(folder: Path, tmp_path: Path, change: Any, message: str) -> None:
    settings = {k: v for k, v in (original.config() | change).items() if k != "visual" or v is not None}
    original.write_json(tmp_path / "config.json", settings)
    with pytest.raises(ContractError, match=message):
        AutoConfig.from_pretrained(tmp_path, local_files_only=True)
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ContractError, match=message):
        load(tmp_path, device="cpu")
