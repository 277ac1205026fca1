"""Full depth in the memory of a few blocks: the blocks beyond them share their weights."""

import copy
from typing import Any

from torch import nn

from scr_lens.families.registry import family_for


def repeat_blocks(model: Any, config: Any) -> None:
    """Deepen a model to the depth of a config; of n blocks that it has, block i gets the weights of i mod n.

    Every block is a module of its own, with its own index, so traces and edits see the full depth; what is
    computed costs what it costs in the full model. Only the memory of the weights is that of n blocks.

    Args:
        model: A Hugging Face model with n decoder blocks; changed in place, its config included.
        config: The same config with more blocks.
    """
    family = family_for(config.model_type)
    blocks = model.get_submodule(family.layers_path)
    donors = list(blocks)
    text, wanted = family.text_config(model.config), family.text_config(config)
    for index in range(len(donors), wanted.num_hidden_layers):
        blocks.append(twin(donors[index % len(donors)], index))
    text.num_hidden_layers = wanted.num_hidden_layers
    if getattr(wanted, "layer_types", None):
        text.layer_types = list(wanted.layer_types)


def twin(block: nn.Module, index: int) -> nn.Module:
    """A block with the same parameters and config, not copies of them, and an index of its own.

    Args:
        block: The block whose parameters are shared.
        index: Place of the new one among the decoder blocks.

    Returns:
        The new block.
    """
    shared: dict[int, Any] = {id(parameter): parameter for parameter in block.parameters()}
    # The model's one config too: the attention implementation is set there, for all blocks at once.
    configs = (getattr(module, "config", None) for module in block.modules())
    shared |= {id(config): config for config in configs if config is not None}
    new = copy.deepcopy(block, memo=shared)
    for module in new.modules():
        if hasattr(module, "layer_idx"):
            setattr(module, "layer_idx", index)  # noqa: B010 - typed as a parameter otherwise
    return new
