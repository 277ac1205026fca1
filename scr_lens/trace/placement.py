"""Where the samples of a batch lie in the rows that a pass runs: one row each, or several in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scr_lens.config import LayerRange, QuerySet
from scr_lens.layout import TokenLayout
from scr_lens.trace.row_request import RowRequest, pad_positions


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Row and positions of every sample.

    Samples of one row share its image.

    Args:
        rows: Row of every sample; every row has at least one.
        slots: Number of every sample among those of its row, from 0.
        layouts: Positions of every sample's tokens in its row.
    """

    rows: tuple[int, ...]
    slots: tuple[int, ...]
    layouts: tuple[TokenLayout, ...]

    @classmethod
    def one_per_row(cls, layouts: Sequence[TokenLayout]) -> "Placement":
        """Every sample in a row of its own, in order."""
        return cls(rows=tuple(range(len(layouts))), slots=(0,) * len(layouts), layouts=tuple(layouts))

    @property
    def n_slots(self) -> int:
        """Most samples of a row."""
        return max(self.slots) + 1

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """First sample of every row."""
        return tuple(self.rows.index(row) for row in range(max(self.rows) + 1))

    @cached_property
    def images(self) -> Int[Tensor, "row patch"]:
        """Position of every row's patches; a smaller image repeats its last."""
        return pad_positions([self.layouts[first].image_positions for first in self.firsts])[0]

    def request(self, layers: LayerRange, queries: QuerySet) -> RowRequest:
        """The attention rows that the samples' queries ask for, each position of a row once.

        Args:
            layers: Blocks to compute rows at.
            queries: Which text positions ask.

        Returns:
            A request on the CPU.

        Raises:
            LayoutError: If "question" is asked for and a question is empty.
        """
        members: list[list[Tensor]] = [[] for _ in self.firsts]
        for row, layout in zip(self.rows, self.layouts, strict=True):
            members[row].append(layout.queries(queries))
        return RowRequest.at(
            [torch.cat(asked).unique() for asked in members],
            [self.layouts[first].image_positions for first in self.firsts],
            layers,
            self.layouts[0].seq_len,
        )

    def askers(self, request: RowRequest, queries: QuerySet) -> Bool[Tensor, "row slot query"]:
        """Which queries of a request belong to which sample.

        Args:
            request: The request of this placement for the same query set.
            queries: Which text positions ask.

        Returns:
            True where the sample of the slot asks; all False in an empty slot.
        """
        asks = torch.zeros(len(self.firsts), self.n_slots, request.queries.shape[1], dtype=torch.bool)
        for row, slot, layout in zip(self.rows, self.slots, self.layouts, strict=True):
            asks[row, slot] = torch.isin(request.queries[row], layout.queries(queries))
        return asks & request.query_is_real[:, None]
