"""Gradient credit of every block from one backward pass over a frozen model."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.trace.capture import GradientTarget


def target_ids(logits: Float[Tensor, "batch vocab"], target: GradientTarget) -> Int[Tensor, "batch"]:
    """The token per sample whose log-probability is explained.

    Args:
        logits: Logits of the last position.
        target: "answer" for the greedy token, or one id per sample.

    Returns:
        One token id per sample, on the logits' device.
    """
    if isinstance(target, str):
        return logits.detach().argmax(dim=-1)
    return torch.tensor(target, device=logits.device)


def gradient_credit(
    logits: Float[Tensor, "batch vocab"],
    targets: Int[Tensor, "batch"],
    hidden: Sequence[Float[Tensor, "batch seq d_model"]],
    at_image: Callable[[Tensor], Float[Tensor, "batch patch d_model"]],
) -> tuple[Float[Tensor, "layer batch patch"], Float[Tensor, "layer batch patch"]]:
    """Two scalar readings of the gradient of log P(target) at every patch of every block.

    With g_i = d log P(y) / d h_i:  grad_norm_i = |g_i| |h_i|,  grad_dot_i = |<g_i, h_i>|.
    Rows of a batch do not see each other, so the sum over rows has each row's own gradient.

    Args:
        logits: Logits of the last position, with a graph to `hidden`.
        targets: Token per sample.
        hidden: Residual streams of the blocks, part of that graph.
        at_image: Selects the patches of each row.

    Returns:
        `grad_norm` and `grad_dot` in float32 on the CPU, at least 0; `grad_dot <= grad_norm` everywhere. 0
        means that a small change of this patch does not move the answer. The last block is 0 at every patch,
        and with pre-norm blocks `grad_dot` is 0 at the block before it too: the last block reads a patch only
        through a norm that ignores its length.

    Source: SCR paper, Sec. 3.3 (the scalar reading of the vector gradient is this project's choice).
    """
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    total = log_probs.gather(-1, targets[:, None]).sum()
    gradients = torch.autograd.grad(total, list(hidden))
    norms, dots = [], []
    for g, h in zip(gradients, hidden, strict=True):
        patch_g, patch_h = at_image(g).float(), at_image(h.detach()).float()
        norms.append((patch_g.norm(dim=-1) * patch_h.norm(dim=-1)).cpu())
        dots.append((patch_g * patch_h).sum(-1).abs().cpu())
    return torch.stack(norms), torch.stack(dots)
