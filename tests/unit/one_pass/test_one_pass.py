"""The predictor of sources: sizes, learning, the single forward, files and errors."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import ragged_samples

from scr_lens import training_state
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.decoding import decode, make_decoder
from scr_lens.decoding.one_pass_scr import OnePassScr
from scr_lens.errors import ConfigError, DataError, LayoutError
from scr_lens.grid import PatchGrid
from scr_lens.interventions import select
from scr_lens.one_pass import (
    Examples,
    OnePassRedistribution,
    PredictorConfig,
    SourcePredictor,
    collect,
    find_predictor,
    load_predictor,
    save_predictor,
    train_predictor,
    training,
)
from scr_lens.one_pass.predictor import places
from scr_lens.one_pass.training import divergence, recall
from scr_lens.trace import Batch, CaptureSpec, Lens, diagnose, run_pass
from scr_lens.trace.hooks import run_pass_with_hooks

CONFIG = PredictorConfig(d_model=32)
SCR = ScrConfig(lambda_=1.5, n_sources=3, layers=LayerRange(0, 2))


@pytest.fixture(scope="module")
def predictor() -> SourcePredictor:
    return SourcePredictor(PredictorConfig(d_model=32)).eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("d_model", "projected", "expected"),
    [(4096, 464, 119_809), (128, 464, 119_809), (4096, None, 4098 * 256 + 256 + 257)],
)
def test_number_of_trained_parameters(d_model: int, projected: int | None, expected: int) -> None:
    assert SourcePredictor(PredictorConfig(d_model=d_model, projected=projected)).n_trained == expected


def test_the_same_seed_gives_the_same_network() -> None:
    state = torch.get_rng_state()
    a, b, c = (SourcePredictor(PredictorConfig(d_model=8, seed=s)).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["projection"], c["projection"])
    assert torch.equal(torch.get_rng_state(), state)


def test_places_run_from_minus_one_to_one() -> None:
    assert places(PatchGrid(3, 2)).tolist() == [[-1, -1], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 1]]
    assert places(PatchGrid(1, 1)).tolist() == [[0, 0]]


def planted(n: int, seed: int) -> Examples:
    """Maps that one hidden direction of the states decides, whatever the place."""
    direction = torch.randn(24, generator=torch.Generator().manual_seed(99))
    states = fresh_states(n, seed)
    maps = [torch.softmax(0.7 * s @ direction, 0) for s in states]
    reader = SourcePredictor(PredictorConfig(d_model=24))
    return Examples(tuple(map(reader.project, states)), tuple(maps), (PatchGrid(6, 6),) * n)


def fresh_states(n: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(36, 24, generator=generator) for _ in range(n)]


def test_it_learns_a_separable_rule_and_finds_sources_it_never_saw() -> None:
    scr = ScrConfig(n_sources=4)
    trained, report = train_predictor(planted(120, 0), PredictorConfig(d_model=24), scr, epochs=25)
    fresh = planted(30, 1)
    untrained = SourcePredictor(PredictorConfig(d_model=24))
    assert (report.n_maps, report.n_held_out, report.chance) == (108, 12, 4 / 16)
    assert recall(untrained, fresh, scr) < 0.45
    assert recall(trained, fresh, scr) > 0.85
    assert report.recall > 0.85
    with torch.no_grad():
        assert divergence(trained, fresh) < 0.3 * divergence(untrained, fresh)


def weights_of(examples: Examples, state: Path | None = None, **settings: Any) -> dict[str, torch.Tensor]:
    config = PredictorConfig(d_model=24, seed=settings.pop("seed", 0))
    settings = {"epochs": 4} | settings
    return train_predictor(examples, config, ScrConfig(n_sources=2), state=state, **settings)[0].state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("stops", [(1,), (5, 3), (8,)])
def test_a_stopped_training_resumes_to_the_same_bits(
    stops: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_state, "SAVE_EVERY", 2)
    examples, state = planted(36, 0), tmp_path / "new" / "state.pt"
    whole, done, plain = weights_of(examples), [0], training.divergence

    def stopping(*arguments: Any) -> Any:
        done[0] += 1
        if done[0] == limit:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(training, "divergence", stopping)
    saved = 0
    for limit in stops:  # 33 maps are 3 steps an epoch, 12 in all
        done[0] = 0
        with pytest.raises(KeyboardInterrupt):
            weights_of(examples, state)
        saved += 2 * ((limit - 1) // 2)  # every second step is saved
    done[0], limit = 0, -1
    assert same(weights_of(examples, state), whole)
    assert done[0] == 12 - saved + 1  # and one for the report
    done[0] = 0
    assert same(weights_of(examples, state), whole) and done[0] == 1
    assert [path.name for path in state.parent.iterdir()] == ["state.pt"]


def test_the_state_of_another_training_is_not_used(tmp_path: Path) -> None:
    examples, state = planted(20, 0), tmp_path / "state.pt"
    first = weights_of(examples, state)
    changed: list[tuple[Examples, dict[str, Any]]] = [
        (planted(20, 1), {}),
        (replace(examples, maps=examples.maps[::-1]), {}),
        (examples, {"seed": 1}),
        (examples, {"epochs": 3}),
        (examples, {"learning_rate": 1e-2}),
    ]
    for others, settings in changed:
        found = weights_of(others, state, **settings)
        assert same(found, weights_of(others, **settings)) and not same(found, first)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    weights_of(planted(20, 0), state)
    for content in (state.read_bytes()[:1000], b"", b"no state"):
        state.write_bytes(content)
        with pytest.raises(DataError, match=r"state.pt: damaged state of a training .*; delete it to train"):
            weights_of(planted(20, 0), state)


def test_a_state_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state.pt"
    weights_of(planted(20, 0), state, epochs=1)
    before = state.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        weights_of(planted(20, 0), state, epochs=2)
    assert state.read_bytes() == before
    assert list(tmp_path.iterdir()) == [state]


def test_a_written_predictor_leaves_no_state(lens: Lens, predictor: SourcePredictor, tmp_path: Path) -> None:
    (tmp_path / "one_pass_training.pt").write_bytes(b"state")
    save(predictor, lens, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"one_pass.json", "one_pass.safetensors"}


def test_it_overfits_the_maps_of_a_model(lens: Lens) -> None:
    examples = collect(
        lens, [*ragged_samples(), *ragged_samples()[:2]], PredictorConfig(d_model=32), batch_size=2
    )
    assert len(examples) == 5
    trained, report = train_predictor(examples, PredictorConfig(d_model=32), SCR, epochs=150)
    assert report.n_held_out == 0
    assert report.recall > 0.9
    assert report.loss < 0.05
    assert not any(p.requires_grad for p in trained.parameters())


def test_examples_are_block_zero_and_the_diagnostic_map(lens: Lens, batch: Batch) -> None:
    config = PredictorConfig(d_model=32, projected=None)
    examples = collect(lens, batch.samples, config, batch_size=3)
    record = run_pass(lens, batch, CaptureSpec(residuals=(0,)))
    for row, attention in enumerate(diagnose(lens, batch)):
        torch.testing.assert_close(examples.maps[row], attention)
        torch.testing.assert_close(examples.projected[row], record.samples[row].residuals[0])


def test_one_forward_does_what_two_passes_with_the_same_sources_do(
    lens: Lens, batch: Batch, predictor: SourcePredictor
) -> None:
    calls: list[int] = []
    handle = lens.hf_model.register_forward_pre_hook(lambda *_: calls.append(1))
    edit = OnePassRedistribution(predictor, batch.layouts, SCR, LayerRange(0, 2))
    try:
        record = run_pass(lens, batch, CaptureSpec(residuals=(0,)), edit)
    finally:
        handle.remove()
    assert len(calls) == 1
    states = run_pass(lens, batch, CaptureSpec(residuals=(0,))).samples
    for row, plan in enumerate(edit.plans):
        grid = batch.layouts[row].grid
        wanted = select(predictor(states[row].residuals[0], grid), grid, SCR)
        assert plan.to_dict() == wanted.to_dict()
    two = OnePassTwo(edit)
    for mine, theirs in zip(record.samples, run_pass(lens, batch, CaptureSpec(), two).samples, strict=True):
        assert torch.equal(mine.logits, theirs.logits)
    hooked = run_pass_with_hooks(lens, batch, CaptureSpec(), edit)
    assert torch.equal(hooked.samples[1].logits, record.samples[1].logits)
    plain = run_pass(lens, batch, CaptureSpec())
    assert not torch.equal(plain.samples[1].logits, record.samples[1].logits)


def OnePassTwo(edit: OnePassRedistribution) -> Any:
    from scr_lens.interventions import Redistribution

    positions = [layout.image_positions for layout in edit.layouts]
    return Redistribution(edit.plans, positions, SCR.lambda_, LayerRange(0, 2))


def test_it_reads_block_zero_even_where_the_edit_starts_later(
    lens: Lens, batch: Batch, predictor: SourcePredictor
) -> None:
    edit = OnePassRedistribution(predictor, batch.layouts, SCR, LayerRange(2, 3))
    record = run_pass(lens, batch, CaptureSpec(residuals=(1,)), edit)
    plain = run_pass(lens, batch, CaptureSpec(residuals=(1,)))
    assert edit.layers == LayerRange(0, 3)
    assert torch.equal(record.samples[0].residuals[1], plain.samples[0].residuals[1])
    assert not torch.equal(record.samples[0].logits, plain.samples[0].logits)


def test_a_decode_step_is_left_alone(batch: Batch, predictor: SourcePredictor) -> None:
    edit = OnePassRedistribution(predictor, batch.layouts, SCR, LayerRange(0, 2))
    step = torch.randn(3, 1, 32)
    assert edit(step, 0) is step
    assert edit.plans == ()


def test_the_method_decodes_with_a_stored_predictor(
    lens: Lens, batch: Batch, predictor: SourcePredictor, tmp_path: Path
) -> None:
    save(predictor, lens, tmp_path)
    method = OnePassScr(scr=SCR, predictor=str(tmp_path))
    edit = OnePassRedistribution(predictor, batch.layouts, SCR, LayerRange(0, 2))
    ours, theirs = decode(lens, batch, method, 4), decode(lens, batch, "vanilla", 4, intervention=edit)
    assert [a.token_ids for a in ours] == [a.token_ids for a in theirs]
    assert torch.equal(ours[0].first_scores, theirs[0].first_scores)
    assert method.as_intervention(lens, batch).layers == LayerRange(0, 2)
    with pytest.raises(ConfigError, match="give it no further intervention"):
        decode(lens, batch, method, 2, intervention=edit)


def save(predictor: SourcePredictor, lens: Lens, folder: Path) -> Path:
    _, report = train_predictor(planted(4, 0), PredictorConfig(d_model=24), ScrConfig(n_sources=2), epochs=1)
    return save_predictor(predictor, report, lens, folder, trained_on="a test")


def test_files_bring_back_the_same_network(lens: Lens, predictor: SourcePredictor, tmp_path: Path) -> None:
    save(predictor, lens, tmp_path)
    again = load_predictor(tmp_path, lens)
    states = torch.randn(36, 32)
    assert torch.equal(again(states, PatchGrid(6, 6)), predictor(states, PatchGrid(6, 6)))
    card = json.loads((tmp_path / "one_pass.json").read_text())
    assert card["trained_parameters"] == 119_809
    assert card["trained_on"] == "a test"


def test_a_predictor_is_found_beside_its_model(
    lens: Lens, predictor: SourcePredictor, tmp_path: Path
) -> None:
    save(predictor, lens, tmp_path / "one_pass")
    assert find_predictor(replace(lens, model_id=str(tmp_path))).config == predictor.config


def test_a_model_without_a_predictor_is_told_how_to_get_one(lens: Lens, batch: Batch) -> None:
    expected = (
        "no one-pass predictor for model 'tiny'; train one with: scr-lens one-pass train tiny --out FOLDER"
    )
    with pytest.raises(ConfigError, match=expected):
        decode(lens, batch, "one-pass-scr", 2)


def test_predictors_of_other_weights_and_damaged_ones_are_refused(
    lens: Lens, predictor: SourcePredictor, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="holds no predictor"):
        load_predictor(tmp_path, lens)
    save(predictor, lens, tmp_path)
    with pytest.raises(ConfigError, match="trained on 'tiny' at revision '', the model is 'tiny' at 'abc'"):
        load_predictor(tmp_path, replace(lens, revision="abc"))
    (tmp_path / "one_pass.safetensors").write_bytes(b"x" * 40)
    with pytest.raises(DataError, match="damaged predictor"):
        load_predictor(tmp_path, lens)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lens: collect(lens, [], CONFIG), "got no samples"),
        (
            lambda lens: collect(lens, ragged_samples(), CONFIG, DiagnosticConfig(head_share=0.5)),
            "head_share=0.5",
        ),
        (lambda _: train_predictor(planted(4, 0), PredictorConfig(d_model=24), epochs=0), "epochs is 0"),
        (lambda _: PredictorConfig(d_model=0), "d_model is 0"),
        (
            lambda _: SourcePredictor(PredictorConfig(d_model=4))(torch.ones(3, 4), PatchGrid(2, 2)),
            "states of",
        ),
    ],
)
def test_what_cannot_work_is_refused(lens: Lens, call: Any, message: str) -> None:
    with pytest.raises((ConfigError, DataError, LayoutError), match=message):
        call(lens)


def test_settings_from_plain_values() -> None:
    method = make_decoder("one-pass-scr", {"scr": {"lambda": 1.2}, "predictor": "somewhere"})
    assert method == OnePassScr(scr=ScrConfig(lambda_=1.2), predictor="somewhere")
