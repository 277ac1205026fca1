"""What is planted at one place of a picture shows at that place of the grid, for every family and aspect."""

import numpy as np
import pytest
import torch
from families import TinyFamily, View
from PIL import Image
from tiny import Twins, noise_image

from scr_lens.figures.inspection import facts
from scr_lens.inspection import inspect_image
from scr_lens.trace import Batch, CaptureSpec, Lens, Sample, run_pass

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


def norm_map(lens: Lens, picture: Image.Image) -> np.ndarray:
    """What `inspect` draws of the norms behind the first block, on the grid."""
    seen = inspect_image(lens, Sample(picture, question="what ?"), method="identity")
    return seen.grid.as_map(seen.before.resid_norm[0])


def test_an_inspection_says_what_its_cells_are(twins: Twins, tiny_family: TinyFamily) -> None:
    view = tiny_family.views[1]
    seen = inspect_image(twins.lens, Sample(noise_image(0, *view.size), question="what ?"), method="identity")
    model, *_ = facts(seen)
    kinds = {kind for kind in ("query", "code", "square of patches", "one patch") if kind in model}
    wanted = {"qwen": "query", "chameleon": "code", "llava": "one patch"}
    assert kinds == {wanted.get(twins.lens.model_type, "square of patches")}
    assert f"{view.grid.height}\N{MULTIPLICATION SIGN}{view.grid.width} image tokens" in model
    assert seen.to_dict()["token_meaning"] in model


def late_cell(view: View) -> tuple[int, int]:
    """A cell with few cells behind it in raster order: those change too, through causal attention."""
    return view.grid.height - 1, 1


def test_a_residual_changes_most_in_the_planted_cell(twins: Twins, tiny_family: TinyFamily) -> None:
    view = tiny_family.views[1]
    bases = [noise_image(seed, *view.size) for seed in range(PICTURES)]
    pictures = [*bases, *(planted(base, view, late_cell(view)) for base in bases)]
    batch = twins.lens.prepare([Sample(picture, question="what ?") for picture in pictures])
    records = run_pass(twins.lens, batch, CaptureSpec(residuals=(0,))).samples
    residuals = torch.stack([record.residuals[0] for record in records])
    change = (residuals[PICTURES:] - residuals[:PICTURES]).norm(dim=-1).mean(0)
    peak = int(change.argmax())
    assert (view.grid.row(peak), view.grid.col(peak)) == late_cell(view), change.reshape(view.grid.height, -1)


def test_an_inspected_norm_changes_most_in_the_planted_cell(twins: Twins, tiny_family: TinyFamily) -> None:
    """Also for the resampler, whose queries look at their own cells here; those of a trained one need not."""
    if tiny_family.normalization != "pre-norm":
        pytest.skip("a block that normalizes what it adds adds about as much to every norm, changed or not")
    view = tiny_family.views[1]
    bases = [noise_image(seed, *view.size) for seed in range(PICTURES)]
    changes = [
        np.abs(norm_map(twins.lens, planted(base, view, late_cell(view))) - norm_map(twins.lens, base))
        for base in bases
    ]
    change = np.mean(changes, axis=0)
    assert change.shape == (view.grid.height, view.grid.width)
    assert np.unravel_index(change.argmax(), change.shape) == late_cell(view), change.round(3)
