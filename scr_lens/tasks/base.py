"""What a task is, and the checks that tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.measurement import Measurement
from scr_lens.questions import Question
from scr_lens.trace import Lens
from scr_lens.world_benchmark import canvases_of


class Task(Protocol):
    """Settings of a benchmark; a frozen dataclass whose fields are the keys of `[benchmark]`.

    Attributes:
        name: Name in a run's file and in the rows.
        places: Fields that say where files lie: two runs that differ only in them are the same run.
    """

    name: ClassVar[str]
    places: ClassVar[frozenset[str]]

    @property
    def measurement(self) -> Measurement:
        """How answers are taken."""

    def questions(self, seed: int) -> tuple[Question, ...]:
        """What is asked.

        Args:
            seed: Seed of every draw.

        Returns:
            Distinct questions, in any order.

        Raises:
            DataError: If a file is missing or malformed.
        """


def for_model(task: Any, lens: Lens) -> Any:
    """A task with what it leaves to the model filled in: the sizes of rendered pictures.

    Args:
        task: A task.
        lens: The model that will be asked.

    Returns:
        The task; the same object where nothing was left open, so that a second call changes nothing.
    """
    has_open_canvases = getattr(task, "canvases", ()) is None
    return replace(task, canvases=canvases_of(lens)) if has_open_canvases else task


def require_count(name: str, value: object, *, optional: bool = False) -> None:
    """Refuses what is not a whole number from 1.

    Raises:
        ConfigError: Naming the setting.
    """
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"benchmark.{name} is {value!r}; give a whole number from 1")


def require_text(name: str, value: object) -> None:
    """Refuses what is not text, or empty text.

    Raises:
        ConfigError: Naming the setting.
    """
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"benchmark.{name} is {value!r}; give text in quotes")


def require_choices(name: str, values: object, allowed: Sequence[str]) -> None:
    """Refuses what is not a list of distinct known names.

    Raises:
        ConfigError: Naming the setting and the closest known name.
    """
    if not isinstance(values, tuple) or not values or len(set(values)) != len(values):
        raise ConfigError(f"benchmark.{name} is {values!r}; give a list of distinct names: {list(allowed)}")
    for value in values:
        if value not in allowed:
            raise ConfigError(unknown_name(f"benchmark.{name} value", value, allowed))


def require_folder(name: str, folder: str) -> Path:
    """The folder that a setting names.

    Raises:
        DataError: If it does not exist.
    """
    if not Path(folder).is_dir():
        raise DataError(
            f"benchmark.{name}: there is no folder {folder!r}; correct the path, or get the files "
            "with `scr-lens data fetch` or `scr-lens data import`"
        )
    return Path(folder)
