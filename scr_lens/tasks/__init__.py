"""Tasks: what a run asks and how it takes the answers, by the name that a run's file gives.

A task is a small frozen dataclass (see `Task`); a new one is added to `TASKS`.
"""

from scr_lens.tasks.base import Task, for_model
from scr_lens.tasks.captions import Captions, CaptionsWorld
from scr_lens.tasks.pope import Pope, PopeWorld
from scr_lens.tasks.registry import TASKS, read_task

__all__ = ["TASKS", "Captions", "CaptionsWorld", "Pope", "PopeWorld", "Task", "for_model", "read_task"]
