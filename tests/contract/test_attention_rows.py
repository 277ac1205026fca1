"""The registered attention returns eager's probabilities at the requested places, and nothing elsewhere."""

import math
from typing import Any

import pytest
import torch
from tiny import Twins, reference_run
from torch import nn

from scr_lens.config import LayerRange
from scr_lens.errors import ContractError
from scr_lens.trace import Batch, CaptureSpec, Lens, Sample, run_pass
from scr_lens.trace.attention import RowRequest, attention_rows, scr_rows_attention

ALL_LAYERS = LayerRange(0, 3)


def request(queries: list[list[int]], images: list[list[int]], key_length: int) -> RowRequest:
    positions = torch.tensor(queries)
    return RowRequest(
        layers=ALL_LAYERS,
        queries=positions,
        query_is_real=torch.ones_like(positions, dtype=torch.bool),
        images=torch.tensor(images),
        key_length=key_length,
        first_query=int(positions.min()),
    )


def rows_of_plain_run(twins: Twins, asked: RowRequest, **inputs: Any) -> list[torch.Tensor]:
    """The rows every attention module returns in a plain forward of the Hugging Face model."""
    seen: list[torch.Tensor] = []
    handles = [
        block.self_attn.register_forward_hook(lambda _m, _a, out: seen.append(out[1]))
        for block in twins.layers
    ]
    try:
        with twins.lens.tap.requesting(asked), torch.no_grad():
            twins.lens.hf_model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@pytest.mark.parametrize("queries", ["all_text_after_image", "question", "last"])
def test_rows_equal_eager(twins: Twins, queries: Any) -> None:
    batch = twins.batch
    capture = CaptureSpec(attention=LayerRange(1, 3), queries=queries, attention_heads=True)
    record = run_pass(twins.lens, batch, capture)
    eager = reference_run(twins, batch, output_attentions=True)[0].attentions
    for row, sample in enumerate(record.samples):
        layout = batch.layouts[row]
        for index, layer in enumerate((1, 2, 3)):
            rows = eager[layer][row][:, layout.queries(queries)][..., layout.image_positions]
            expected = rows.double().mean(1).float()
            torch.testing.assert_close(sample.attention_heads[index], expected, rtol=0, atol=1e-6)
            torch.testing.assert_close(sample.attention[index], expected.mean(0), rtol=0, atol=1e-6)
        assert sample.attention.sum(-1).min() > 0.1


def test_the_row_code_ran_once_per_requested_block(lens: Lens, batch: Batch) -> None:
    before = lens.tap.count
    run_pass(lens, batch, CaptureSpec(attention=LayerRange(1, 2)))
    assert lens.tap.count - before == 2
    run_pass(lens, batch, CaptureSpec())
    assert lens.tap.count - before == 2


def test_rows_equal_a_loop_over_heads_and_keys() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 5, 8)
    asked = request([[4, 2], [3, 1]], [[0, 1, 4], [2, 0, 3]], 5)
    rows = attention_rows(query, key, None, asked, None, is_causal=True)
    for b in range(2):
        for head in range(4):
            for j, q in enumerate(asked.queries[b].tolist()):
                logits = [
                    float(query[b, head, q] @ key[b, head // 2, k]) / math.sqrt(8) for k in range(q + 1)
                ]
                total = sum(math.exp(x) for x in logits)
                for i, k in enumerate(asked.images[b].tolist()):
                    expected = math.exp(logits[k]) / total if k <= q else 0.0
                    assert rows[b, head, j, i].item() == pytest.approx(expected, abs=1e-6)


def test_future_leak(twins: Twins) -> None:
    """A query never attends to later keys, and later tokens never change an earlier query's row."""
    lens, image = twins.lens, twins.samples()[1].image
    short = lens.prepare(Sample(image, question="is there a dog ?"))
    long = lens.prepare(Sample(image, question="is there a cat ?"))
    middle = int(short.layouts[0].image_positions[5])
    everything = list(range(short.seq_len))
    asked = request([[middle, int(short.layouts[0].text_after_image[0])]], [everything], short.seq_len)
    mine = rows_of_plain_run(twins, asked, **short.forward_inputs)
    other = rows_of_plain_run(twins, asked, **long.forward_inputs)
    assert not torch.equal(short.forward_inputs["input_ids"], long.forward_inputs["input_ids"])
    for rows, changed in zip(mine, other, strict=True):
        assert rows[0, :, 0, middle + 1 :].abs().max() == 0
        assert rows[0, :, 0, : middle + 1].min() > 0
        torch.testing.assert_close(rows.sum(-1), torch.ones_like(rows.sum(-1)))
        assert torch.equal(rows[:, :, 0], changed[:, :, 0])


def test_left_padding(twins: Twins) -> None:
    """Padding gets no attention, and a padded sample's rows are those of the sample alone."""
    lens, batch = twins.lens, twins.batch
    padded_row = max(range(3), key=lambda row: batch.layouts[row].n_pad)
    n_pad = batch.layouts[padded_row].n_pad
    last = batch.seq_len - 1
    asked = request([[last]] * 3, [list(range(batch.seq_len))] * 3, batch.seq_len)
    single = lens.prepare(batch.samples[padded_row])
    alone = request([[single.seq_len - 1]], [list(range(single.seq_len))], single.seq_len)
    padded = rows_of_plain_run(twins, asked, **batch.forward_inputs)
    plain = rows_of_plain_run(twins, alone, **single.forward_inputs)
    assert n_pad > 0
    for rows, expected in zip(padded, plain, strict=True):
        assert rows[padded_row, :, :, :n_pad].abs().max() == 0
        torch.testing.assert_close(rows[padded_row, :, :, n_pad:], expected[0], rtol=0, atol=1e-6)


def test_kv_prefix(twins: Twins) -> None:
    """With the image in the key-value cache, the question's rows are those of the whole sequence."""
    lens = twins.lens
    batch = lens.prepare(Sample(twins.samples()[1].image, question="what color is the ball ?"))
    layout, inputs = batch.layouts[0], dict(batch.forward_inputs)
    asked = RowRequest.of(batch.layouts, ALL_LAYERS, "all_text_after_image")
    whole = rows_of_plain_run(twins, asked, **inputs)
    cut = int(layout.text_after_image[0])
    prefix = {k: v[..., :cut] if v.shape[-1] == batch.seq_len else v for k, v in inputs.items()}
    with torch.no_grad():
        cache = lens.hf_model(**prefix, use_cache=True).past_key_values
    rest = {"input_ids": inputs["input_ids"][:, cut:], "position_ids": inputs["position_ids"][..., cut:]}
    tail = rows_of_plain_run(
        twins, asked, **rest, attention_mask=inputs["attention_mask"], past_key_values=cache, use_cache=True
    )
    for rows, expected in zip(tail, whole, strict=True):
        torch.testing.assert_close(rows, expected, rtol=0, atol=1e-6)


def test_a_single_query_over_a_prefix_sees_all_keys() -> None:
    torch.manual_seed(1)
    query, key = torch.randn(1, 2, 1, 8), torch.randn(1, 2, 6, 8)
    asked = request([[5]], [[0, 3, 5]], 6)
    rows = attention_rows(query, key, None, asked, 0.5, is_causal=True)
    expected = torch.softmax(0.5 * query @ key.transpose(2, 3), -1)[..., [0, 3, 5]]
    torch.testing.assert_close(rows, expected)


def test_without_a_mask_a_short_query_block_aligns_with_the_first_keys() -> None:
    """SDPA's rule for an empty static cache: keys past the query block do not exist yet."""
    torch.manual_seed(2)
    query, key = torch.randn(1, 2, 3, 8), torch.randn(1, 2, 6, 8)
    asked = request([[2, 1]], [[0, 1, 2, 5]], 6)
    rows = attention_rows(query, key, None, asked, None, is_causal=True)
    scores = (query @ key[:, :, :3].transpose(2, 3)) / math.sqrt(8)
    causal = torch.softmax(scores.masked_fill(~torch.ones(3, 3).tril().bool(), -torch.inf), -1)
    torch.testing.assert_close(rows[..., :3], causal[:, :, [2, 1]])
    assert rows[..., 3].abs().max() == 0


@pytest.mark.parametrize("additive", [False, True])
def test_boolean_and_additive_masks_mean_the_same(additive: bool) -> None:
    torch.manual_seed(3)
    query, key = torch.randn(2, 2, 4, 8), torch.randn(2, 2, 4, 8)
    allowed = torch.ones(4, 4).tril().bool().expand(2, 1, 4, 4).clone()
    allowed[1, :, :, 0] = False
    mask = torch.where(allowed, 0.0, torch.finfo(torch.float32).min) if additive else allowed
    asked = request([[3, 2], [3, 1]], [[0, 1, 2, 3]] * 2, 4)
    rows = attention_rows(query, key, mask, asked, None, is_causal=True)
    scores = (query @ key.transpose(2, 3) / math.sqrt(8)).masked_fill(~allowed, -torch.inf)
    full = torch.softmax(scores, -1)
    torch.testing.assert_close(rows[0], full[0][:, [3, 2]])
    torch.testing.assert_close(rows[1], full[1][:, [3, 1]])


def test_a_request_for_another_shape_is_ignored(lens: Lens) -> None:
    module = lens.hf_model.model.language_model.layers[0].self_attn
    asked = request([[4]], [[1, 2]], 5)
    for batch, queries, keys in ((2, 5, 5), (1, 6, 6), (1, 5, 6)):
        q, k = torch.randn(batch, 4, queries, 8), torch.randn(batch, 4, keys, 8)
        with lens.tap.requesting(asked):
            assert scr_rows_attention(module, q, k, k, None)[1] is None
    q = torch.randn(1, 4, 5, 8)
    with lens.tap.requesting(asked):
        assert scr_rows_attention(module, q, q, q, None)[1] is not None
    late = request([[1]], [[0]], 5)
    with lens.tap.requesting(late):
        assert scr_rows_attention(module, q[:, :, 3:], q, q, None)[1] is None


def test_a_module_without_a_tap_is_plain_sdpa() -> None:
    q = torch.randn(1, 2, 5, 8)
    output, rows = scr_rows_attention(nn.Identity(), q, q, q, None)
    expected = nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).transpose(1, 2)
    assert rows is None
    assert torch.equal(output, expected)


def test_the_vision_tower_keeps_sdpa(lens: Lens) -> None:
    assert lens.attn_implementation == "scr_rows"
    assert lens.hf_model.model.vision_tower.config._attn_implementation == "sdpa"


def test_another_attention_is_refused_instead_of_read(lens: Lens, batch: Batch) -> None:
    lens.hf_model.set_attn_implementation({"text_config": "sdpa"})
    try:
        with pytest.raises(ContractError, match="attn_implementation 'scr_rows'"):
            run_pass(lens, batch, CaptureSpec(attention=ALL_LAYERS))
    finally:
        lens.hf_model.set_attn_implementation({"text_config": "scr_rows"})
    assert lens.tap.request is None
