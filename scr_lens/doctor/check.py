"""One finding of the doctor, and how large a rounding difference may be."""

from dataclasses import dataclass
from typing import Literal

Bound = Literal["at most", "at least"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one named check.

    Attributes:
        measured: The number found; None if the check could not be carried out.
        tolerance: What it is compared with.
        bound: Whether `tolerance` is the largest or the smallest number that passes.
        meaning: What the number is, or why there is none.
        name: What was checked, in a few words; the examination puts it in.
    """

    measured: float | None
    tolerance: float
    bound: Bound = "at most"
    meaning: str
    name: str = ""

    @property
    def passed(self) -> bool:
        """Whether the number was found and lies within its bound; NaN never does."""
        if self.measured is None:
            return False
        return self.measured <= self.tolerance if self.bound == "at most" else self.measured >= self.tolerance


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What two ways of computing the same thing may differ by in one number type.

    Attributes:
        stream: Largest relative difference of residual streams and logits.
        rows: Largest absolute difference of attention probabilities.
    """

    stream: float
    rows: float


ROUNDING = {
    "float64": Rounding(stream=1e-6, rows=1e-6),
    "float32": Rounding(stream=1e-5, rows=1e-6),
    "float16": Rounding(stream=2e-2, rows=5e-3),
    "bfloat16": Rounding(stream=1e-1, rows=3e-2),
}
"""By parameter type. Attention probabilities are computed in float32 even in float64 models; differences of
half precision grow with depth, so its bounds are wide."""

ROW_SUM = 1e-5
"""Largest difference from 1 of the sum of a softmax row, which is computed in float32."""

BATCHING = 1e-4
"""Smallest relative difference between a batch and a single sample that counts: batching changes low bits."""
