"""Tiny random-weight models and inputs shared by the tests; nothing is downloaded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from scr_lens.config import LayerRange
from scr_lens.interventions import find_method
from scr_lens.trace import Batch, Lens, Sample, diagnose, wrap
from scr_lens.trace.model import resolve
from scr_lens.trace.synthetic import SyntheticLlava, build_llava

SIZES = SyntheticLlava(image_size=84)
QUESTIONS = ("is there a dog ?", "what color is the red ball on the left of the cat ?", "describe .")


@dataclass(frozen=True)
class Twins:
    """A lens and plain eager transformers with the same weights, and what the tests must know about them."""

    lens: Lens
    reference: Any
    sizes: tuple[tuple[int, int], ...] = ((64, 48),) * 3
    final_norm: str = "model.language_model.norm"

    @property
    def reference_layers(self) -> Any:
        """Decoder blocks of the reference."""
        return resolve(self.reference, self.lens.family.layers_path)

    @property
    def layers(self) -> Any:
        """Decoder blocks of the lens's own model, without nnsight."""
        return resolve(self.lens.hf_model, self.lens.family.layers_path)

    def norm(self, hidden: torch.Tensor) -> torch.Tensor:
        """The norm after the last block."""
        return resolve(self.reference, self.final_norm)(hidden)

    def hidden(self, block_output: Any) -> torch.Tensor:
        """The residual stream in a block's output."""
        return block_output[0] if isinstance(block_output, tuple) else block_output

    def samples(self) -> list[Sample]:
        """Three samples of different question length and, where the family sees it, different image size."""
        return [
            Sample(noise_image(i, *size), question=question)
            for i, (size, question) in enumerate(zip(self.sizes, QUESTIONS, strict=True))
        ]

    @cached_property
    def batch(self) -> Batch:
        """The three samples, prepared."""
        return self.lens.prepare(self.samples())

    @cached_property
    def attention(self) -> tuple[torch.Tensor, ...]:
        """Diagnostic maps of `batch`."""
        return diagnose(self.lens, self.batch)


def twins_of(build: Callable[[], tuple[Any, Any]], dtype: torch.dtype = torch.float32, **known: Any) -> Twins:
    """Build a model twice: once for the lens, once as plain eager transformers."""
    (model, processor), (reference, _) = build(), build()
    lens = wrap(model.to(dtype), processor, model_id="tiny")
    return Twins(lens, reference.to(dtype).requires_grad_(False), **known)


def build_twins(sizes: SyntheticLlava = SIZES, dtype: torch.dtype = torch.float32) -> Twins:
    return twins_of(lambda: build_llava(sizes), dtype)


def save_llava(folder: Path) -> Path:
    """Write a tiny checkpoint folder as `save_pretrained` does; returns the folder."""
    for part in build_llava(SIZES):
        part.save_pretrained(folder)
    return folder


def noise_image(seed: int = 0, width: int = 64, height: int = 48) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def ragged_samples() -> list[Sample]:
    return [Sample(noise_image(i), question=question) for i, question in enumerate(QUESTIONS)]


def build_method(
    name: str, lens: Lens, batch: Batch, attention: tuple[torch.Tensor, ...], config: Any
) -> Any:
    keys = tuple(str(i) for i in range(len(batch)))
    return find_method(name).build(attention, batch.layouts, lens.n_layers, lens.model_type, config, keys)


@dataclass(frozen=True)
class AddAt:
    """An intervention that adds one vector at one position of one block."""

    layer: int
    position: int
    vector: torch.Tensor

    @property
    def layers(self) -> LayerRange:
        return LayerRange(self.layer, self.layer)

    def __call__(self, resid_post: torch.Tensor, layer: int) -> torch.Tensor:
        edited = resid_post.clone()
        edited[:, self.position] += self.vector
        return edited


@dataclass(frozen=True)
class ScaleAt:
    """An intervention that scales the residual at one position of one block."""

    layer: int
    position: int
    factor: float

    @property
    def layers(self) -> LayerRange:
        return LayerRange(self.layer, self.layer)

    def __call__(self, resid_post: torch.Tensor, layer: int) -> torch.Tensor:
        edited = resid_post.clone()
        edited[:, self.position] *= self.factor
        return edited


def reference_run(twins: Twins, batch: Batch, **options: Any) -> tuple[Any, list[torch.Tensor]]:
    """Plain eager forward; its output and every block's output, by hooks."""
    blocks: list[torch.Tensor] = []
    handles = [
        block.register_forward_hook(lambda _m, _a, out: blocks.append(twins.hidden(out)))
        for block in twins.reference_layers
    ]
    try:
        with torch.no_grad():
            output = twins.reference(**batch.forward_inputs, use_cache=False, **options)
    finally:
        for handle in handles:
            handle.remove()
    return output, blocks
