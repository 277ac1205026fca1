"""The published checkpoints that the paper is about: their sizes, so that they can be run without weights.

One JSON file per checkpoint holds the model's config, the settings of its image processor, the ids of the
tokens that have a meaning, and where these facts come from. The weights are random and the tokenizer is a
stand-in with one id per word: geometry, cost and memory are those of the real model, answers are not.
"""

from scr_lens.families.published.build import build_published
from scr_lens.families.published.read import PUBLISHED, PublishedModel, read_published

__all__ = ["PUBLISHED", "PublishedModel", "build_published", "read_published"]
