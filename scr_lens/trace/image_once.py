"""Preprocessing every picture of a batch once, however many questions it has."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class EachImageOnce:
    """An image processor that does each distinct picture once and repeats its outputs.

    Pictures are told apart by identity. Everything but the call is the wrapped processor's.

    Args:
        image_processor: A processor whose outputs for several images are those for single images, one after
            another along the first axis.
    """

    def __init__(self, image_processor: Any) -> None:
        self._wrapped = image_processor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __call__(self, images: Sequence[Any], **kwargs: Any) -> Any:
        """Process pictures.

        Args:
            images: One picture per entry; the same object may come again.
            **kwargs: As the wrapped processor takes them.

        Returns:
            The wrapped processor's output for all entries.
        """
        keys = [_identity(image) for image in images]
        distinct = dict(zip(keys, images, strict=True))
        if len(distinct) == len(images):
            return self._wrapped(images, **kwargs)
        outputs = {key: self._wrapped([image], **kwargs) for key, image in distinct.items()}
        together = copy.copy(outputs[keys[0]])
        for name in together:
            together[name] = _joined([outputs[key][name] for key in keys])
        return together


def each_image_once(processor: Any) -> Any:
    """A view of a processor that preprocesses each distinct picture of a call once.

    Args:
        processor: A transformers processor with an `image_processor`; it is not changed.

    Returns:
        A shallow copy with an image processor that repeats what it has done.
    """
    view = copy.copy(processor)
    view.image_processor = EachImageOnce(processor.image_processor)
    return view


def _identity(entry: Any) -> int:
    """Which picture an entry is; some processors take a list of pictures per prompt."""
    return id(entry[0]) if isinstance(entry, list) and len(entry) == 1 else id(entry)


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return [entry for part in parts for entry in part]
