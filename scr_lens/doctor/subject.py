"""The model under examination, with the inputs and the reference runs that several checks share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from scr_lens.config import LayerRange
from scr_lens.doctor.check import ROUNDING, Rounding
from scr_lens.interventions.base import Identity, Intervention
from scr_lens.trace import Batch, CaptureSpec, Lens, PassRecord, Sample, encode_images, run_pass
from scr_lens.trace.attention import RowRequest
from scr_lens.trace.model import resolve
from scr_lens.trace.resume import output_path

QUESTIONS = ("Is there a dog in the image?", "Is there a dog or a cat on the left of the image?")
SIZES = ((160, 120), (120, 200))
"""Width and height of the two pictures: neither square, so that rows and columns cannot be mixed up."""


@dataclass(frozen=True, eq=False)
class EagerRun:
    """What plain transformers with eager attention computes for the first sample.

    Attributes:
        residuals: Residual stream at image positions after every block.
        rows: Attention from the text behind the image to every patch, mean over queries, per block.
        logits: Logits of the last position.
    """

    residuals: Float[Tensor, "layer patch d_model"]
    rows: Float[Tensor, "layer head patch"]
    logits: Float[Tensor, "vocab"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A model under examination; inputs are made and reference runs are run when first needed.

    Args:
        lens: The model.
    """

    lens: Lens

    @property
    def rounding(self) -> Rounding:
        """The differences that count as rounding in the model's number type."""
        return ROUNDING[self.lens.dtype]

    @property
    def all_layers(self) -> LayerRange:
        """Every block."""
        return LayerRange(0, self.lens.n_layers - 1)

    @property
    def blocks(self) -> Any:
        """The decoder blocks, without nnsight."""
        return resolve(self.lens.hf_model, self.lens.family.layers_path)

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """Two pictures of noise with questions of different length."""
        return tuple(
            Sample(noise_picture(seed, *size), question=question)
            for seed, (size, question) in enumerate(zip(SIZES, QUESTIONS, strict=True))
        )

    @cached_property
    def batch(self) -> Batch:
        """Both samples, the first one padded on the left, from image features."""
        return encode_images(self.lens, self.lens.prepare(self.samples))

    @cached_property
    def pixels(self) -> Batch:
        """The first sample alone, from pixels."""
        return self.lens.prepare(self.samples[0])

    @cached_property
    def single(self) -> Batch:
        """The first sample alone, from image features, which all checks share."""
        return encode_images(self.lens, self.pixels)

    @cached_property
    def record(self) -> PassRecord:
        """What a pass of this package records of the first sample: every block, head and the logits."""
        capture = CaptureSpec(
            attention=self.all_layers, attention_heads=True, residuals=tuple(self.all_layers.layers)
        )
        return run_pass(self.lens, self.single, capture)

    @cached_property
    def eager(self) -> EagerRun:
        """The same quantities from plain transformers on the same weights."""
        layout = self.single.layouts[0]
        queries, images = layout.queries("all_text_after_image"), layout.image_positions
        family = self.lens.family

        def row_means(output: Any) -> Tensor:
            rows: Tensor = output[1][0][:, queries][..., images]
            return rows.float().mean(1)

        with (
            self.attention("eager"),
            watching(self.blocks, lambda out: family.hidden(out)[0, images]) as residuals,
            watching([block.self_attn for block in self.blocks], row_means) as rows,
        ):
            logits = self.forward(self.single)[0]
        return EagerRun(residuals=torch.stack(residuals), rows=torch.stack(rows), logits=logits)

    @contextmanager
    def attention(self, name: str) -> Iterator[None]:
        """Run the language model with another attention implementation, then with what it had before."""
        lens, model = self.lens, self.lens.hf_model
        before = lens.attn_implementation
        with lens.lock:
            model.set_attn_implementation(lens.family.attn_implementation(name))
            try:
                yield
            finally:
                model.set_attn_implementation(lens.family.attn_implementation(before))

    @torch.no_grad()
    def forward(self, batch: Batch) -> Float[Tensor, "batch vocab"]:
        """Logits of the last position from a plain call of the Hugging Face model."""
        inputs = batch.inputs_on(self.lens.device)
        logits: Tensor = self.lens.hf_model(**inputs, use_cache=False, logits_to_keep=1).logits
        return logits[:, -1].float().cpu()

    def whole_rows(self) -> list[Float[Tensor, "head query key"]]:
        """The softmax rows of the text behind the image over all keys, of every block, from the tap."""
        layout = self.single.layouts[0]
        request = RowRequest.at(
            [layout.text_after_image], [torch.arange(layout.seq_len)], self.all_layers, layout.seq_len
        )
        modules = [block.self_attn for block in self.blocks]
        with (
            self.lens.lock,
            self.lens.tap.requesting(request),
            watching(modules, lambda out: out[1][0]) as rows,
        ):
            self.forward(self.single)
        return rows

    def streams(self, depths: Sequence[int], intervention: Intervention | None = None) -> list[Tensor]:
        """The residual stream that arrives at some depths in a pass of this package.

        Args:
            depths: Depth l is the input of block l, depth L that of the last normalization.
            intervention: What is active; None for nothing.

        Returns:
            One `[seq, d_model]` per depth.
        """
        stations = [*self.blocks, output_path(self.lens)[0]]
        with watching_inputs([stations[depth] for depth in depths]) as seen:
            run_pass(self.lens, self.single, CaptureSpec(resid_norms=False), intervention or Identity())
        return seen


@contextmanager
def watching(modules: Sequence[nn.Module], keep: Any) -> Iterator[list[Tensor]]:
    """Collect something of every module's output, on the CPU, in the order in which the modules run."""
    seen: list[Tensor] = []

    def hook(_module: Any, _arguments: Any, output: Any) -> None:
        seen.append(keep(output).detach().cpu())

    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def watching_inputs(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Collect the residual stream that enters every module, on the CPU, in the order in which they run."""
    seen: list[Tensor] = []

    def hook(_module: Any, arguments: Any, keywords: Any) -> None:
        stream = arguments[0] if arguments else keywords["hidden_states"]
        seen.append(stream[0].detach().clone().cpu())

    handles = [module.register_forward_pre_hook(hook, with_kwargs=True) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def noise_picture(seed: int, width: int, height: int) -> Image.Image:
    """A picture of random pixels; the same for the same seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
