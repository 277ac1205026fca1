"""The plain twin is transformers alone, with the same numbers."""

import torch
from tiny import Twins

from scr_lens.trace import plain_twin, run_pass


def test_the_twin_gives_the_lenss_logits_with_eager_attention(twins: Twins) -> None:
    lens = twins.lens
    twin = plain_twin(lens)
    assert type(twin) is type(lens.hf_model)
    assert lens.family.text_config(twin.config)._attn_implementation == "eager"
    assert lens.attn_implementation == "scr_rows"
    assert next(twin.parameters()).data_ptr() == next(lens.hf_model.parameters()).data_ptr()
    with torch.no_grad():
        logits = twin(**twins.batch.forward_inputs, logits_to_keep=1).logits[:, -1]
    for mine, record in zip(logits, run_pass(lens, twins.batch).samples, strict=True):
        torch.testing.assert_close(mine, record.logits, rtol=1e-4, atol=1e-5)
