"""Stopping and resuming a training: the state on disk after every hundred steps, replaced atomically.

Organisms and the predictors of One-Pass SCR are trained with it.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from tqdm.auto import tqdm

from scr_lens.errors import DataError
from scr_lens.store.atomic import write_bytes

SAVE_EVERY = 100
"""Steps between two states on disk."""


class _Stateful(Protocol):
    """What modules, optimizers and schedules have in common."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


class TrainingState:
    """One phase of a training that can be stopped and resumed.

    Args:
        path: File of the state; None keeps none, and a stopped training starts again.
        settings: Everything that decides the phase's result; a state of other settings is ignored.
        model: Model in training.
        optimizer: Its optimizer.
        scheduler: Its learning-rate schedule.
        extra: A further module trained beside the model.
    """

    def __init__(
        self,
        path: Path | None,
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
        """The steps still to do, with a progress bar; the state is saved as they are done.

        Args:
            count: Steps of the phase.
            label: What the progress bar says.

        Yields:
            Numbers from that of the first step not done to count - 1.

        Raises:
            DataError: If the file of the state is damaged.
        """
        done = self._load()
        with tqdm(total=count, initial=done, desc=label, mininterval=5) as bar:
            for step in range(done, count):
                yield step
                bar.update()
                if (step + 1) % SAVE_EVERY == 0 or step + 1 == count:
                    self._save(step + 1)

    def _load(self) -> int:
        if self.path is None or not self.path.exists():
            return 0
        try:
            stored = torch.load(self.path, weights_only=True)
            if stored["settings"] != self.settings:
                return 0
            for name, part in self.parts.items():
                part.load_state_dict(stored[name])
            return int(stored["done"])
        except (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{self.path}: damaged state of a training ({reason}); delete it to train from the start"
            ) from error

    def _save(self, done: int) -> None:
        if self.path is None:
            return
        states = {name: part.state_dict() for name, part in self.parts.items()}
        content = io.BytesIO()
        torch.save({"settings": self.settings, "done": done, **states}, content)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self.path, content.getvalue())
