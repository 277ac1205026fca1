"""Frozen settings of the diagnostic pass and of the redistribution, with validation and digests."""

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

from scr_lens.errors import ConfigError
from scr_lens.requirements import require_choice, require_int, require_lambda, require_number
from scr_lens.serialization import digest, from_dict, to_dict

__all__ = [
    "PAPER_GRID_SIZES",
    "PAPER_SCR_LAYERS",
    "Conflict",
    "DiagnosePer",
    "DiagnosticConfig",
    "LayerRange",
    "QuerySet",
    "Schedule",
    "ScrConfig",
    "Topology",
    "digest",
    "from_dict",
    "to_dict",
]

QuerySet = Literal["all_text_after_image", "question", "last"]
Topology = Literal["8", "4", "radius-2", "scrambled"]
Conflict = Literal["sources_first", "skip_claimed"]
Schedule = Literal["every_layer", "once"]
DiagnosePer = Literal["question", "image"]

PAPER_SCR_LAYERS: Mapping[tuple[str, int], tuple[int, int]] = types.MappingProxyType(
    {
        ("llava", 32): (0, 11),
        ("llava", 40): (0, 11),
        ("chameleon", 32): (0, 15),
        ("chameleon", 48): (0, 20),
        ("qwen", 32): (0, 15),
        ("qwen_vl", 32): (0, 15),
        ("qwen2_vl", 28): (0, 15),
    }
)
"""First and last redistributed block in the paper, by `config.model_type` and number of blocks (Sec. 3.2)."""

PAPER_GRID_SIZES = frozenset({256, 576, 1024})
"""Patch counts of the paper's fixed grids, all of which use 32 sources."""


@dataclass(frozen=True)
class LayerRange:
    """An inclusive range of decoder blocks, counted from 0.

    Args:
        first: First block of the range.
        last: Last block of the range, not below `first`.

    Raises:
        ConfigError: If a bound is not an integer, is negative, or the bounds are in the wrong order.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        require_int("layers.first", self.first, minimum=0)
        require_int("layers.last", self.last, minimum=0)
        if self.last < self.first:
            raise ConfigError(f"layers {self} ends before it starts; give first <= last, such as '0-15'")

    @property
    def layers(self) -> range:
        """The blocks of the range in ascending order."""
        return range(self.first, self.last + 1)

    def __contains__(self, layer: int) -> bool:
        return self.first <= layer <= self.last

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def within(self, n_layers: int) -> "LayerRange":
        """Check the range against the depth of a model.

        Args:
            n_layers: Number of decoder blocks.

        Returns:
            The same range.

        Raises:
            ConfigError: If the range ends beyond the last block.
        """
        if self.last >= n_layers:
            raise ConfigError(
                f"layers {self} do not fit a model with {n_layers} blocks; "
                f"blocks count from 0, so end at {n_layers - 1} or before"
            )
        return self

    @classmethod
    def parse(cls, text: str) -> "LayerRange":
        """Read a range written as 'first-last'.

        Args:
            text: For example "0-15".

        Returns:
            The range; `parse(str(r)) == r`.

        Raises:
            ConfigError: If the text has another form.
        """
        match = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", text)
        if match is None:
            raise ConfigError(f"cannot read the layer range {text!r}; write first-last, such as '0-15'")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, kw_only=True)
class DiagnosticConfig:
    """Settings of the diagnostic pass, which measures the attention map over image patches.

    Args:
        layers: Blocks to average over; None means floor(L/4) to floor(L/2).
        queries: Text positions whose attention rows are averaged.
        head_share: Share in (0, 1] of (layer, head) pairs kept, those with the most image attention first.
        diagnose_per: One map per question, or one per image made with `image_prompt`.
        image_prompt: The fixed prompt for `diagnose_per="image"`.

    Raises:
        ConfigError: If a value is outside its allowed set.

    Source: SCR paper, Sec. 3.1 and 6.1d.
    """

    layers: LayerRange | None = None
    queries: QuerySet = "all_text_after_image"
    head_share: float = 1.0
    diagnose_per: DiagnosePer = "question"
    image_prompt: str = "Describe this image in detail."

    def __post_init__(self) -> None:
        _require_layers("diagnostic.layers", self.layers)
        require_choice("diagnostic.queries", self.queries, get_args(QuerySet))
        require_choice("diagnostic.diagnose_per", self.diagnose_per, get_args(DiagnosePer))
        share = require_number("diagnostic.head_share", self.head_share)
        if not 0 < share <= 1:
            raise ConfigError(f"diagnostic.head_share is {share}; give a share above 0 and up to 1")
        object.__setattr__(self, "head_share", share)
        if not isinstance(self.image_prompt, str) or not self.image_prompt.strip():
            raise ConfigError(
                f"diagnostic.image_prompt is {self.image_prompt!r}; give a prompt that is not empty"
            )

    def resolved_layers(self, n_layers: int) -> LayerRange:
        """Find the blocks to average over in a model of a given depth.

        Args:
            n_layers: Number of decoder blocks L.

        Returns:
            `layers` if set, else floor(L/4) to floor(L/2): 8-16 of 32 blocks.

        Raises:
            ConfigError: If the range does not fit the model.

        Source: SCR paper, Sec. 3.1 (layers 8-16 of 32; the fractions are this project's choice).
        """
        require_int("n_layers", n_layers, minimum=1)
        return (self.layers or LayerRange(n_layers // 4, n_layers // 2)).within(n_layers)


@dataclass(frozen=True, kw_only=True)
class ScrConfig:
    """Settings of spatial credit redistribution.

    Args:
        lambda_: Strength; sources are divided by it and neighbors get (lambda - 1) of their source.
        n_sources: Number K of sources; None means 32 on the paper's grids, else in proportion to the grid.
        topology: Which cells around a source are its neighbors; "scrambled" is a control.
        conflict: "sources_first" fixes all sources before any claim; "skip_claimed" passes over candidates
            that an earlier source has claimed as a neighbor.
        exclude_border: Whether border rows and columns are barred from being sources.
        layers: Blocks to act on; None means the paper's range, else the first half of the model.
        schedule: Act at every block of the range, or once at its last block.
        seed: Seed of every random draw (controls only).
        diagnostic: Settings of the diagnostic pass.

    Raises:
        ConfigError: If a value is outside its allowed set.

    Source: SCR paper, Sec. 3.1, 3.2 and 6.1.
    """

    lambda_: float = 1.10
    n_sources: int | None = None
    topology: Topology = "8"
    conflict: Conflict = "sources_first"
    exclude_border: bool = True
    layers: LayerRange | None = None
    schedule: Schedule = "every_layer"
    seed: int = 0
    diagnostic: DiagnosticConfig = field(default_factory=DiagnosticConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lambda_", require_lambda(self.lambda_))
        if self.n_sources is not None:
            require_int("n_sources", self.n_sources, minimum=1)
        require_choice("topology", self.topology, get_args(Topology))
        require_choice("conflict", self.conflict, get_args(Conflict))
        require_choice("schedule", self.schedule, get_args(Schedule))
        _require_layers("layers", self.layers)
        require_int("seed", self.seed, minimum=0)
        if not isinstance(self.exclude_border, bool):
            raise ConfigError(f"exclude_border is {self.exclude_border!r}; give true or false")
        if not isinstance(self.diagnostic, DiagnosticConfig):
            raise ConfigError(f"diagnostic is {self.diagnostic!r}; give a DiagnosticConfig")

    def resolved_layers(self, n_layers: int, model_type: str) -> LayerRange:
        """Find the blocks to act on in a given model.

        Args:
            n_layers: Number of decoder blocks L.
            model_type: The model's `config.model_type`, such as "llava".

        Returns:
            `layers` if set; else the paper's range for its own models; else the first half, 0 to L//2 - 1.

        Raises:
            ConfigError: If the range does not fit the model.

        Source: SCR paper, Sec. 3.2.
        """
        require_int("n_layers", n_layers, minimum=1)
        half = (0, max(0, n_layers // 2 - 1))
        default = LayerRange(*PAPER_SCR_LAYERS.get((model_type, n_layers), half))
        return (self.layers or default).within(n_layers)

    def resolved_n_sources(self, n_patches: int) -> int:
        """Find the number K of sources for a grid.

        Args:
            n_patches: Number N of image patches.

        Returns:
            `n_sources` if set; 32 for N in {256, 576, 1024}; else round(N * 32 / 576), at least 1.

        Source: SCR paper, Sec. 3.1 (K = 32; other grids are this project's choice).
        """
        if self.n_sources is not None:
            return self.n_sources
        return 32 if n_patches in PAPER_GRID_SIZES else max(1, round(32 / 576 * n_patches))

    def resolved(self, n_patches: int, n_layers: int, model_type: str) -> Self:
        """Write out everything that is left to the model and the grid.

        Args:
            n_patches: Number N of image patches.
            n_layers: Number of decoder blocks L.
            model_type: The model's `config.model_type`.

        Returns:
            Settings without None; two that are equal here do the same to such a picture.

        Raises:
            ConfigError: If a range does not fit the model.
        """
        return replace(
            self,
            n_sources=self.resolved_n_sources(n_patches),
            layers=self.resolved_layers(n_layers, model_type),
            diagnostic=replace(self.diagnostic, layers=self.diagnostic.resolved_layers(n_layers)),
        )


def _require_layers(name: str, value: object) -> None:
    if value is not None and not isinstance(value, LayerRange):
        raise ConfigError(f"{name} is {value!r}; give a LayerRange or None")
