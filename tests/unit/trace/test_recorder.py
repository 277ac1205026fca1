"""What the recorder refuses: attention that did not come from the registered function."""

import pytest
import torch
from tiny import Twins, build_twins, noise_image

from scr_lens.config import LayerRange
from scr_lens.errors import ContractError
from scr_lens.trace import CaptureSpec, Sample, diagnose, run_pass
from scr_lens.trace.attention import ATTN_IMPLEMENTATION
from scr_lens.trace.hooks import run_pass_with_hooks

ROWS = CaptureSpec(attention=LayerRange(1, 2))


@pytest.fixture
def twins() -> Twins:
    return build_twins()


@pytest.mark.parametrize(
    ("implementation", "found"),
    [("eager", r"attention of shape \[3, 4, \d+, \d+\]"), ("sdpa", "no attention rows")],
)
@pytest.mark.parametrize("run", [run_pass, run_pass_with_hooks])
def test_another_attention_is_refused_in_one_line(twins, implementation, found, run) -> None:
    twins.lens.hf_model.set_attn_implementation(implementation)
    with pytest.raises(
        ContractError, match=rf"block 1 returned {found} .* load it with scr_lens.load"
    ) as caught:
        run(twins.lens, twins.batch, ROWS)
    assert "\n" not in str(caught.value)
    twins.lens.hf_model.set_attn_implementation({"text_config": ATTN_IMPLEMENTATION})
    rows = run(twins.lens, twins.batch, ROWS).samples[0].attention
    assert rows is not None and rows.isfinite().all()  # nothing of the failed pass is left on the model


def test_the_diagnostic_pass_of_one_short_question_refuses_it_too(twins: Twins) -> None:
    """One query and one sample: sizes of 1 would broadcast without a word."""
    twins.lens.hf_model.set_attn_implementation("eager")
    batch = twins.lens.prepare(Sample(noise_image(), prompt="USER: <image> describe"))
    assert len(batch.layouts[0].text_after_image) == 1
    with pytest.raises(ContractError, match="block 1 returned attention of shape"):
        diagnose(twins.lens, batch)


def test_a_pass_without_attention_does_not_care(twins: Twins) -> None:
    plain = run_pass(twins.lens, twins.batch).samples[0].logits
    twins.lens.hf_model.set_attn_implementation("eager")
    eager = run_pass(twins.lens, twins.batch).samples[0].logits
    torch.testing.assert_close(eager, plain, atol=1e-5, rtol=1e-5)
