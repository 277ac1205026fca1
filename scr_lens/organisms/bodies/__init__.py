"""Architectures that an organism can have."""

from scr_lens.errors import ConfigError
from scr_lens.organisms.bodies.base import Body
from scr_lens.organisms.bodies.chameleon import ChameleonBody
from scr_lens.organisms.bodies.llava import LlavaBody
from scr_lens.organisms.bodies.qwen2_vl import Qwen2VLBody
from scr_lens.organisms.bodies.qwen_vl import QwenVLBody

BODIES: dict[str, Body] = {
    body.model_type: body for body in (LlavaBody(), ChameleonBody(), Qwen2VLBody(), QwenVLBody())
}
"""Every architecture, by transformers' key."""


def body_for(model_type: str) -> Body:
    """The body of an architecture.

    Raises:
        ConfigError: If no organism can have it.
    """
    if model_type not in BODIES:
        raise ConfigError(f"organism architecture {model_type!r}: expected one of {sorted(BODIES)}")
    return BODIES[model_type]


__all__ = ["BODIES", "Body", "body_for"]
