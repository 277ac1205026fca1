"""Training pictures in memory: rendered once, kept in a cache file, labeled per patch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from jaxtyping import Int8, UInt8
from tqdm.auto import tqdm

from scr_lens.grid import PatchGrid
from scr_lens.organisms.canvas import Canvas, canvas_of
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.render import SUPERSAMPLING, RenderedScene, render_scene
from scr_lens.organisms.world import Split, sample_scene

BACKGROUND = len(CATEGORY_NAMES)
"""Patch label of a patch in which no object covers `LEAST_COVER`."""
LEAST_COVER = 0.15
"""Share of a patch that its label's object has to cover."""
WORTH_WORKERS = 400
"""From this many pictures on, workers save more time than starting them takes."""
CORPUS_VERSION = 1
"""Raise when the world changes, so that cached pictures of the old world are not used."""


@dataclass(frozen=True)
class Corpus:
    """Rendered scenes of one split.

    Args:
        pixels: Pictures.
        patch_labels: Class index of each patch, `BACKGROUND` for none.
        present: Rank of each class by visible area in each picture, 0 the largest; -1 when absent.
        places: Index of each picture's scene type.
    """

    pixels: UInt8[np.ndarray, "scene height width 3"]
    patch_labels: Int8[np.ndarray, "scene row column"]
    present: Int8[np.ndarray, "scene category"]
    places: Int8[np.ndarray, " scene"]

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.places)

    @property
    def grid(self) -> PatchGrid:
        """Patches of each picture."""
        return PatchGrid(*self.patch_labels.shape[1:])

    def categories(self, index: int) -> list[int]:
        """Class indices in a picture, largest visible area first."""
        ranks = self.present[index]
        return [int(c) for c in np.argsort(ranks, kind="stable") if ranks[c] >= 0]


def load_corpora(
    split: Split, count: int, canvases: tuple[Canvas, ...], patch: int, cache: Path
) -> tuple[Corpus, ...]:
    """Renders the first `count` scenes of a split, or reads them from the cache folder.

    Args:
        split: Which scenes.
        count: How many.
        canvases: Sizes of the pictures; scenes take turns.
        patch: Side of a patch in pixels.
        cache: Folder for the rendered arrays; made if missing.

    Returns:
        One corpus per canvas; the same for the same arguments.
    """
    scenes: dict[Canvas, list[int]] = {canvas: [] for canvas in canvases}
    for index in range(count):
        scenes[canvas_of(index, canvases)].append(index)
    turns = "" if len(canvases) == 1 else f"-of{len(canvases)}"
    return tuple(
        _load(
            split,
            indices,
            canvas,
            patch,
            cache / f"world{CORPUS_VERSION}-{split}-{count}-{canvas}-{patch}{turns}.npz",
        )
        for canvas, indices in scenes.items()
    )


def _load(split: Split, indices: list[int], canvas: Canvas, patch: int, path: Path) -> Corpus:
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return Corpus(**{name: stored[name] for name in stored.files})
    rows = _render_all([(split, k, canvas, patch) for k in indices])
    corpus = _stack(list(tqdm(rows, total=len(indices), desc=f"render {split} {canvas}")))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, **vars(corpus))
    partial.replace(path)
    return corpus


_Row = tuple[np.ndarray, np.ndarray, np.ndarray, int]


def _render_all(jobs: list[tuple[Split, int, Canvas, int]]) -> Iterator[_Row]:
    if len(jobs) < WORTH_WORKERS:
        yield from map(_render_row, jobs)
        return
    # Fork would copy the parent's torch threads; a fresh interpreter per worker is safe everywhere.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_render_row, jobs, chunksize=64)


def _render_row(job: tuple[Split, int, Canvas, int]) -> _Row:
    split, index, canvas, patch = job
    drawn = render_scene(sample_scene(split, index), canvas)
    ranks = np.full(len(CATEGORY_NAMES), -1, dtype=np.int8)
    for rank, name in enumerate(drawn.names):
        ranks[CATEGORY_NAMES.index(name)] = rank
    return drawn.pixels, patch_labels(drawn, patch), ranks, drawn.scene.place


def patch_labels(drawn: RenderedScene, patch: int) -> Int8[np.ndarray, "row column"]:
    """The class that covers most of each patch, `BACKGROUND` where none covers `LEAST_COVER` of it."""
    block = patch * SUPERSAMPLING
    rows, columns = drawn.owner.shape[0] // block, drawn.owner.shape[1] // block
    classes = np.asarray([item.placement.category for item in drawn.objects] + [BACKGROUND])[drawn.owner]
    tiles = classes.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(rows, columns, block * block)
    cover = np.stack([(tiles == c).mean(-1) for c in range(BACKGROUND)], axis=-1)
    labels = np.where(cover.max(-1) >= LEAST_COVER, cover.argmax(-1), BACKGROUND)
    return labels.astype(np.int8)


def _stack(rows: list[_Row]) -> Corpus:
    pixels, labels, present, places = zip(*rows, strict=True)
    return Corpus(np.stack(pixels), np.stack(labels), np.stack(present), np.asarray(places, dtype=np.int8))
