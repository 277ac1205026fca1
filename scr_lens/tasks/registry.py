"""Every task that a run's file can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scr_lens.errors import ConfigError, unknown_name
from scr_lens.serialization import from_dict
from scr_lens.tasks.base import Task
from scr_lens.tasks.captions import Captions, CaptionsWorld
from scr_lens.tasks.pope import Pope, PopeWorld

TASKS: dict[str, type[Task]] = {task.name: task for task in (PopeWorld, Pope, CaptionsWorld, Captions)}
"""Every task by name."""


def read_task(settings: Mapping[str, Any]) -> Task:
    """Builds a task from the `[benchmark]` table of a run's file.

    Args:
        settings: `name` and the fields of that task.

    Returns:
        The task.

    Raises:
        ConfigError: If there is no name, or name, key or value is unknown.
    """
    if not isinstance(settings, Mapping) or "name" not in settings:
        raise ConfigError(f"benchmark is {settings!r}; give a table with name = one of: {', '.join(TASKS)}")
    name, fields = settings["name"], {key: value for key, value in settings.items() if key != "name"}
    if name not in TASKS:
        raise ConfigError(unknown_name("benchmark", name, TASKS))
    return from_dict(TASKS[name], fields, f"{name} benchmark setting")
