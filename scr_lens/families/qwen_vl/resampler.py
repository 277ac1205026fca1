"""The resampler: learned queries that turn any number of patches into a fixed number of image tokens.

A query attends to every patch. Its place in the grid is nominal: it is the place of its position vector, not
a receptive field.
"""

from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from scr_lens.families.qwen_vl.configuration import QwenVLVisionConfig

NORM_EPS = 1e-6


class Resampler(nn.Module):
    """One cross-attention from learned queries to patches.

    Keys and queries carry a position, values do not.

    Args:
        config: Sizes.

    Source: Bai et al. 2023, "Qwen-VL", Sec. 2.1 (position-aware vision-language adapter).
    """

    def __init__(self, config: QwenVLVisionConfig) -> None:
        super().__init__()
        width = config.output_dim
        self.pos_embed = nn.Parameter(torch.empty(config.n_queries, width), requires_grad=False)
        self.query = nn.Parameter(torch.empty(config.n_queries, width))
        self.kv_proj = nn.Linear(config.width, width, bias=False)
        self.attn = nn.MultiheadAttention(width, config.resampler_heads, batch_first=True)
        self.ln_q = nn.LayerNorm(width, eps=NORM_EPS)
        self.ln_kv = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, patches: Float[Tensor, "image patch width"]) -> Float[Tensor, "image query d_model"]:
        """What each query gathered.

        Args:
            patches: The tower's output for square images, in raster order.
        """
        return self._attend(patches, want_weights=False)[0]

    def weights(self, patches: Float[Tensor, "image patch width"]) -> Float[Tensor, "image query patch"]:
        """Where each query looks: attention averaged over heads.

        Args:
            patches: The tower's output for square images, in raster order.

        Returns:
            Probabilities in [0, 1]; a row sums to 1. A row close to one-hot means that the token is about one
            patch, a flat row that it is about the whole image.
        """
        return self._attend(patches, want_weights=True)[1]

    def _attend(self, patches: Tensor, *, want_weights: bool) -> tuple[Tensor, Tensor]:
        values = self.ln_kv(self.kv_proj(patches))
        keys = values + resize_table(self.pos_embed, isqrt(patches.shape[1]))
        queries = (self.ln_q(self.query) + self.pos_embed).expand(len(patches), -1, -1)
        output, weights = self.attn(queries, keys, values, need_weights=want_weights)
        return output, weights


def resize_table(table: Float[Tensor, "cell width"], side: int) -> Float[Tensor, "resized width"]:
    """Interpolate a square table of position vectors to another side length.

    Bicubic without aligned corners, computed in float32 and returned in the table's own type.

    Args:
        table: Position vectors of a square grid in raster order.
        side: Side of the wanted grid.

    Returns:
        `side * side` vectors in raster order; the table itself if it has that size.
    """
    old = isqrt(len(table))
    if old == side:
        return table
    image = table.float().reshape(1, old, old, -1).permute(0, 3, 1, 2)
    resized = functional.interpolate(image, size=(side, side), mode="bicubic", align_corners=False)
    return resized.flatten(2)[0].T.to(table.dtype)


def sincos_table(side: int, width: int) -> Float[Tensor, "cell width"]:
    """Sine-cosine position vectors of a square grid.

    The first half of the channels encodes the column, the second half the row; each half is
    [sin(p w), cos(p w)] with w_i = 10000 ** (-i / (width / 4)).

    Args:
        side: Side of the grid.
        width: Number of channels, a multiple of 4.

    Returns:
        Values in [-1, 1], cells in raster order.
    """
    rates = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    cells = torch.arange(side * side)
    return torch.cat([line[cells % side], line[cells // side]], dim=1).float()
