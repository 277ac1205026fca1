"""Which attention rows a pass wants."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scr_lens.config import LayerRange, QuerySet
from scr_lens.layout import TokenLayout


@dataclass(frozen=True, kw_only=True, eq=False)
class RowRequest:
    """Which softmax rows and columns a pass wants, per row of the batch.

    Shorter samples are padded by repeating their last query and their last patch.

    Args:
        layers: Blocks to compute rows at.
        queries: Absolute positions of the query tokens.
        query_is_real: False where `queries` is padding.
        images: Absolute positions of the patches.
        key_length: Length of the key sequence the positions refer to.
        first_query: Smallest query position, kept as a number so that checking it never waits for a device.
    """

    layers: LayerRange
    queries: Int[Tensor, "batch query"]
    query_is_real: Bool[Tensor, "batch query"]
    images: Int[Tensor, "batch patch"]
    key_length: int
    first_query: int

    @classmethod
    def of(cls, layouts: Sequence[TokenLayout], layers: LayerRange, queries: QuerySet) -> "RowRequest":
        """The request for a batch: text queries of each sample against its own patches.

        Args:
            layouts: One layout per row of the batch, all of the same row length.
            layers: Blocks to compute rows at.
            queries: Which text positions ask.

        Returns:
            A request on the CPU.

        Raises:
            LayoutError: If "question" is asked for and a question is empty.
        """
        asked = [layout.queries(queries) for layout in layouts]
        return cls.at(asked, [layout.image_positions for layout in layouts], layers, layouts[0].seq_len)

    @classmethod
    def at(
        cls,
        queries: Sequence[Int[Tensor, "_"]],
        images: Sequence[Int[Tensor, "_"]],
        layers: LayerRange,
        key_length: int,
    ) -> "RowRequest":
        """The request for given positions.

        Args:
            queries: Query positions of every row, at least one each.
            images: Patch positions of every row.
            layers: Blocks to compute rows at.
            key_length: Length of the rows.

        Returns:
            A request on the CPU.
        """
        positions, real = pad_positions(queries)
        return cls(
            layers=layers,
            queries=positions,
            query_is_real=real,
            images=pad_positions(images)[0],
            key_length=key_length,
            first_query=int(positions.min()),
        )

    def fits(self, layer: int, query: Tensor, key: Tensor) -> bool:
        """Whether an attention call is one that this request was made for."""
        offset = key.shape[2] - query.shape[2]
        return (
            layer in self.layers
            and query.shape[0] == len(self.queries)
            and key.shape[2] == self.key_length
            and offset <= self.first_query
        )

    def is_shape_of(self, rows: Tensor) -> bool:
        """Whether rows `[batch, head, query, patch]` are as many as were asked for.

        Eager attention returns all queries and all keys, which are more: the patches come before the text.
        """
        wanted = (*self.queries.shape, self.images.shape[1])
        return rows.ndim == 4 and (rows.shape[0], *rows.shape[2:]) == wanted


def pad_positions(
    positions: Sequence[Int[Tensor, "_"]],
) -> tuple[Int[Tensor, "batch longest"], Bool[Tensor, "batch longest"]]:
    """Stack position lists of different lengths, repeating each list's last entry as padding.

    Args:
        positions: One non-empty list per row of the batch.

    Returns:
        The stacked positions, and False where an entry is padding.
    """
    longest = max(len(p) for p in positions)
    padded = torch.stack([torch.cat([p, p[-1:].expand(longest - len(p))]) for p in positions])
    lengths = torch.tensor([len(p) for p in positions])
    return padded, torch.arange(longest)[None] < lengths[:, None]
