"""Qwen-VL's image tower: a pre-norm transformer on patches, followed by the resampler.

Parameter names are those of the original checkpoints (under `transformer.visual.`).
"""

from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from scr_lens.families.qwen_vl.configuration import QwenVLVisionConfig
from scr_lens.families.qwen_vl.resampler import Resampler, resize_table

NORM_EPS = 1e-6


class PatchSelfAttention(nn.Module):
    """Full self-attention over the patches of one image.

    The rows of `in_proj` are packed per head: head 0's query, key and value rows, then head 1's, and so on.

    Args:
        width: Width of the tower.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, patches: Float[Tensor, "image patch width"]) -> Float[Tensor, "image patch width"]:
        """Softmax attention with scores scaled by 1 / sqrt(width / heads)."""
        per_head = self.in_proj(patches).unflatten(-1, (self.heads, 3, -1))
        query, key, value = per_head.permute(3, 0, 2, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class PatchMLP(nn.Module):
    """Two linear layers with an exact GELU between them.

    Args:
        width: Width of the tower.
        hidden: Width between the layers.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, patches: Float[Tensor, "image patch width"]) -> Float[Tensor, "image patch width"]:
        """Transform every patch by itself."""
        return self.c_proj(functional.gelu(self.c_fc(patches)))


class PatchBlock(nn.Module):
    """Attention and MLP, each behind its own LayerNorm and added to the stream.

    Args:
        config: Sizes.
    """

    def __init__(self, config: QwenVLVisionConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attn = PatchSelfAttention(config.width, config.heads)
        self.ln_2 = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.mlp = PatchMLP(config.width, config.mlp_width)

    def forward(self, patches: Float[Tensor, "image patch width"]) -> Float[Tensor, "image patch width"]:
        """The stream after the block."""
        patches = patches + self.attn(self.ln_1(patches))
        return patches + self.mlp(self.ln_2(patches))


class PatchTransformer(nn.Module):
    """The blocks; a module of its own because the original names them `transformer.resblocks`.

    Args:
        config: Sizes.
    """

    def __init__(self, config: QwenVLVisionConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(PatchBlock(config) for _ in range(config.layers))

    def forward(self, patches: Float[Tensor, "image patch width"]) -> Float[Tensor, "image patch width"]:
        """The stream after the last block, without a final norm."""
        for block in self.resblocks:
            patches = block(patches)
        return patches


class VisionTower(nn.Module):
    """Pixels to image tokens.

    Args:
        config: Sizes.

    Source: specification of Qwen-VL's visual part; Bai et al. 2023, "Qwen-VL", Sec. 2.1.
    """

    def __init__(self, config: QwenVLVisionConfig) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, config.width, config.patch_size, stride=config.patch_size, bias=False)
        self.positional_embedding = nn.Parameter(torch.empty(config.n_positions, config.width))
        self.ln_pre = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.transformer = PatchTransformer(config)
        self.attn_pool = Resampler(config)
        self.ln_post = nn.LayerNorm(config.output_dim, eps=NORM_EPS)
        self.proj = nn.Parameter(torch.empty(config.output_dim, config.output_dim))

    def patches(
        self, pixel_values: Float[Tensor, "image 3 height width"]
    ) -> Float[Tensor, "image patch width"]:
        """The tower's stream after its last block, one vector per patch in raster order.

        Args:
            pixel_values: Normalized square images, sides a multiple of the patch size.
        """
        embedded = self.conv1(pixel_values).flatten(2).transpose(1, 2)
        table = resize_table(self.positional_embedding, isqrt(embedded.shape[1]))
        return self.transformer(self.ln_pre(embedded + table))

    def forward(
        self, pixel_values: Float[Tensor, "image 3 height width"]
    ) -> Float[Tensor, "image query d_model"]:
        """Image tokens, one per learned query.

        Args:
            pixel_values: Normalized square images, sides a multiple of the patch size.
        """
        return self.ln_post(self.attn_pool(self.patches(pixel_values))) @ self.proj
