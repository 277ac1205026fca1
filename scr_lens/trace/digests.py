"""Fingerprints of what a result depends on: the checkpoint's files and the processor's settings."""

import hashlib
import json
from pathlib import Path
from typing import Any

FINGERPRINTED = ("config.json", "*.safetensors", "*.safetensors.index.json")


def folder_digest(folder: Path) -> str:
    """SHA-256 over the config and weight files of a checkpoint folder.

    Args:
        folder: A checkpoint folder.

    Returns:
        A hex digest that changes when a byte of config or weights changes, or a file is renamed.
    """
    total = hashlib.sha256()
    for path in sorted({path for pattern in FINGERPRINTED for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            total.update(f"{path.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def processor_digest(processor: Any) -> str:
    """SHA-256 of everything a processor does to text and images.

    Args:
        processor: A processor with a fast tokenizer.

    Returns:
        A hex digest of tokenizer, image settings, own settings and chat template; the padding side is left
        out, since it is always set to the left.
    """
    tokenizer = processor.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = {
        "tokenizer": sorted(tokenizer.get_vocab().items()) if backend is None else _settled(backend),
        "image_processor": _public(processor.image_processor.to_dict()),
        "chat_template": getattr(processor, "chat_template", None),
        "processor": {
            name: value
            for name, value in sorted(vars(processor).items())
            if isinstance(value, (str, int, float, bool)) and not name.startswith("_")
        },
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _settled(backend: Any) -> dict[str, Any]:
    """The tokenizer's own JSON without the padding and truncation that the last call left behind."""
    return {k: v for k, v in json.loads(backend.to_str()).items() if k not in ("padding", "truncation")}


def _public(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if not name.startswith("_")}
