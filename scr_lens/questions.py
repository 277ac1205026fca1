"""What a run asks, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scr_lens.config import ScrConfig
from scr_lens.interventions import find_method
from scr_lens.serialization import digest, digest_plain, to_dict

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question about one image file, or the request to describe it.

    Attributes:
        image: Image file.
        image_id: Name of the image in its benchmark.
        text: What the model is asked.
        object: Object asked for; "" where no single one is.
        label: Right answer, "yes" or "no"; None where there is no such answer.
        splits: Splits of the benchmark that ask it.
    """

    image: Path
    image_id: str
    text: str
    object: str = ""
    label: str | None = None
    splits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A method with its settings, under the name that tables use.

    Attributes:
        name: Name in the store; the method's own unless one method runs with several settings.
        method: Name of a built-in method, or "module:Class" of one's own.
        config: Its settings.

    Raises:
        ConfigError: If there is no such method.
    """

    name: str
    method: str
    config: ScrConfig = field(default_factory=ScrConfig)

    def __post_init__(self) -> None:
        find_method(self.method)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the condition's results, as plain values."""
        return {"method": self.method, **to_dict(self.config), **self._code}

    def digest(self, extra: Mapping[str, Any] = _NOTHING) -> str:
        """Hashes name, settings and, for a method of one's own, its source: part of the key of every row.

        Args:
            extra: Further plain values that decide results, such as the length of captions.

        Returns:
            A SHA-256 hex digest.
        """
        added = {**self._code, **extra}
        return digest_plain({**to_dict(self), **added}) if added else digest(self)

    @property
    def _code(self) -> dict[str, str]:
        source = find_method(self.method).source_sha256
        return {"source_sha256": source} if source else {}


def standard_conditions(names: Iterable[str], config: ScrConfig | None = None) -> tuple[Condition, ...]:
    """One condition per method name, all with the same settings."""
    settings = config or ScrConfig()
    return tuple(Condition(name=name, method=name, config=settings) for name in names)
