"""Where a decoder starts: category words, codebook and attention from what the encoder has learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from scr_lens.organisms.bodies import Body
from scr_lens.organisms.corpus import BACKGROUND, Corpus
from scr_lens.organisms.icons import CATEGORY_NAMES

SETTLING_PICTURES = 1024
"""Pictures from which words (and codebooks) are initialized."""


@torch.no_grad()
def initialize(model: Any, body: Body, processor: Any, corpus: Corpus, device: torch.device) -> None:
    """Starts the decoder from what the encoder knows: codebook, category words, matching attention.

    Each category word's embedding starts at the mean image embedding of its patches. A question's word then
    already resembles the image tokens that it asks for, and attention finds them in the first steps instead
    of after a long plateau. Directions are centered over categories; words and image tokens get the mean norm
    of the other embeddings.
    """
    indices = np.arange(min(len(corpus), SETTLING_PICTURES))
    labels = torch.from_numpy(corpus.patch_labels[indices].astype(np.int64)).to(device).flatten()
    features = features_of(model, body, corpus, indices, device)
    body.settle(model, features.flatten(0, 1), labels)
    seen_by_decoder = body.image_embeddings(model, features).flatten(0, 1)
    embeddings = model.get_input_embeddings().weight
    norm = embeddings[embeddings.norm(dim=-1) > 0].norm(dim=-1).mean()
    initialize_words(embeddings, processor.tokenizer, seen_by_decoder, labels, norm)
    body.scale_image_embeddings(model, norm / seen_by_decoder.norm(dim=-1).mean())
    body.start_matching(model)


def initialize_words(
    embeddings: Tensor, tokenizer: Any, patches: Float[Tensor, "patch d_model"], labels: Tensor, norm: Tensor
) -> None:
    """Points each category word from the mean of all categories to its own patches' mean; length `norm`."""
    seen = [c for c in range(BACKGROUND) if (labels == c).any()]
    means = torch.stack([patches[labels == c].mean(0) for c in seen])
    directions = nn.functional.normalize(means - means.mean(0), dim=-1)
    for c, direction in zip(seen, directions, strict=True):
        for word in tokenizer(CATEGORY_NAMES[c], add_special_tokens=False).input_ids:
            embeddings[word] = direction * norm


@torch.no_grad()
def features_of(
    model: Any, body: Body, corpus: Corpus, indices: np.ndarray, device: torch.device
) -> Float[Tensor, "scene patch feature"]:
    """What the encoder makes of some of a corpus's pictures, in batches of about 128, without gradients."""
    chunks = np.array_split(indices, max(1, len(indices) // 128))
    return torch.cat(
        [body.patch_features(model, body.normalize(corpus.pixels[chunk], device)) for chunk in chunks]
    )
