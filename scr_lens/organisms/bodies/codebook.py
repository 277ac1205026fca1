"""A codebook in which every category has its share of codes."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

ROUNDS = 12
"""Rounds of k-means; the centers hardly move after ten."""


def class_codebook(
    features: Float[Tensor, "patch feature"], labels: Int[Tensor, " patch"], n_codes: int
) -> Float[Tensor, "code feature"]:
    """Unit vectors, the same number for every class, each class's own spread by spherical k-means.

    Without balance most codes would go to the background, which covers most patches.

    Args:
        features: Features of patches.
        labels: Their classes.
        n_codes: Size of the codebook; what does not divide evenly goes to the most frequent class.

    Returns:
        The codebook, each row of length 1.
    """
    units = nn.functional.normalize(features, dim=-1)
    classes, counts = labels.unique(return_counts=True)
    share = n_codes // len(classes)
    sizes = {int(c): share for c in classes}
    sizes[int(classes[counts.argmax()])] += n_codes - share * len(classes)
    return torch.cat([_centers(units[labels == c], size) for c, size in sizes.items()])


def _centers(units: Float[Tensor, "patch feature"], count: int) -> Float[Tensor, "code feature"]:
    """Spherical k-means from evenly spaced members; a center that loses all members stays where it was."""
    centers = units[torch.linspace(0, len(units) - 1, count).long()].clone()
    for _ in range(ROUNDS):
        nearest = (units @ centers.T).argmax(-1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, units)
        centers = torch.where(sums.norm(dim=-1, keepdim=True) > 0, sums, centers)
        centers = nn.functional.normalize(centers, dim=-1)
    return centers
