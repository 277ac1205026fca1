"""Number type, device map, offloading and verification reach the loader, or are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import noise_image

from scr_lens.cli import main
from scr_lens.errors import ConfigError, ContractError
from scr_lens.models import load
from scr_lens.trace import CaptureSpec, Sample, attention, loading, run_pass


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_the_number_type_reaches_the_weights(checkpoint: Path, dtype: str) -> None:
    lens = load(checkpoint, dtype=dtype, device="cpu")
    assert {parameter.dtype for parameter in lens.hf_model.parameters()} == {getattr(torch, dtype)}


def test_a_device_map_needs_accelerate(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_has_accelerate", lambda: False)
    with pytest.raises(ConfigError, match=r"device_map='auto' needs the package accelerate, .*install it"):
        load(checkpoint, device_map="auto")


def test_a_decoder_offloaded_to_disk_gives_the_same_pass(checkpoint: Path, tmp_path: Path) -> None:
    places = {"model.vision_tower": "cpu", "model.multi_modal_projector": "cpu", "lm_head": "cpu"}
    offloaded = load(
        checkpoint, device_map={**places, "model.language_model": "disk"}, offload_folder=tmp_path / "offload"
    )
    assert offloaded.hf_model.hf_device_map["model.language_model"] == "disk"
    weight = next(offloaded.hf_model.model.language_model.parameters())
    assert weight.device.type == "meta"
    found, expected = (
        run_pass(lens, lens.prepare(Sample(noise_image(0), question="is there a dog ?")), CaptureSpec())
        for lens in (offloaded, load(checkpoint))
    )
    torch.testing.assert_close(found.samples[0].logits, expected.samples[0].logits, rtol=0, atol=0)
    torch.testing.assert_close(found.samples[0].resid_norm, expected.samples[0].resid_norm, rtol=0, atol=0)


def test_device_map_and_offload_folder_reach_transformers(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    real = loading._from_pretrained

    def without_map(auto: Any, source: str, **keywords: Any) -> Any:
        asked.update(
            {name: keywords.pop(name) for name in ("device_map", "offload_folder") if name in keywords}
        )
        return real(auto, source, **keywords)

    monkeypatch.setattr(loading, "_has_accelerate", lambda: True)
    monkeypatch.setattr(loading, "_from_pretrained", without_map)
    load(checkpoint, device_map={"": "cpu"}, offload_folder=tmp_path / "offload")
    assert asked == {"device_map": {"": "cpu"}, "offload_folder": str(tmp_path / "offload")}


def test_an_offload_folder_alone_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="without a device_map puts nothing there"):
        load(checkpoint, device="cpu", offload_folder="x")


def test_verify_refuses_what_the_doctor_refuses(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(checkpoint, device="cpu", verify=True).n_layers == 4
    monkeypatch.setattr(attention, "edited_output", lambda output, *_: output)
    assert load(checkpoint, device="cpu").n_layers == 4
    with pytest.raises(ContractError, match="1 of 13 checks failed: the tap is causal"):
        load(checkpoint, device="cpu", verify=True)


@pytest.fixture(params=["doctor", "inspect"])
def command(request: pytest.FixtureRequest, checkpoint: Path, tmp_path: Path) -> list[str]:
    """The beginning of a command line that loads the checkpoint."""
    if request.param == "doctor":
        return ["scr-lens", "doctor", str(checkpoint)]
    picture = tmp_path / "noise.png"
    noise_image().save(picture)
    question = ["--prompt", "is there a dog ?", "--sources", "2"]
    model = ["--model", str(checkpoint), "--out", str(tmp_path)]
    return ["scr-lens", "inspect", str(picture), *question, *model]


def test_commands_pass_their_options_on(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [*command, "--dtype", "float64", "--device", "cpu", "--json"])
    seen: list[Any] = []
    real = loading.wrap
    monkeypatch.setattr(loading, "wrap", lambda *a, **k: seen.append(real(*a, **k)) or seen[-1])
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out)
    assert seen[0].dtype == "float64"


def test_a_device_map_reaches_the_loader_from_commands(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [*command, "--device-map", "auto"])
    monkeypatch.setattr(loading, "_has_accelerate", lambda: False)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "error: device_map='auto' needs the package accelerate" in capsys.readouterr().err
