"""Sharper or flatter attention from text to image, with the image's share of attention left as it is."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError, ContractError
from scr_lens.trace.attention import RowRequest
from scr_lens.trace.model import Lens
from scr_lens.trace.sample import Batch


class AttentionTemperature:
    """An attention edit that sets the temperature of attention among the patches of the image.

    Per head and text query: p'_i = m p_i^(1/T) / sum_j p_j^(1/T) over patches i, j, with m = sum_j p_j; all
    other keys keep their probability. So what changes is how evenly the image is read, never how much.

    Args:
        request: Blocks and text queries to change, and the patches.
        temperature: T > 0: above 1 flattens (raises the entropy), below 1 sharpens; 1 adds exact zeros.

    Raises:
        ConfigError: If the temperature is not a finite number above 0.
    """

    def __init__(self, request: RowRequest, temperature: float) -> None:
        if not (math.isfinite(temperature) and temperature > 0):
            raise ConfigError(f"temperature is {temperature}; give a number above 0 (1 changes nothing)")
        self.request = request
        self.temperature = temperature
        self._is_image = _image_mask(request)

    def __call__(
        self, probabilities: Float[Tensor, "batch head asked key"]
    ) -> Float[Tensor, "batch head asked key"]:
        """Change the probabilities of text queries over all keys.

        Args:
            probabilities: Softmax rows of text queries behind the image.

        Returns:
            Rows whose sums, and whose entries outside the image, are those of the input.
        """
        image = self._is_image.to(probabilities.device)[:, None, None, :]
        tiny = torch.finfo(probabilities.dtype).tiny
        logs = probabilities.clamp_min(tiny).log()
        peak = logs.masked_fill(~image, -torch.inf).amax(-1, keepdim=True)
        weights = probabilities * torch.exp((1 / self.temperature - 1) * (logs - peak))
        mass = (probabilities * image).sum(-1, keepdim=True)
        total = (weights * image).sum(-1, keepdim=True)
        return torch.where(image, weights * (mass / total.clamp_min(tiny)), probabilities)


@contextmanager
def attention_temperature(
    lens: Lens, batch: Batch, temperature: float, layers: LayerRange
) -> Iterator[AttentionTemperature]:
    """Run passes over a batch with another temperature of attention from text to image.

    `with attention_temperature(lens, batch, 2.0, layers): record = run_pass(lens, batch, capture)`. Attention
    that a pass records inside is the changed one. All text positions after the image are changed. Passes over
    other batches, and steps of generation, are not.

    Args:
        lens: The model; its lock is held inside.
        batch: The samples that will be run.
        temperature: T > 0; 1 changes no bit.
        layers: Blocks to change.

    Yields:
        The edit that is live.

    Raises:
        ConfigError: If the temperature or the blocks are not possible.
        ContractError: If a run inside did not go through the registered attention.
    """
    request = RowRequest.of(batch.layouts, layers.within(lens.n_layers), "all_text_after_image")
    edit = AttentionTemperature(request, temperature)
    with lens.lock, lens.tap.editing(edit):
        before = lens.tap.edited
        yield edit
        if lens.tap.edited == before:
            raise ContractError(
                f"the temperature {temperature} reached no attention call; run a pass over the same batch "
                "inside, on a model loaded with scr_lens.load"
            )


def _image_mask(request: RowRequest) -> Bool[Tensor, "batch key"]:
    mask = torch.zeros(len(request.images), request.key_length, dtype=torch.bool)
    return mask.scatter_(1, request.images, torch.ones_like(request.images, dtype=torch.bool))
