"""Model inputs with other pixels: the picture of every sample, taken out of the encoding and put back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.errors import ContractError
from scr_lens.grid import PatchGrid
from scr_lens.trace import Batch, Lens

PIXELS = "pixel_values"
CHANNELS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """The pixels of one sample as its model takes them, after the processor's normalization.

    Attributes:
        values: Pixels with the channel axis third from the end: a raster `[1, channel, height, width]`,
            several of them, or patches `[patch, frame, channel, side, side]` in the order of the image
            tokens, where the frames repeat one still image.
        grid: The patch grid of the image tokens.
        is_patches: Whether the encoding holds flattened patches.
    """

    values: Float[Tensor, "*n channel a b"]
    grid: PatchGrid
    is_patches: bool

    def noise(
        self, generator: torch.Generator, kind: Callable[..., Tensor] = torch.randn
    ) -> Float[Tensor, "*n channel a b"]:
        """Random numbers for every pixel; the frames of a repeated image share theirs.

        Args:
            generator: A CPU generator.
            kind: `torch.randn` or `torch.rand`.

        Returns:
            A tensor of the pixels' shape.
        """
        shape = list(self.values.shape)
        if self.is_patches:
            shape[1] = 1
        return kind(shape, generator=generator).to(self.values.device).expand(self.values.shape)

    def filled(self, cells: Bool[Tensor, " patch"]) -> Picture:
        """The picture with some cells of its grid in its own mean color.

        Args:
            cells: True for cells to fill, in raster order.

        Raises:
            ContractError: If the picture is cut into tiles, so that cells have no single place in it.
        """
        values = self.values
        others = [axis for axis in range(values.ndim) if axis != values.ndim - 3]
        mean = values.mean(dim=others, keepdim=True)
        return replace(self, values=torch.where(self._pixels_of(cells), mean, values))

    def _pixels_of(self, cells: Bool[Tensor, " patch"]) -> Bool[Tensor, " ..."]:
        if self.is_patches:
            per_cell = len(self.values) // self.grid.size
            return cells.to(self.values.device).repeat_interleave(per_cell)[:, None, None, None, None]
        tiles = self.values.shape[:-3].numel()
        if tiles != 1:
            raise ContractError(
                f"the picture is cut into {tiles} tiles; cells of the {self.grid} grid have no single place "
                "in them: prepare it with a processor that does not tile"
            )
        image = cells.to(self.values.device, torch.float32).view(1, 1, self.grid.height, self.grid.width)
        return torch.nn.functional.interpolate(image, self.values.shape[-2:], mode="nearest")[0, 0].bool()


def pictures(lens: Lens, batch: Batch) -> tuple[Picture, ...]:
    """The picture of every sample, in float32 on the model's device.

    Args:
        lens: The model.
        batch: The batch with its encoding.

    Returns:
        One picture per sample.

    Raises:
        ContractError: If the encoding holds no pixels or they cannot be told apart by sample.
    """
    pixels, is_patches = _pixels(lens, batch), batch.encoding.get(PIXELS, torch.empty(0)).ndim == 2
    opened = [_opened(part, _frames(lens)) if is_patches else part for part in pixels]
    return tuple(
        Picture(values=values, grid=layout.grid, is_patches=is_patches)
        for values, layout in zip(opened, batch.layouts, strict=True)
    )


def with_pictures(lens: Lens, batch: Batch, shown: Sequence[Picture]) -> Mapping[str, Any]:
    """The batch's forward inputs with other pictures; everything else stays.

    Args:
        lens: The model.
        batch: The batch.
        shown: One picture per sample, of the original's size.

    Returns:
        What a forward takes; features of the original pictures are not among it.
    """
    pixels = joined(shown).to(batch.encoding[PIXELS].dtype)
    return lens.family.forward_inputs({**batch.encoding, PIXELS: pixels})


def joined(shown: Sequence[Picture]) -> Float[Tensor, " ..."]:
    """Pictures as one tensor in the layout of the encoding."""
    return torch.cat([p.values.transpose(1, 2).flatten(1) if p.is_patches else p.values for p in shown])


def _pixels(lens: Lens, batch: Batch) -> tuple[Float[Tensor, " ..."], ...]:
    if PIXELS not in batch.encoding:
        raise ContractError(
            f"the encoding of {lens.model_type!r} holds {', '.join(batch.encoding)} but no {PIXELS!r}; "
            "methods that change the picture cannot run on this family"
        )
    pixels = batch.encoding[PIXELS].to(lens.device, torch.float32)
    if pixels.ndim == 2 and "image_grid_thw" in batch.encoding:
        return torch.split(pixels, batch.encoding["image_grid_thw"].prod(-1).tolist())
    if len(pixels) % len(batch) or pixels.ndim < 4:
        raise ContractError(
            f"{PIXELS!r} of shape {tuple(pixels.shape)} cannot be divided among {len(batch)} samples; "
            "prepare the samples one by one"
        )
    return torch.split(pixels, len(pixels) // len(batch))


def _opened(patches: Float[Tensor, "patch flat"], frames: int) -> Float[Tensor, "patch frame channel a b"]:
    side = round((patches.shape[1] / (CHANNELS * frames)) ** 0.5)
    return patches.view(len(patches), CHANNELS, frames, side, side).transpose(1, 2)


def _frames(lens: Lens) -> int:
    """How often a flattened patch repeats a still image."""
    return int(getattr(getattr(lens.config, "vision_config", None), "temporal_patch_size", 1))
