"""Where a model is put, decided before anything is read."""

import torch

from scr_lens.errors import ConfigError


def find_device(name: str | None) -> str:
    """The device that a user means, once it is known to be there.

    Args:
        name: Such as "cpu", "cuda" or "cuda:1"; None takes a CUDA device if there is one, else the CPU.

    Returns:
        The name.

    Raises:
        ConfigError: If it names no kind of device, or a CUDA device that torch does not see.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is no device; give cpu, cuda, cuda:1 or the like") from error
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigError(
            f"device {name!r} is not there: torch {torch.__version__} sees {count} CUDA devices; give "
            "another, or leave it out"
        )
    return name
