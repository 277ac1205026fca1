"""The benchmark of published models runs the whole path; here on the same files with smaller numbers."""

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from small_published import small_published

from scr_lens import random_weights, real_size
from scr_lens.analysis.paired_ratio import Ratio
from scr_lens.cli import main
from scr_lens.cli.published import RandomWeights
from scr_lens.errors import ConfigError
from scr_lens.families.published import PUBLISHED, build_published
from scr_lens.real_size import real_size_benchmark


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (real_size, random_weights):
        monkeypatch.setattr(module, "read_published", small_published)


@pytest.mark.parametrize(
    ("name", "grid", "layers"),
    [
        ("llava-1.5-7b", (24, 24), None),
        ("chameleon-30b", (32, 32), 1),
        ("qwen-vl", (16, 16), 2),
        ("qwen2-vl-7b", (17, 23), 3),
    ],
)
def test_the_whole_path_runs(
    name: str, grid: tuple[int, int], layers: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_small(monkeypatch)
    result = real_size_benchmark(name, dtype="float32", device="cpu", n_layers=layers, rounds=2)
    assert (result.grid, result.image_tokens) == (grid, grid[0] * grid[1])
    assert (result.n_layers, result.published_layers) == (layers or 4, 4)
    assert (result.distinct_blocks, result.held_parameters) == (layers or 4, result.parameters)
    assert ("CUT to" in str(result)) == (layers is not None)
    assert set(result.ratios) == {"capture", "diagnose", "scr"}
    assert result.seq_len > result.image_tokens
    assert result.peak_gib > 0.01


def test_weights_are_of_the_type_asked_for_and_neutral_where_they_must_be() -> None:
    model, _ = build_published(small_published("chameleon-30b"), dtype=torch.bfloat16, device="cpu", seed=3)
    again, _ = build_published(small_published("chameleon-30b"), dtype=torch.bfloat16, device="cpu", seed=3)
    other, _ = build_published(small_published("chameleon-30b"), dtype=torch.bfloat16, device="cpu", seed=4)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    block = model.model.layers[1]
    assert block.mlp.up_proj.weight.float().std().item() == pytest.approx(0.02, rel=0.1)
    for weight in (block.input_layernorm.weight, block.self_attn.q_norm.weight, model.model.norm.weight):
        assert torch.equal(weight, torch.ones_like(weight))
    assert not block.self_attn.q_norm.bias.any()
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    assert not torch.equal(other.lm_head.weight, model.lm_head.weight)


def test_the_table_says_what_was_run() -> None:
    ratio = Ratio(median=1.5, low=1.25, high=1.75)
    result = real_size.RealSizeBenchmark(
        name="llava-1.5-7b",
        checkpoint="llava-hf/llava-1.5-7b-hf",
        n_layers=2,
        published_layers=32,
        distinct_blocks=2,
        parameters=1234567,
        held_parameters=1234567,
        dtype="bfloat16",
        device="cpu (1 threads)",
        image_tokens=576,
        grid=(24, 24),
        seq_len=600,
        peak_gib=1.26,
        rounds=3,
        build_s=1.0,
        features_s=0.5,
        plain_s=0.25,
        ratios={"scr": ratio},
    )
    lines = str(result).splitlines()
    assert "CUT to 2 of 32 blocks, not the published model" in lines[0]
    assert lines[1] == "parameters    1,234,567 in bfloat16 on cpu (1 threads), made in 1.0 s"
    assert lines[2] == "image tokens  576 (24 x 24) of 600 tokens"
    assert lines[-1] == "scr           1.500 (quartiles 1.250 to 1.750)"
    deep = str(replace(result, n_layers=32, held_parameters=987654)).splitlines()
    assert "CUT" not in deep[0] and deep[0].endswith(
        "random weights; blocks REPEAT the weights of the first 2"
    )
    assert deep[1].startswith("parameters    1,234,567, 987,654 in memory in bfloat16")
    whole = replace(result, n_layers=32, distinct_blocks=32)
    assert "CUT" not in str(whole) and "REPEAT" not in str(whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float64"}, "unknown dtype 'float64'"),
        ({"rounds": 1}, "rounds is 1; give at least 2"),
        ({"distinct_blocks": 33}, "--distinct-blocks 33: 32 decoder blocks are to be made; give .* 1 to 32"),
        ({"distinct_blocks": 3, "n_layers": 2}, "--distinct-blocks 3: 2 decoder blocks"),
        ({"n_layers": 33}, "--layers 33: llava-1.5-7b has 32 decoder blocks"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        real_size_benchmark("llava-1.5-7b", device="cpu", **options)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--random-weights", "llava"), 2, "unknown published model 'llava'"),
        (("--random-weights", "qwen-vl", "capture"), 2, "'capture' are two measurements"),
        (("--layers", "2"), 2, "nothing to measure; give --random-weights NAME"),
    ],
)
def test_the_command_refuses(
    arguments: tuple[str, ...], status: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("sys.argv", ["scr-lens", "bench", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == status
    assert message in capsys.readouterr().err


def test_the_command_passes_its_options_on(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    make_small(monkeypatch)
    options = ("--dtype", "bfloat16", "--device", "cpu", "--layers", "2", "--rounds", "2", "--json")
    options += ("--distinct-blocks", "1")
    monkeypatch.setattr("sys.argv", ["scr-lens", "bench", "--random-weights", "qwen-vl", *options])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    found = json.loads(capsys.readouterr().out)
    assert (found["dtype"], found["n_layers"], found["rounds"]) == ("bfloat16", 2, 2)
    assert found["distinct_blocks"] == 1 and found["held_parameters"] < found["parameters"]


def test_the_options_name_every_published_model() -> None:
    (option,) = [part for part in get_args(RandomWeights) if hasattr(part, "help")]
    listed = option.help.partition("random weights: ")[2].rstrip(".").replace(" or ", ", ")
    assert tuple(listed.split(", ")) == PUBLISHED
