"""The doctor passes sound models of every family, and each of its checks fails when its subject is broken."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from families import family_twins
from small_published import small_published
from tiny import SIZES, Twins, build_twins
from transformers import AttentionInterface

from scr_lens import random_weights
from scr_lens.cli import main
from scr_lens.doctor import Check, Examination, examine, require_sound
from scr_lens.errors import ContractError
from scr_lens.families.llava import LlavaFamily
from scr_lens.grid import PatchGrid
from scr_lens.models import load
from scr_lens.trace import Lens, attention, passes, recorder, scores
from scr_lens.trace.attention import ATTN_IMPLEMENTATION, scr_rows_attention

NAMES = {
    "grid",
    "features equal pixels",
    "identity is bitwise",
    "blocks equal eager",
    "logits equal eager",
    "attention rows equal eager",
    "attention rows sum to one",
    "the tap is causal",
    "edit of the first block",
    "edit of a middle block",
    "edit of the last block",
    "left padding = single",
    "yes and no have tokens",
}
EDITS = {"edit of the first block", "edit of a middle block", "edit of the last block"}


def failed(found: Examination) -> set[str]:
    return {check.name for check in found.checks if not check.passed}


def test_every_family_passes_every_check(twins: Twins, tiny_family: Any) -> None:
    found = examine(twins.lens)
    assert {check.name for check in found.checks} == NAMES
    assert failed(found) == set(), str(found)
    assert found.passed
    assert found.normalization == tiny_family.normalization
    assert all(height * width > 3 for height, width in found.grids)
    assert twins.lens.attn_implementation == ATTN_IMPLEMENTATION
    assert twins.lens.tap.request is None
    assert twins.lens.tap.edit is None


def test_the_shipped_organism_passes() -> None:
    found = examine(load(device="cpu"))
    assert found.passed, str(found)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_number_types_have_bounds_of_their_own(dtype: torch.dtype) -> None:
    found = examine(build_twins(replace(SIZES, gain=1.0), dtype).lens)
    assert found.passed, str(found)
    bounds = {check.name: check.tolerance for check in found.checks}
    assert (bounds["blocks equal eager"] < 1e-5) == (dtype == torch.float64)


def test_logits_that_nothing_can_have_do_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chameleon gives image codes the lowest number as logit; against it any difference is small."""
    lens = family_twins("chameleon").lens
    real = recorder.Recorder.on_logits
    lowest = torch.finfo(torch.float32).min

    def off(self: Any, logits: torch.Tensor) -> None:
        assert (logits == lowest).any()
        real(self, torch.where(logits == lowest, logits, logits * 1.001))

    monkeypatch.setattr(recorder.Recorder, "on_logits", off)
    assert failed(examine(lens)) == {"logits equal eager", "identity is bitwise"}


@pytest.fixture
def sick() -> Lens:
    return build_twins().lens


@pytest.fixture
def registered() -> Iterator[Callable[[Any], None]]:
    """Puts another function in the place of the registered attention; the real one is back afterwards."""
    yield lambda function: AttentionInterface.register(ATTN_IMPLEMENTATION, function)
    AttentionInterface.register(ATTN_IMPLEMENTATION, scr_rows_attention)


def test_a_sound_lens_of_this_module_is_sound(sick: Lens) -> None:
    assert failed(examine(sick)) == set()
    assert require_sound(sick) is sick


def test_wrong_scaling_in_the_attention_is_found(sick: Lens, registered: Any) -> None:
    def colder(*arguments: Any, **keywords: Any) -> Any:
        return scr_rows_attention(*arguments, **{**keywords, "scaling": 1.001 * keywords["scaling"]})

    registered(colder)
    assert failed(examine(sick)) >= {
        "blocks equal eager",
        "logits equal eager",
        "attention rows equal eager",
        "identity is bitwise",
    }


def test_one_changed_bit_is_found(sick: Lens, registered: Any) -> None:
    def nudged(*arguments: Any, **keywords: Any) -> Any:
        output, rows = scr_rows_attention(*arguments, **keywords)
        return output * (1 + 1e-6), rows

    registered(nudged)
    assert failed(examine(sick)) == {"identity is bitwise"}


def test_another_attention_implementation_is_found(sick: Lens) -> None:
    sick.hf_model.set_attn_implementation(sick.family.attn_implementation("eager"))
    found = examine(sick)
    assert failed(found) >= {"attention rows equal eager", "the tap is causal"}
    assert "could not be carried out" in str(found)
    assert found.attention == sick.attn_implementation == "eager"


def test_shifted_rows_are_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = attention.requested_rows
    monkeypatch.setattr(attention, "requested_rows", lambda *a, **k: real(*a, **k).roll(1, -1))
    assert failed(examine(sick)) == {"attention rows equal eager"}


def test_rows_that_lose_mass_are_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = scores.Scores.probabilities
    monkeypatch.setattr(scores.Scores, "probabilities", lambda self, asked: 0.999 * real(self, asked))
    assert failed(examine(sick)) == {"attention rows sum to one", "attention rows equal eager"}


def test_rows_of_the_wrong_queries_are_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = scores.Scores.probabilities
    monkeypatch.setattr(scores.Scores, "probabilities", lambda self, asked: real(self, asked - 1))
    assert "attention rows equal eager" in failed(examine(sick))


def test_a_tap_beside_the_model_is_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "edited_output", lambda output, *_: output)
    assert failed(examine(sick)) == {"the tap is causal"}


def test_wrong_logits_are_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = recorder.Recorder.on_logits
    monkeypatch.setattr(recorder.Recorder, "on_logits", lambda self, logits: real(self, logits * 1.001))
    assert failed(examine(sick)) == {"logits equal eager", "identity is bitwise"}


def test_wrong_residuals_are_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = recorder.Recorder.on_block

    def second_block_is_off(self: Any, layer: int, hidden: torch.Tensor) -> None:
        real(self, layer, hidden * 1.001 if layer == 1 else hidden)

    monkeypatch.setattr(recorder.Recorder, "on_block", second_block_is_off)
    assert failed(examine(sick)) == {"blocks equal eager"}


def test_an_edit_of_the_wrong_block_is_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_block_late(lens: Lens, intervention: Any, layer: int) -> Any:
        if layer + 1 == lens.n_layers or intervention.layers is None:
            return lens.layers[layer].output
        edited = intervention(lens.layers[layer + 1].output, layer)
        lens.layers[layer + 1].output = edited
        return edited

    monkeypatch.setattr(passes, "edit_envoy", one_block_late)
    assert failed(examine(sick)) >= EDITS


def test_an_edit_that_reaches_back_is_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = passes.edit_envoy

    def also_before(lens: Lens, intervention: Any, layer: int) -> Any:
        if intervention.layers is not None:
            lens.layers[layer].input[:] = lens.layers[layer].input * 1.001
        return real(lens, intervention, layer)

    monkeypatch.setattr(passes, "edit_envoy", also_before)
    assert failed(examine(sick)) == EDITS


def test_a_grid_of_another_size_is_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlavaFamily, "grids", lambda *_: (PatchGrid(6, 5),) * 2)
    found = examine(sick)
    assert "grid" in failed(found)
    assert found.grids == ()
    assert "LayoutError" in found.checks[0].meaning


def test_a_missing_image_vector_is_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LlavaFamily.image_features
    monkeypatch.setattr(LlavaFamily, "image_features", lambda *a: [one[1:] for one in real(*a)])
    found = examine(sick)
    assert {"grid", "features equal pixels"} <= failed(found)
    assert found.checks[0].measured == 1


def test_features_that_are_not_the_tower_s_are_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LlavaFamily.image_features
    monkeypatch.setattr(LlavaFamily, "image_features", lambda *a: [1.1 * one for one in real(*a)])
    assert failed(examine(sick)) == {"features equal pixels"}


def test_padding_that_is_seen_is_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LlavaFamily.forward_inputs

    def without_mask(self: Any, encoding: Any) -> Any:
        return {**real(self, encoding), "attention_mask": torch.ones_like(encoding["attention_mask"])}

    monkeypatch.setattr(LlavaFamily, "forward_inputs", without_mask)
    assert failed(examine(sick)) == {"left padding = single"}


def test_a_vocabulary_without_no_is_found(sick: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sick.processor.tokenizer, "get_vocab", lambda: {"yes": 1})
    found = examine(sick)
    assert len(failed(found)) == 1
    assert "no token for 'no'" in found.checks[-1].meaning
    with pytest.raises(ContractError, match="1 of 13 checks failed: yes and no have tokens; see"):
        require_sound(sick)


def test_a_bound_holds_on_its_side_and_never_for_nan() -> None:
    def passes_with(measured: float | None, bound: Any) -> bool:
        return Check(name="", measured=measured, tolerance=1.0, bound=bound, meaning="").passed

    assert [passes_with(value, "at most") for value in (1.0, 1.1, float("nan"), None)] == [
        True,
        False,
        False,
        False,
    ]
    assert [passes_with(value, "at least") for value in (1.0, 0.9, float("nan"))] == [True, False, False]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: Any) -> tuple[Any, str, str]:
        monkeypatch.setattr("sys.argv", ["scr-lens", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return (stop.value.code or 0, *capsys.readouterr())

    return call


def test_the_command_prints_the_table(run: Any, checkpoint: Any) -> None:
    status, out, _ = run("doctor", checkpoint, "--device", "cpu")
    assert status == 0
    assert "36 (6 x 6), 36 (6 x 6) for 2 pictures; one is one patch of the image" in out
    assert "normalization  pre-norm\n" in out
    assert "not guaranteed" in out
    assert out.splitlines()[-1] == "all 13 checks passed"


def test_the_command_fails_with_a_failed_check_and_prints_json(
    run: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "edited_output", lambda output, *_: output)
    status, out, _ = run("doctor", checkpoint, "--device", "cpu", "--dtype", "float64", "--json")
    found = json.loads(out)
    assert status == 1
    assert (found["passed"], found["dtype"]) == (False, "float64")
    assert [check["name"] for check in found["checks"] if not check["passed"]] == ["the tap is causal"]
    assert found["not_guaranteed"]


def test_bad_input_has_a_status_of_its_own(run: Any) -> None:
    status, _, err = run("doctor", "no/such/model/here")
    assert status == 2
    assert err.startswith("error: no checkpoint folder")


def test_a_published_size_is_made_and_checked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_weights, "read_published", small_published)
    options = ("--device", "cpu", "--layers", "3", "--distinct-blocks", "2")
    status, out, _ = run("doctor", "--random-weights", "qwen2-vl-7b", *options)
    assert status == 0
    assert out.startswith(
        "model          qwen2-vl-7b, random weights; CUT to 3 of 4 blocks, not the published model; "
        "blocks REPEAT the weights of the first 2: qwen2_vl, 3 blocks, float32 on cpu"
    )
    assert "all 13 checks passed" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("llava-small", "--layers", "2"), "--layers and --distinct-blocks make a model smaller"),
        (("--distinct-blocks", "2"), "give --random-weights NAME, or leave them out"),
        (("llava-small", "--random-weights", "qwen-vl"), "needs no checkpoint; leave out 'llava-small'"),
        (("--random-weights", "qwen-vl", "--device-map", "auto"), "leave out --device-map"),
        (("--random-weights", "qwen"), "unknown published model 'qwen'"),
        (("--random-weights", "qwen-vl", "--dtype", "float64"), "unknown dtype 'float64'"),
        (
            ("--random-weights", "qwen-vl", "--layers", "2", "--distinct-blocks", "3"),
            "--distinct-blocks 3: 2 decoder blocks are to be made; give a number from 1 to 2",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Any, arguments: tuple[str, ...], message: str
) -> None:
    status, _, err = run("doctor", *arguments)
    assert status == 2
    assert message in err


def test_chameleon_with_swin_norm_is_reported() -> None:
    found = Examination(
        model_id="x",
        model_type="chameleon",
        n_layers=4,
        dtype="float32",
        device="cpu",
        attention="scr_rows",
        normalization="post-norm (swin_norm)",
        grids=((6, 6),),
        token_meaning="a code",
        checks=(),
    )
    assert "post-norm (swin_norm) (the paper describes its models as pre-norm)" in str(found)
