"""The settings of a run, read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scr_lens import models
from scr_lens.config import ScrConfig
from scr_lens.decoding import Decoder, make_decoder
from scr_lens.errors import ConfigError, unknown_name
from scr_lens.json_records import read_text
from scr_lens.organisms.shipped import DEFAULT
from scr_lens.questions import Condition, is_decoding_method
from scr_lens.run import BATCH_SIZE
from scr_lens.serialization import from_dict, to_dict
from scr_lens.tasks import Task, read_task
from scr_lens.trace import Lens

_SCR_KEYS = tuple(to_dict(ScrConfig()))


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run asks which model, under which conditions.

    Args:
        benchmark: What to ask, see `scr_lens.tasks`.
        conditions: Methods and settings, with distinct names.
        model: Shipped organism, checkpoint folder or hub name.
        dtype: "float32", "bfloat16", "float16" or "float64".
        device: Such as "cpu" or "cuda"; None takes a GPU if there is one.
        device_map: Instead of `device`, such as "auto", to spread a large model; needs accelerate.
        offload_folder: Where a device map may put what does not fit into memory.
        batch_size: Questions per pass, half as many where answers are texts; halved by itself when memory
            runs out.
        seed: Seed of the benchmark's draws, and of every condition that gives none.

    Raises:
        ConfigError: If a value is not allowed.
    """

    benchmark: Task
    conditions: tuple[Condition, ...]
    model: str = DEFAULT
    dtype: str = "float32"
    device: str | None = None
    device_map: str | None = None
    offload_folder: str | None = None
    batch_size: int = BATCH_SIZE
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("model", "dtype"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; give text in quotes")
        for name, example in (("device", "cuda"), ("device_map", "auto"), ("offload_folder", "offload")):
            if not isinstance(getattr(self, name), str | None):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; give text such as {example!r}")
        if self.device and self.device_map:
            raise ConfigError(
                f"device is {self.device!r} and device_map {self.device_map!r}; give one of them"
            )
        for name, least in (("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is {value!r}; give a whole number from {least}")
        names = [condition.name for condition in self.conditions]
        if not names:
            raise ConfigError("the run has no conditions; add [[conditions]] with method = 'vanilla'")
        if len(set(names)) != len(names):
            raise ConfigError(f"conditions {names}: names must differ; give name = '...' to one of them")

    @classmethod
    def from_toml(cls, path: str | Path) -> RunConfig:
        """Reads a run's file.

        Args:
            path: TOML file; paths in it are relative to the folder where the command runs.

        Returns:
            The settings.

        Raises:
            DataError: If the file cannot be read.
            ConfigError: Naming the file, if it is no TOML, a key is unknown or a value not allowed.
        """
        try:
            return cls.from_dict(tomllib.loads(read_text(path)))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: malformed TOML ({error}); correct the line") from error
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """Builds the settings from plain values, as TOML gives them.

        Args:
            values: Fields by name; `benchmark` a table, `conditions` a list of tables, each with `method`,
                perhaps `name`, and any settings of `ScrConfig` ("lambda" for its `lambda_`) or of the
                decoding method.

        Returns:
            The settings.

        Raises:
            ConfigError: If a key is unknown or missing, or a value not allowed.
        """
        known = tuple(cls.__dataclass_fields__)
        for key in values:
            if key not in known:
                raise ConfigError(unknown_name("run setting", key, known))
        tables = values.get("conditions", [])
        if not isinstance(tables, list | tuple):
            raise ConfigError(f"conditions is {tables!r}; write each as a table [[conditions]]")
        plain = {key: value for key, value in values.items() if key not in ("benchmark", "conditions")}
        seed = plain.get("seed", 0)
        return cls(
            benchmark=read_task(values.get("benchmark", {})),
            conditions=tuple(_condition(table, seed) for table in tables),
            **plain,
        )

    def identity(self) -> dict[str, Any]:
        """What decides the rows, as plain values; where files lie and the machine's settings do not.

        Returns:
            The values that two calls on one run directory must share.
        """
        asked = {k: v for k, v in to_dict(self.benchmark).items() if k not in self.benchmark.places}
        return {
            "model": self.model,
            "dtype": self.dtype,
            "seed": self.seed,
            "benchmark": {"name": self.benchmark.name, **asked},
            "conditions": [{"name": c.name, **c.settings} for c in self.conditions],
        }

    def load(self, device: str | None = None) -> Lens:
        """The model, where the settings want it.

        Args:
            device: Instead of the settings' device.

        Returns:
            The lens.

        Raises:
            ConfigError: As `scr_lens.load` does.
        """
        place = None if self.device_map else device or self.device
        return models.load(
            self.model,
            dtype=self.dtype,
            device=place,
            device_map=self.device_map,
            offload_folder=self.offload_folder,
        )

    def seeds(self) -> dict[str, int]:
        """Every seed by its purpose."""
        return {"benchmark": self.seed} | {f"condition {c.name}": c.config.seed for c in self.conditions}


def _condition(table: Any, seed: int) -> Condition:
    if not isinstance(table, Mapping) or not isinstance(table.get("method"), str):
        raise ConfigError(f"condition {table!r} names no method; give method = 'scr' or another")
    method = table["method"]
    name = table.get("name", method)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"condition name is {name!r}; give text in quotes")
    settings = {key: value for key, value in table.items() if key not in ("name", "method")}
    try:
        return Condition(name=name, method=method, config=_settings(method, settings, seed))
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if repr(name) in text else f"condition {name!r}: {text}") from error


def _settings(method: str, settings: Mapping[str, Any], seed: int) -> ScrConfig | Decoder:
    """Settings of a condition; the run's seed unless it gives one of its own."""
    known = tuple(to_dict(make_decoder(method))) if is_decoding_method(method) else _SCR_KEYS
    for key in settings:
        if key not in known:
            raise ConfigError(unknown_name("condition setting", key, ("name", "method", *known)))
    complete = {"seed": seed, **settings} if "seed" in known else settings
    return make_decoder(method, complete) if known is not _SCR_KEYS else from_dict(ScrConfig, complete)
