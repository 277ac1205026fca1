"""What a run asks, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scr_lens.config import ScrConfig
from scr_lens.interventions import find_method
from scr_lens.serialization import to_dict


@dataclass(frozen=True, kw_only=True)
class Question:
    """One yes/no question about one image file.

    Attributes:
        image: Image file.
        image_id: Name of the image in its benchmark.
        text: The question.
        object: Object asked for.
        label: Right answer, "yes" or "no".
        splits: Splits of the benchmark that ask it.
    """

    image: Path
    image_id: str
    text: str
    object: str
    label: str
    splits: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A method with its settings, under the name that tables use.

    Attributes:
        name: Name in the store; the method's own unless one method runs with several settings.
        method: Name of the method.
        config: Its settings.
    """

    name: str
    method: str
    config: ScrConfig = field(default_factory=ScrConfig)

    def __post_init__(self) -> None:
        find_method(self.method)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the condition's results, as plain values."""
        return {"method": self.method, **to_dict(self.config)}


def standard_conditions(names: Iterable[str], config: ScrConfig | None = None) -> tuple[Condition, ...]:
    """One condition per method name, all with the same settings."""
    settings = config or ScrConfig()
    return tuple(Condition(name=name, method=name, config=settings) for name in names)
