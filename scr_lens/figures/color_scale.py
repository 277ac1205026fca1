"""Color scales: which value has which color, decided once for all maps that a reader compares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Num
from matplotlib.colors import Normalize

from scr_lens.errors import DataError
from scr_lens.figures.style import DIVERGING, SEQUENTIAL

Map = Num[np.ndarray, "..."]


@dataclass(frozen=True, kw_only=True)
class ColorScale:
    """The value range of a color map.

    Attributes:
        low: Value of the first color.
        high: Value of the last color, above `low`.
        colormap: Name of the color map.
        label: Quantity and unit, for the color bar.

    Raises:
        DataError: If the ends are not finite and in order.
    """

    low: float
    high: float
    colormap: str = SEQUENTIAL
    label: str = ""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise DataError(
                f"color scale from {self.low} to {self.high}: expected finite ends with low < high; "
                "take it over all maps that are compared"
            )

    @classmethod
    def spanning(cls, maps: Sequence[Map], label: str, *, colormap: str = SEQUENTIAL) -> "ColorScale":
        """Span the finite values of all maps that share the scale.

        Args:
            maps: Every map that a reader will compare; shapes may differ.
            label: Quantity and unit.
            colormap: A sequential color map.

        Returns:
            From the smallest to the largest value; a little around the value when all are equal.

        Raises:
            DataError: If no value is finite.
        """
        values = _finite(maps)
        low, high = float(values.min()), float(values.max())
        if low == high:
            low, high = low - _margin(low), high + _margin(high)
        return cls(low=low, high=high, colormap=colormap, label=label)

    @classmethod
    def symmetric(cls, maps: Sequence[Map], label: str, *, colormap: str = DIVERGING) -> "ColorScale":
        """Span differences so that zero has the neutral color.

        Args:
            maps: Every difference map that a reader will compare.
            label: Quantity and unit.
            colormap: A diverging color map.

        Returns:
            From -m to m with m the largest absolute value; from -1 to 1 when all differences are 0.

        Raises:
            DataError: If no value is finite.
        """
        peak = float(np.abs(_finite(maps)).max()) or 1.0
        return cls(low=-peak, high=peak, colormap=colormap, label=label)

    def normalize(self) -> Normalize:
        """Build matplotlib's form of the range."""
        return Normalize(vmin=self.low, vmax=self.high)


def _finite(maps: Sequence[Map]) -> np.ndarray:
    parts = [np.asarray(values, dtype=np.float64).reshape(-1) for values in maps]
    values = np.concatenate(parts) if parts else np.empty(0)
    kept: np.ndarray = values[np.isfinite(values)]
    if kept.size == 0:
        raise DataError(f"{len(parts)} maps without a finite value: expected one to span a color scale")
    return kept


def _margin(value: float) -> float:
    return 0.05 * abs(value) or 1.0
