"""A record is small, answers yes/no questions, and refuses numbers that are not numbers."""

import dataclasses
import gc
import math
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny import AddAt, build_twins, ragged_samples

from scr_lens.config import LayerRange
from scr_lens.errors import ContractError, DataError
from scr_lens.trace import Batch, CaptureSpec, Lens, SampleRecord, run_pass, wrap

EVERYTHING = CaptureSpec(attention=LayerRange(0, 3), attention_heads=True, residuals=(1,), gradients=True)


def tensors_of(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_of(item)
    elif isinstance(value, SampleRecord):
        for field in dataclasses.fields(value):
            if field.name != "layout":
                yield from tensors_of(getattr(value, field.name))


def test_a_record_holds_no_tensor_along_the_sequence(lens: Lens, batch: Batch) -> None:
    assert batch.seq_len not in (4, lens.d_model, 36, lens.config.text_config.vocab_size)
    found = [t for sample in run_pass(lens, batch, EVERYTHING).samples for t in tensors_of(sample)]
    assert len(found) == 3 * 7
    for tensor in found:
        assert batch.seq_len not in tensor.shape
        assert tensor.device.type == "cpu"
        assert not tensor.requires_grad
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def test_nothing_of_the_run_stays_alive(lens: Lens, batch: Batch) -> None:
    seen: list[weakref.ref[torch.Tensor]] = []
    handles = [
        block.register_forward_hook(lambda _m, _a, out: seen.append(weakref.ref(out)))
        for block in lens.hf_model.model.language_model.layers
    ]
    try:
        record = run_pass(lens, batch, EVERYTHING)
    finally:
        for handle in handles:
            handle.remove()
    gc.collect()
    assert len(seen) == 4
    assert all(reference() is None for reference in seen)
    assert len(record) == 3


def test_only_what_was_asked_is_recorded(lens: Lens, batch: Batch) -> None:
    record = run_pass(lens, batch, CaptureSpec(resid_norms=False, logits=False, residuals=(2,))).samples[0]
    assert set(record.residuals) == {2}
    for name in ("resid_norm", "attention", "attention_heads", "logits", "grad_norm", "grad_dot"):
        assert getattr(record, name) is None
    for call in (lambda: record.yes_no(lens), lambda: record.log_prob(1)):
        with pytest.raises(DataError, match=r"recorded no logits; run it with CaptureSpec\(logits=True\)"):
            call()


class Vocabulary:
    """Two spellings of yes, one of no."""

    def yes_no_ids(self) -> tuple[list[int], list[int]]:
        return [0, 2], [1]


@pytest.mark.parametrize(("favored", "answer"), [(0, "yes"), (2, "yes"), (1, "no"), (3, "other")])
def test_yes_no_sums_spellings_and_follows_the_greedy_token(batch: Batch, favored: int, answer: str) -> None:
    logits = torch.tensor([1.0, 0.5, 0.0, -1.0])
    logits[favored] = 3.0
    weights = [math.exp(x) for x in logits.tolist()]
    found = SampleRecord(layout=batch.layouts[0], logits=logits).yes_no(Vocabulary())
    assert found.p_yes == pytest.approx((weights[0] + weights[2]) / sum(weights))
    assert found.p_no == pytest.approx(weights[1] / sum(weights))
    assert (found.answer, found.greedy_token_id) == (answer, favored)


def test_log_prob_is_the_log_of_the_softmax(batch: Batch) -> None:
    record = SampleRecord(layout=batch.layouts[0], logits=torch.tensor([0.0, math.log(3.0)]))
    assert record.log_prob(1) == pytest.approx(math.log(0.75))


def test_values_that_are_not_finite_are_refused(lens: Lens, batch: Batch) -> None:
    position = int(batch.layouts[2].image_positions[4])
    overflow = AddAt(layer=1, position=position, vector=torch.full((lens.d_model,), math.inf))
    with pytest.raises(ContractError, match="residual norms of recorded block 1 are not finite"):
        run_pass(lens, batch, CaptureSpec(), overflow)
    nothing = AddAt(layer=1, position=batch.seq_len - 1, vector=torch.full((lens.d_model,), math.nan))
    with pytest.raises(ContractError, match="logits hold NaN"):
        run_pass(lens, batch, CaptureSpec(resid_norms=False), nothing)


def test_an_error_in_an_intervention_keeps_its_type_and_leaves_the_lens_usable(
    lens: Lens, batch: Batch
) -> None:
    class Broken:
        layers = LayerRange(1, 1)

        def __call__(self, resid_post: torch.Tensor, layer: int) -> torch.Tensor:
            raise DataError("broken on purpose")

    capture = CaptureSpec(attention=LayerRange(0, 3))
    before = run_pass(lens, batch, capture).samples[0]
    with pytest.raises(DataError, match="broken on purpose"):
        run_pass(lens, batch, capture, Broken())
    assert lens.tap.request is None
    assert torch.equal(run_pass(lens, batch, capture).samples[0].logits, before.logits)


def test_two_lenses_on_one_model_share_its_lock_and_its_tap() -> None:
    first = build_twins().lens
    second = wrap(first.hf_model, first.processor)
    other = build_twins().lens
    assert second.lock is first.lock is not other.lock
    assert second.tap is first.tap is not other.tap
    capture = CaptureSpec(attention=LayerRange(0, 3))
    records = [run_pass(lens, lens.prepare(ragged_samples()), capture).samples[0] for lens in (first, second)]
    assert torch.equal(records[0].attention, records[1].attention)


def test_threads_take_turns() -> None:
    lens = build_twins().lens
    batches = [lens.prepare(sample) for sample in ragged_samples()[:2]]
    expected = [run_pass(lens, batch, EVERYTHING).samples[0] for batch in batches]
    wrong: list[Any] = []

    def work(index: int) -> None:
        for _ in range(5):
            try:
                found = run_pass(lens, batches[index], EVERYTHING).samples[0]
                if not torch.equal(found.attention, expected[index].attention):
                    wrong.append(index)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
