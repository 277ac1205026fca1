"""Decoding methods against hallucination that the paper compares with, on every family.

A method is a few branches that read the same tokens and a pure formula, `combine`, over their logits; one
file per method. `decode(lens, batch, "vcd")` runs one with its published defaults.
"""

from scr_lens.decoding.decode import decode, decode_yes_no
from scr_lens.decoding.decoded import Decoded
from scr_lens.decoding.method import Decoder, Traits
from scr_lens.decoding.registry import DECODERS, find_decoder, make_decoder, settings_of
from scr_lens.decoding.sampling import Sampling

__all__ = [
    "DECODERS",
    "Decoded",
    "Decoder",
    "Sampling",
    "Traits",
    "decode",
    "decode_yes_no",
    "find_decoder",
    "make_decoder",
    "settings_of",
]
