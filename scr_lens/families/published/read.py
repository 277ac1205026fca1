"""The facts about a published checkpoint, read from the file that states them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from scr_lens.errors import ConfigError, unknown_name

PUBLISHED = (
    "llava-1.5-7b",
    "llava-1.5-13b",
    "chameleon-7b",
    "chameleon-30b",
    "qwen-vl",
    "qwen2-vl-7b",
)
"""Names of the checkpoints, the paper's six."""


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """What is known about a checkpoint without its weights.

    Attributes:
        name: Name in this package.
        checkpoint: Name on the hub.
        source: Where the facts come from.
        parameters: Number of parameters that these sizes give.
        config: Content of `config.json`, without what does not matter here.
        image_processor: Settings of the image processor that differ from its class's own.
        special_tokens: Ids of the tokens with a meaning.
    """

    name: str
    checkpoint: str
    source: str
    parameters: int
    config: Mapping[str, Any]
    image_processor: Mapping[str, Any]
    special_tokens: Mapping[str, int]

    @property
    def model_type(self) -> str:
        """The architecture."""
        return str(self.config["model_type"])


def read_published(name: str) -> PublishedModel:
    """Read the facts about a checkpoint.

    Args:
        name: One of `PUBLISHED`.

    Returns:
        The facts.

    Raises:
        ConfigError: If there is no such checkpoint.
    """
    if name not in PUBLISHED:
        raise ConfigError(unknown_name("published model", name, PUBLISHED))
    content = (files(__package__) / f"{name}.json").read_text(encoding="utf-8")
    return PublishedModel(name=name, **json.loads(content))
