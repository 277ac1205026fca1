"""Stopping and resuming a training: the state on disk after every hundred steps, replaced atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from tqdm.auto import tqdm

SAVE_EVERY = 100
"""Steps between two states on disk."""


class _Stateful(Protocol):
    """What modules, optimizers and schedules have in common."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


class TrainingState:
    """One phase of a training that can be stopped and resumed.

    Args:
        path: File of the state.
        settings: Everything that decides the phase's result; a state of other settings is ignored.
        model: Model in training.
        optimizer: Its optimizer.
        scheduler: Its learning-rate schedule.
        extra: A further module trained beside the model.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        extra: nn.Module | None = None,
    ) -> None:
        self.path = path
        self.settings = json.dumps(settings, sort_keys=True)
        self.parts: dict[str, _Stateful] = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        if extra is not None:
            self.parts["extra"] = extra

    def steps(self, count: int, label: str) -> Iterator[int]:
        """The steps still to do, with a progress bar; the state is saved as they are done."""
        done = self._load()
        with tqdm(total=count, initial=done, desc=label, mininterval=5) as bar:
            for step in range(done, count):
                yield step
                bar.update()
                if (step + 1) % SAVE_EVERY == 0 or step + 1 == count:
                    self._save(step + 1)

    def _load(self) -> int:
        if not self.path.exists():
            return 0
        stored = torch.load(self.path, weights_only=True)
        if stored["settings"] != self.settings:
            return 0
        for name, part in self.parts.items():
            part.load_state_dict(stored[name])
        return int(stored["done"])

    def _save(self, done: int) -> None:
        states = {name: part.state_dict() for name, part in self.parts.items()}
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"settings": self.settings, "done": done, **states}, partial)
        partial.replace(self.path)
