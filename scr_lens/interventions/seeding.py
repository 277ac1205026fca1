"""Random draws that depend on a sample and a seed, never on the other samples of a batch."""

import hashlib
import json

import torch


def seeded_generator(seed: int, *parts: str | int) -> torch.Generator:
    """Make a CPU random generator from a seed and the names of what is drawn.

    state = first 8 bytes of SHA-256(JSON list of seed and parts)

    Args:
        seed: The seed of the experiment.
        parts: What the draw is for, such as method name, sample key and layer.

    Returns:
        A fresh generator; equal arguments give equal draws in every process.
    """
    name = json.dumps([seed, *parts]).encode()
    state = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
    return torch.Generator().manual_seed(state)
