"""Every decoding method that a run can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scr_lens.decoding.avcd import Avcd
from scr_lens.decoding.crops import Crops
from scr_lens.decoding.dola import Dola
from scr_lens.decoding.method import Decoder
from scr_lens.decoding.object_mask import ObjectMask
from scr_lens.decoding.one_pass_scr import OnePassScr
from scr_lens.decoding.opera import Opera
from scr_lens.decoding.sid import Sid
from scr_lens.decoding.vanilla import Vanilla
from scr_lens.decoding.vcd import Vcd
from scr_lens.decoding.vli import Vli
from scr_lens.errors import ConfigError, unknown_name
from scr_lens.serialization import from_dict, to_dict

DECODERS: dict[str, type[Decoder]] = {
    decoder.name: decoder
    for decoder in (Vanilla, Opera, Vcd, Avcd, ObjectMask, Sid, Vli, Crops, Dola, OnePassScr)
}
"""Every decoding method by name, in the order of tables; each class takes its settings as keywords."""


def find_decoder(name: str) -> type[Decoder]:
    """Look up a decoding method by name.

    Raises:
        ConfigError: If the name is unknown; the message lists the known names and the closest one.
    """
    if name not in DECODERS:
        raise ConfigError(unknown_name("decoding method", name, DECODERS))
    return DECODERS[name]


def make_decoder(name: str, settings: Mapping[str, Any] | None = None) -> Decoder:
    """A decoding method with its published defaults, or with some of them replaced.

    Args:
        name: A key of `DECODERS`.
        settings: Plain values, as read from TOML or a stored `config_json`; missing keys keep their defaults.

    Returns:
        The method.

    Raises:
        ConfigError: If the name or a key is unknown, or a value is not allowed.
    """
    return from_dict(find_decoder(name), settings or {})


def settings_of(decoder: Decoder) -> dict[str, Any]:
    """Everything that decides a method's results beside model and seed, as plain values."""
    return {"method": decoder.name, **to_dict(decoder)}
