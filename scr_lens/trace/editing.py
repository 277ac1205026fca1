"""An intervention inside the user's own nnsight trace, with the same function that `run_pass` uses."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from scr_lens.families import ModelFamily
from scr_lens.interventions.base import Intervention

if TYPE_CHECKING:
    from scr_lens.trace.model import Lens


def edit_block(
    family: ModelFamily, intervention: Intervention, block_output: Any, layer: int
) -> tuple[Any, Float[Tensor, "batch seq d_model"]]:
    """Apply an intervention to one block's output, out of place.

    Args:
        family: Knows whether the output is a tensor or a tuple.
        intervention: What to apply.
        block_output: The block's output.
        layer: The block.

    Returns:
        The block's new output and the residual stream in it; both are the same objects as before where the
        intervention does not act.
    """
    before = family.hidden(block_output)
    if intervention.layers is None or layer not in intervention.layers:
        return block_output, before
    after = intervention(before, layer)
    return (block_output if after is before else family.repack(block_output, after)), after


def edit_envoy(lens: "Lens", intervention: Intervention, layer: int) -> Float[Tensor, "batch seq d_model"]:
    """Read a block's output inside a trace, and write it back only if the intervention changed it.

    Args:
        lens: The lens that is being traced.
        intervention: What to apply.
        layer: The block.

    Returns:
        The residual stream after the intervention.
    """
    envoy = lens.layers[layer]
    output = envoy.output
    edited, hidden = edit_block(lens.family, intervention, output, layer)
    if edited is not output:
        envoy.output = edited
    return hidden


def apply(lens: "Lens", intervention: Intervention) -> None:
    """Apply an intervention at all its blocks; for the body of a `with lens.trace(batch)`.

    Blocks up to the last edited one cannot be read afterwards in the same trace; use `walk` or `Lens.edited`
    for that.

    Args:
        lens: The lens that is being traced.
        intervention: What to apply.

    Raises:
        ConfigError: If the intervention acts beyond the model's last block.
    """
    for layer in intervention.layers.within(lens.n_layers).layers if intervention.layers else ():
        edit_envoy(lens, intervention, layer)


def walk(lens: "Lens", intervention: Intervention) -> Iterator[tuple[int, Any]]:
    """Visit the blocks inside a trace, applying the intervention after each visit.

    Read whatever lies inside block `i` (attention, MLP, its output before the edit) in the loop's body:
    `for i, block in walk(lens, scr): rows.append(block.self_attn.output[1])`.

    Args:
        lens: The lens that is being traced.
        intervention: What to apply.

    Yields:
        The block's number and its envoy.
    """
    for layer, envoy in enumerate(lens.layers):
        yield layer, envoy
        if intervention.layers is not None and layer in intervention.layers:
            edit_envoy(lens, intervention, layer)
