"""Opening a model by any of the names a user may have for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from scr_lens import trace
from scr_lens.doctor import require_sound
from scr_lens.errors import DataError, unknown_name
from scr_lens.organisms.shipped import DEFAULT, NOTE, shipped_folder, shipped_names
from scr_lens.trace import Lens


def load(
    model: str | Path = DEFAULT,
    *,
    revision: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    device_map: str | dict[str, Any] | None = None,
    offload_folder: str | Path | None = None,
    verify: bool = False,
) -> Lens:
    """Loads a model: a shipped organism, a checkpoint folder, or a hub name.

    Args:
        model: Name of a shipped organism (the default needs no network), a folder, or "owner/name".
        revision: Hub branch, tag or commit.
        dtype: "float32", "bfloat16", "float16" or "float64".
        device: Where to put the model; None takes a CUDA device if there is one.
        device_map: Passed to transformers instead of `device`, to spread a large model; needs accelerate.
        offload_folder: Where a device map may put what does not fit into memory.
        verify: Also carry out the doctor's checks, which run the model some ten times.

    Returns:
        The lens through which everything else works.

    Raises:
        ConfigError: If dtype or device is unknown, the device is not there, device and device_map are both
            given, or a device map cannot be used.
        DataError: If there is no such checkpoint, or its weights are not safetensors.
        ContractError: If the checkpoint's family is not supported, or with `verify` a check fails.
    """
    folder = None if Path(model).is_dir() else shipped_folder(str(model))
    if folder is None and _is_plain_word(model):
        raise DataError(
            f"{unknown_name('organism', model, shipped_names())}; or give a checkpoint folder, or a hub name "
            "of the form owner/name"
        )
    lens = trace.load(
        folder or model,
        revision=revision,
        dtype=dtype,
        device=device,
        device_map=device_map,
        offload_folder=offload_folder,
    )
    lens = replace(lens, model_id=str(model))
    return require_sound(lens) if verify else lens


def _is_plain_word(model: str | Path) -> bool:
    """Whether it can be nothing but the name of an organism."""
    return isinstance(model, str) and not Path(model).is_dir() and not set(model) & set("/\\~.")


def caveat(lens: Lens) -> str:
    """What a reader of this model's answers has to know; empty for an ordinary checkpoint."""
    return NOTE if getattr(lens.config, "scr_lens_organism", None) else ""
