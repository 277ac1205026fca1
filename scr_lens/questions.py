"""What a run asks, and under which conditions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scr_lens.config import DiagnosticConfig, ScrConfig
from scr_lens.decoding import DECODERS, Decoder, make_decoder, settings_of
from scr_lens.errors import ConfigError, unknown_name
from scr_lens.interventions import METHODS, find_method
from scr_lens.interventions.custom import is_custom
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


def about_first_images(questions: Sequence[Question], count: int | None) -> tuple[Question, ...]:
    """The questions about the images that are asked about first.

    Args:
        questions: Questions.
        count: Images; None for all of them.

    Returns:
        Their questions, in the same order.
    """
    wanted = set(list(dict.fromkeys(question.image_id for question in questions))[:count])
    return tuple(question for question in questions if question.image_id in wanted)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A method with its settings, under the name that tables use.

    Attributes:
        name: Name in the store; the method's own unless one method runs with several settings.
        method: Name of an intervention or a decoding method, or "module:Class" of one's own intervention.
        config: Its settings: those of the redistribution for an intervention, the decoder itself for a
            decoding method.

    Raises:
        ConfigError: If there is no such method, or the settings are of another one.
    """

    name: str
    method: str
    config: ScrConfig | Decoder = field(default_factory=ScrConfig)

    def __post_init__(self) -> None:
        if isinstance(self.config, Decoder):
            if self.method != self.config.name:
                raise ConfigError(
                    f"condition {self.name!r}: method is {self.method!r}, its settings are of "
                    f"{self.config.name!r}; give both of one method"
                )
        elif is_decoding_method(self.method):
            raise ConfigError(
                f"condition {self.name!r}: {self.method!r} is a decoding method and has settings of its own; "
                f"give config=make_decoder({self.method!r})"
            )
        elif self.method not in METHODS and not is_custom(self.method):
            raise ConfigError(unknown_name("method", self.method, dict.fromkeys((*METHODS, *DECODERS))))
        else:
            find_method(self.method)

    def effect(self, grid_sizes: Iterable[int], n_layers: int, model_type: str) -> Hashable:
        """What the condition comes to on some pictures: two of equal effect give the same answers and maps.

        Args:
            grid_sizes: Numbers N of image patches.
            n_layers: Number of decoder blocks L.
            model_type: The model's `config.model_type`.

        Returns:
            Method and settings with everything written out that is left to model and grid; for decoding
            methods and interventions of one's own the condition's name, which is no other's.

        Raises:
            ConfigError: If a range does not fit the model.
        """
        config = self.config
        if isinstance(config, Decoder) or is_custom(self.method):
            return self.name
        resolved = (config.resolved(size, n_layers, model_type) for size in sorted(set(grid_sizes)))
        return (self.method, *resolved)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the condition's results, as plain values."""
        if isinstance(self.config, Decoder):
            return settings_of(self.config)
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
        if isinstance(self.config, Decoder):
            return {}
        source = find_method(self.method).source_sha256
        return {"source_sha256": source} if source else {}


def standard_conditions(names: Iterable[str], config: ScrConfig | None = None) -> tuple[Condition, ...]:
    """One condition per method: interventions with the same settings, decoding methods with their own."""
    settings = config or ScrConfig()
    return tuple(
        Condition(name=name, method=name, config=make_decoder(name) if is_decoding_method(name) else settings)
        for name in names
    )


def is_decoding_method(name: str) -> bool:
    """Whether a name is that of a decoding method; "vanilla", which is both, counts as an intervention."""
    return name in DECODERS and name not in METHODS


def diagnostic_of(conditions: Iterable[Condition]) -> DiagnosticConfig:
    """Which attention map a run stores: that of the first condition with settings of a redistribution."""
    configs = (condition.config for condition in conditions)
    return next((c.diagnostic for c in configs if isinstance(c, ScrConfig)), DiagnosticConfig())
