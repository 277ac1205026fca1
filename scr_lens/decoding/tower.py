"""What the image tower of a model computes from its pixels, with gradients and per patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scr_lens.errors import ContractError
from scr_lens.trace import Batch, Lens

FEATURE_POINTS = (
    ("vqmodel.encoder", "output"),
    ("multi_modal_projector", "input"),
    ("connector", "input"),
)
"""Modules at which the tower's own features can be read, before projection or quantization."""


def tower_features(lens: Lens, encoding: Mapping[str, Tensor]) -> Float[Tensor, "token d"]:
    """Features of the image tower before any projector or quantizer, for all pictures of an encoding.

    Args:
        lens: The model.
        encoding: Inputs whose `pixel_values` may require gradients.

    Returns:
        One row per feature vector; what the language model gets where the family has no such point.

    Raises:
        ContractError: If the family cannot run its tower alone.
    """
    point = _feature_point(lens)
    if point is None:
        return torch.cat([rows.float() for rows in _run_tower(lens, encoding)])
    module, side = point
    seen: list[Tensor] = []

    def hook(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append(output.flatten(2).transpose(1, 2) if side == "output" else args[0])

    handle = module.register_forward_hook(hook)
    try:
        _run_tower(lens, encoding)
    finally:
        handle.remove()
    return torch.cat([rows.flatten(0, -2).float() for rows in seen])


def patch_features(lens: Lens, batch: Batch) -> tuple[Float[Tensor, "patch d"], ...]:
    """Features of every patch, as the language model gets them, or as the tower has them.

    Args:
        lens: The model.
        batch: The batch.

    Returns:
        One row per patch of the grid, per sample.

    Raises:
        ContractError: If the tower does not give one vector per patch.
    """
    sizes = [layout.grid.size for layout in batch.layouts]
    with torch.no_grad():
        rows = _family_features(lens, batch.encoding)
        flat = tower_features(lens, batch.encoding) if rows is None else torch.cat([r.float() for r in rows])
    if len(flat) != sum(sizes):
        raise ContractError(
            f"the image tower of {lens.model_type!r} gave {len(flat)} vectors for {sum(sizes)} patches; "
            "patch features need one each"
        )
    return torch.split(flat, sizes)


def class_attention(lens: Lens, batch: Batch) -> tuple[Float[Tensor, " patch"], ...] | None:
    """Attention of the class token to every patch in the last block of the tower, averaged over heads.

    Args:
        lens: The model.
        batch: The batch.

    Returns:
        One map per sample, entries in [0, 1]; None if the tower has no class token over one patch per cell.
    """
    layer = _class_token_attention(lens)
    if layer is None:
        return None
    rows: list[Tensor] = []

    def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows.append(_class_row(module, args[0] if args else kwargs["hidden_states"]))

    handle = layer.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        with torch.no_grad():
            _run_tower(lens, batch.encoding)
    finally:
        handle.remove()
    maps = torch.cat(rows)
    fits = len(maps) == len(batch) and all(maps.shape[1] == layout.grid.size for layout in batch.layouts)
    return tuple(maps) if fits else None


def _class_row(module: Any, states: Float[Tensor, "n token d"]) -> Float[Tensor, "n patch"]:
    query, key = (
        part(states).unflatten(-1, (module.num_heads, -1)).transpose(1, 2)
        for part in (module.q_proj, module.k_proj)
    )
    scores = query[:, :, :1] @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    return torch.softmax(scores.float(), dim=-1).mean(1)[:, 0, 1:]


def _class_token_attention(lens: Lens) -> nn.Module | None:
    """The self-attention of the last block of a CLIP-like tower."""
    tower = getattr(lens.hf_model.model, "vision_tower", None)
    if tower is None or not any(name.endswith("class_embedding") for name, _ in tower.named_parameters()):
        return None
    found = [module for name, module in tower.named_modules() if name.endswith("self_attn")]
    usable = found and all(hasattr(found[-1], name) for name in ("q_proj", "k_proj", "num_heads"))
    return found[-1] if usable else None


def _feature_point(lens: Lens) -> tuple[nn.Module, str] | None:
    for path, side in FEATURE_POINTS:
        module: Any = lens.hf_model.model
        for name in path.split("."):
            module = getattr(module, name, None)
        if isinstance(module, nn.Module):
            return module, side
    return None


def _family_features(lens: Lens, encoding: Mapping[str, Tensor]) -> list[Tensor] | None:
    return lens.family.image_features(lens.hf_model, encoding, range(len(encoding["input_ids"])))


def _run_tower(lens: Lens, encoding: Mapping[str, Tensor]) -> list[Tensor]:
    features = _family_features(lens, encoding)
    if features is not None:
        return features
    if not hasattr(lens.hf_model, "get_image_features"):
        raise ContractError(
            f"the image tower of {lens.model_type!r} cannot be run alone; methods that need its features "
            "cannot run on this family"
        )
    pixels = encoding["pixel_values"].to(lens.device, lens.hf_model.dtype)
    output = lens.hf_model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output
    return list(output)
