"""Loading refuses what it cannot vouch for, and needs no network for a folder."""

import json
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import SIZES, Twins, build_twins, ragged_samples

from scr_lens.errors import ConfigError, ContractError, DataError
from scr_lens.families import FAMILIES, family_for
from scr_lens.trace import load, loading, run_pass, wrap
from scr_lens.trace.synthetic import build_llava


def edit_json(path: Path, **changes: Any) -> None:
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | changes))


def test_a_folder_loads_without_network_and_computes_the_same(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("network access")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    lens, made = load(checkpoint, device="cpu"), build_twins().lens
    batch, same = lens.prepare(ragged_samples()), made.prepare(ragged_samples())
    for loaded, expected in zip(run_pass(lens, batch).samples, run_pass(made, same).samples, strict=True):
        assert torch.equal(loaded.logits, expected.logits)
    assert lens.processor_digest == made.processor_digest


def test_a_lens_says_what_it_is(checkpoint: Path) -> None:
    lens = load(str(checkpoint), device="cpu")
    assert lens.model_id == str(checkpoint)
    assert (lens.model_type, lens.dtype, lens.attn_implementation) == ("llava", "float32", "scr_rows")
    assert (lens.n_layers, lens.n_heads, lens.d_model) == (4, 4, 32)
    assert len(lens.layers) == 4
    assert lens.device == torch.device("cpu")
    assert not lens.hf_model.training


def test_dtype_and_default_device(checkpoint: Path) -> None:
    lens = load(checkpoint, dtype="bfloat16", device="cpu")
    assert lens.dtype == "bfloat16"
    record = run_pass(lens, lens.prepare(ragged_samples())).samples[0]
    assert record.logits is not None
    assert record.logits.dtype == torch.float32
    assert load(checkpoint).device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_revision_of_a_folder_follows_its_bytes(checkpoint: Path) -> None:
    first = load(checkpoint, device="cpu").revision
    assert len(first) == 64
    assert load(checkpoint, device="cpu").revision == first
    weights = checkpoint / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert load(checkpoint, device="cpu").revision != first


def test_the_processor_digest_follows_its_settings_but_not_its_use(checkpoint: Path) -> None:
    lens = load(checkpoint, device="cpu")
    before = lens.processor_digest
    lens.prepare(ragged_samples())
    assert lens.processor_digest == before
    lens.processor.image_processor.image_mean = [0.5, 0.5, 0.5]
    changed = lens.processor_digest
    assert changed != before
    lens.processor.chat_template = "{{ messages }}"
    assert lens.processor_digest not in (before, changed)


def test_an_unknown_family_is_refused_with_the_known_ones(checkpoint: Path) -> None:
    edit_json(checkpoint / "config.json", model_type="llavva")
    with pytest.raises(ContractError, match=r"'llavva'; did you mean 'llava'\? use one of: .*llava"):
        load(checkpoint)


def test_families_are_registered_under_their_own_name() -> None:
    assert all(family.model_type == name and family_for(name) is family for name, family in FAMILIES.items())


@pytest.mark.parametrize("path", ["/no/such/folder", "./missing", "a/b/c", "missing", Path("org/name")])
def test_a_missing_folder_is_refused(path: Any) -> None:
    with pytest.raises(DataError, match=r"no checkpoint folder at .*; give an existing folder"):
        load(path)


def test_a_hub_failure_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(loading, "reach_hub", lambda *_: {})
    monkeypatch.setattr(loading.PreTrainedConfig, "get_config_dict", fail)
    with pytest.raises(
        DataError, match=r"'owner/name' at revision 'v1' from the hub \(We .* to the hub\)"
    ) as caught:
        load("owner/name", revision="v1")
    assert "download the checkpoint and give its folder" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hub_name_is_pinned_to_its_commit(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, asked = "c0ffee" * 6, []
    settings = json.loads((checkpoint / "config.json").read_text())
    hub = SimpleNamespace(get_config_dict=lambda *_, **__: (settings, {}))
    monkeypatch.setattr(loading, "reach_hub", lambda *_: {})
    monkeypatch.setattr(
        loading, "cached_commit", lambda *given: commit if given == ("owner/name", "main") else ""
    )
    monkeypatch.setattr(loading, "PreTrainedConfig", hub)
    real = loading._from_pretrained

    def from_folder(auto: Any, source: str, **keywords: Any) -> Any:
        asked.append((source, keywords.pop("revision")))
        return real(auto, str(checkpoint), **keywords)

    monkeypatch.setattr(loading, "_from_pretrained", from_folder)
    assert load("owner/name", device="cpu").revision == commit
    assert asked == [("owner/name", commit)] * 2


def test_pickled_weights_are_refused(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(b"not opened")
    with pytest.raises(DataError, match=r"only pickled weights \(pytorch_model.bin\), which can run code"):
        load(checkpoint)


def test_missing_weights_config_and_processor_are_refused(checkpoint: Path) -> None:
    (checkpoint / "processor_config.json").unlink()
    with pytest.raises((DataError, ContractError)):
        load(checkpoint, device="cpu")
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"holds no \*.safetensors; download the weights"):
        load(checkpoint)
    (checkpoint / "config.json").unlink()
    with pytest.raises(DataError, match=r"config.json"):
        load(checkpoint)


def test_damaged_weights_are_refused(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot load"):
        load(checkpoint, device="cpu")


def test_a_checkpoint_that_lacks_a_weight_is_refused_instead_of_filled_with_noise(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    missing = next(name for name in weights if name.endswith("layers.2.mlp.up_proj.weight"))
    del weights[missing]
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        DataError, match=r"lacks 1 weights of its own architecture, such as .*mlp.up_proj.weight"
    ):
        load(checkpoint, device="cpu")


def test_code_in_a_checkpoint_is_not_run(checkpoint: Path) -> None:
    witness = checkpoint / "ran"
    (checkpoint / "evil.py").write_text(f"open({str(witness)!r}, 'w').close()\nclass Evil: pass\n")
    auto_map = {"AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.Evil"}
    edit_json(checkpoint / "config.json", auto_map=auto_map)
    edit_json(checkpoint / "processor_config.json", auto_map={"AutoProcessor": "evil.Evil"})
    load(checkpoint, device="cpu")
    assert not witness.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, "unknown dtype 'float8'"),
        ({"revision": "main"}, "revision='main' was given for the folder"),
        ({"device": "cpu", "device_map": "auto"}, "exclude each other"),
    ],
)
def test_bad_options_are_refused(checkpoint: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(checkpoint, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config, _: setattr(config.vision_config, "patch_size", 7), "patch_size is 7 in the model's"),
        (lambda config, _: setattr(config, "vision_feature_select_strategy", "full"), "set it to 'default'"),
        (
            lambda _, proc: setattr(proc, "vision_feature_select_strategy", "full"),
            "but 'full' in the processor",
        ),
        (lambda config, _: setattr(config.vision_config, "model_type", "pixtral"), "vision tower 'pixtral'"),
    ],
)
def test_model_and_processor_must_agree(change: Any, message: str) -> None:
    model, processor = build_llava(SIZES)
    change(model.config, processor)
    with pytest.raises(ContractError, match=message):
        wrap(model, processor)


def test_yes_and_no_are_found_in_all_spellings(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = {"▁Yes": 1, "yes": 2, "Ġno": 3, "NO": 4, "yesterday": 5, "nose": 6, "Ġyes": 7, "No.": 8}
    monkeypatch.setattr(twins.lens.processor.tokenizer, "get_vocab", lambda: vocabulary)
    assert replace(twins.lens).yes_no_ids() == ([1, 2, 7], [3, 4])  # a lens reads its vocabulary once
    monkeypatch.setattr(twins.lens.processor.tokenizer, "get_vocab", lambda: {"Yes": 0})
    with pytest.raises(ContractError, match="has no token for 'no'"):
        replace(twins.lens).yes_no_ids()
