"""Settings as plain values and back, and their digests.

A value whose type has a `parse` class method (a layer range) is written as its text.
"""

import dataclasses
import hashlib
import json
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from scr_lens.errors import ConfigError, unknown_name

C = TypeVar("C")


def to_dict(config: Any) -> dict[str, Any]:
    """Write a config as plain values that JSON and TOML can hold.

    Args:
        config: Any dataclass of settings; it may hold other dataclasses and tuples.

    Returns:
        One entry per field; a layer range is written as "first-last" and `lambda_` as "lambda".
    """
    return {_key(f.name): _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_dict(cls: type[C], mapping: Mapping[str, Any], kind: str | None = None) -> C:
    """Build a config from plain values, the inverse of `to_dict`.

    Args:
        cls: The dataclass of settings to build.
        mapping: Values by key, as read from TOML or JSON; missing keys keep their defaults.
        kind: What a message calls a key, such as "benchmark setting"; by default the class's name and "key".

    Returns:
        The validated config.

    Raises:
        ConfigError: If a key is unknown or missing, or a value is not allowed.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{cls.__name__} cannot be read from {mapping!r}; give a table of keys and values")
    hints = get_type_hints(cls)
    names = {_key(f.name): f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in names:
            raise ConfigError(unknown_name(kind or f"{cls.__name__} key", key, names))
    values = {names[key]: _read(hints[names[key]], value) for key, value in mapping.items()}
    missing = [key for key, name in names.items() if name not in values and name in _required(cls)]
    if missing:
        listed = ", ".join(map(repr, missing))
        raise ConfigError(f"missing {kind or f'{cls.__name__} key'}: {listed}; give a value for each")
    return cls(**values)


def _required(cls: type) -> set[str]:
    """Names of the fields that have no default."""
    none = dataclasses.MISSING
    return {f.name for f in dataclasses.fields(cls) if f.default is none and f.default_factory is none}


def digest(config: Any) -> str:
    """Hash a config, for cache keys and provenance.

    Args:
        config: Any dataclass of settings.

    Returns:
        The SHA-256 hex digest of its canonical JSON; equal configs have equal digests in every process.
    """
    return digest_plain(to_dict(config))


def digest_plain(values: Mapping[str, Any]) -> str:
    """Hash plain values.

    Args:
        values: Text, numbers, booleans, None, lists and mappings of them.

    Returns:
        The SHA-256 hex digest of their canonical JSON.
    """
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _key(field_name: str) -> str:
    return field_name.removesuffix("_")


def _plain(value: Any) -> Any:
    if hasattr(type(value), "parse"):
        return str(value)
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _read(hint: Any, value: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(part for part in get_args(hint) if part is not types.NoneType)
    if hasattr(hint, "parse") and isinstance(value, str):
        return hint.parse(value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and not isinstance(value, hint):
        return from_dict(hint, value)
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(_read(get_args(hint)[0], item) for item in value)
    return value
