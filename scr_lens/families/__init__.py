"""Where things live in one architecture: decoder blocks, image tokens, patch grid, prompt template.

One small file per family; `registry.FAMILIES` maps `config.model_type` to the family that knows it.
"""

from scr_lens.families.base import ModelFamily
from scr_lens.families.registry import FAMILIES, family_for

__all__ = ["FAMILIES", "ModelFamily", "family_for"]
