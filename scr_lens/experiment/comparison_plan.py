"""What the comparison of all methods runs, as data: methods, seeds and sizes.

Costs decide the sizes. On the organisms OPERA takes tens of times as long per question as vanilla and VLI
several times, since both decode row by row. With 15% changed answers, as in the paper, 200 images show
reductions of the hallucination rate from about 4.5 points on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from scr_lens.config import ScrConfig
from scr_lens.decoding import make_decoder
from scr_lens.decoding.table import method_table
from scr_lens.errors import ConfigError, unknown_name
from scr_lens.questions import Condition, is_decoding_method
from scr_lens.serialization import to_dict

BASELINE = "vanilla"

COMPARED = (
    BASELINE, "scr", "one-pass-scr", "uniform-smooth", "gaussian-noise", "opera", "vcd", "avcd",
    "object-mask-vcd", "sid", "vli", "crops", "dola",
)  # fmt: skip
"""Methods of the comparison, in the order of its tables."""


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """Sizes of the comparison.

    Attributes:
        n_images: Test images with POPE questions, all three splits.
        n_caption_images: Test images with captions.
        max_new_tokens: Most tokens of a caption.
        n_timed: Test images on which every method is timed, one question and one caption each.
        n_seeds: Seeds of methods that draw; the first is 0.
        without: Methods left out.

    Raises:
        ConfigError: If a size is too small, or a method is unknown or the baseline.
    """

    n_images: int = 200
    n_caption_images: int = 100
    max_new_tokens: int = 48
    n_timed: int = 20
    n_seeds: int = 3
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        smallest = {"n_images": 2, "n_caption_images": 2, "max_new_tokens": 1, "n_timed": 2, "n_seeds": 1}
        for name, least in smallest.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least {least}")
        for name in self.without:
            if name not in COMPARED[1:]:
                raise ConfigError(unknown_name("method to leave out", name, COMPARED[1:]))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are not left out."""
        return tuple(name for name in COMPARED if name not in self.without)

    @property
    def sizes(self) -> str:
        """What tells stored comparisons of one model apart; methods and seeds are added to a stored one."""
        return f"{self.n_images}-{self.n_caption_images}"


def comparison_conditions(plan: ComparisonPlan, scr: ScrConfig | None = None) -> tuple[Condition, ...]:
    """Conditions of the comparison.

    Args:
        plan: Methods and seeds.
        scr: Settings of the redistribution for every intervention; the paper's if None.

    Returns:
        One condition per method under its own name, and for methods that draw one more per further seed,
        such as "vcd-seed-1".
    """
    drawn = {row.name for row in method_table() if row.traits.stochastic}
    return tuple(
        _condition(method, seed, scr or ScrConfig())
        for method in plan.methods
        for seed in range(plan.n_seeds if method in drawn else 1)
    )


def _condition(method: str, seed: int, scr: ScrConfig) -> Condition:
    name = method if seed == 0 else f"{method}-seed-{seed}"
    if not is_decoding_method(method):
        return Condition(name=name, method=method, config=replace(scr, seed=seed))
    own: dict[str, Any] = {"scr": to_dict(scr)} if method == "one-pass-scr" else {}
    settings = {**own, "seed": seed} if seed else own
    return Condition(name=name, method=method, config=make_decoder(method, settings))
