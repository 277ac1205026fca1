"""What is planted at one place of a picture shows at that place of the grid, for every family and aspect."""

import numpy as np
import pytest
import torch
from families import TinyFamily, View
from PIL import Image
from tiny import Twins, noise_image

from scr_lens.trace import Batch, Lens, Sample

PICTURES = 6


def planted(base: Image.Image, view: View, cell: tuple[int, int]) -> Image.Image:
    """The picture with other noise in the box of one cell."""
    left, top, right, bottom = view.cell_box(*cell)
    pixels = np.array(base)
    pixels[top:bottom, left:right] = 255 - pixels[top:bottom, left:right]
    return Image.fromarray(pixels)


def cells_of(view: View) -> list[tuple[int, int]]:
    """Three corners and a place that no flip or transposition maps to itself."""
    bottom, right = view.grid.height - 1, view.grid.width - 1
    return [(0, right), (bottom, 0), (bottom, right), (1, 2)]


def embedded_patches(lens: Lens, batch: Batch) -> torch.Tensor:
    """What enters the first block at the image positions, `[sample, patch, d_model]`."""
    with torch.no_grad(), lens.trace(batch) as tracer:
        entering = lens.layers[0].input.save()
        tracer.stop()
    positions = torch.stack([layout.image_positions for layout in batch.layouts])
    return entering[torch.arange(len(batch))[:, None], positions]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_planted_change_peaks_in_its_own_cell(twins: Twins, tiny_family: TinyFamily, index: int) -> None:
    view = tiny_family.views[index]
    bases = [noise_image(seed, *view.size) for seed in range(PICTURES)]
    cells = cells_of(view)
    pictures = [*bases, *(planted(base, view, cell) for cell in cells for base in bases)]
    batch = twins.lens.prepare([Sample(picture, question="what ?") for picture in pictures])
    assert {layout.grid for layout in batch.layouts} == {view.grid}
    embedded = embedded_patches(twins.lens, batch)
    plain, changed = embedded[:PICTURES], embedded[PICTURES:].unflatten(0, (len(cells), PICTURES))
    for cell, after in zip(cells, changed, strict=True):
        change = (after - plain).norm(dim=-1).mean(0)
        peak = int(change.argmax())
        assert (view.grid.row(peak), view.grid.col(peak)) == cell, change.reshape(view.grid.height, -1)
