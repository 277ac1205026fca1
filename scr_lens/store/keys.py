"""Content keys: what makes two rows the same measurement."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from scr_lens.errors import DataError
from scr_lens.store.schema import IDENTITY_COLUMNS, SCHEMA_VERSION


def row_key(fields: Mapping[str, Any], *, schema_version: int = SCHEMA_VERSION) -> str:
    """Compute the key of a row from what determines its content.

    SHA-256 of the canonical JSON of model revision, processor digest, dtype, attention implementation, image
    hash, prompt, condition, config digest and schema version. The name of the image, the split and the time
    are not part of it, so the same measurement has the same key wherever it was made.

    Args:
        fields: A row, or at least its identity columns; other entries are ignored.
        schema_version: Version of the row format.

    Returns:
        64 hexadecimal digits; equal exactly when all identity columns and the version are equal.

    Raises:
        DataError: If an identity column is absent or not text.
    """
    identity: dict[str, Any] = {"schema_version": schema_version}
    for name in IDENTITY_COLUMNS:
        value = fields.get(name)
        if not isinstance(value, str):
            raise DataError(
                f"identity column {name!r} is {value!r}; expected text, it is part of the row key"
            )
        identity[name] = value
    return hashlib.sha256(canonical_json(identity)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Write plain values so that equal values give equal bytes.

    Args:
        value: Dictionaries with text keys, lists, text, numbers, booleans, None; no NaN.

    Returns:
        ASCII JSON with sorted keys and no spaces.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def image_digest(content: bytes) -> str:
    """Hash the bytes of an image file.

    Args:
        content: The whole file.

    Returns:
        64 hexadecimal digits, the `image_sha256` of its rows.
    """
    return hashlib.sha256(content).hexdigest()


def missing_image_digest(image_id: str) -> str:
    """Stand in for the hash of an image that cannot be read, for its failed row.

    Args:
        image_id: Name of the image.

    Returns:
        64 hexadecimal digits that no image file has and that differ between names.
    """
    return hashlib.sha256(b"no such image\0" + image_id.encode()).hexdigest()


def keys_digest(keys: Iterable[str]) -> str:
    """Hash a set of row keys, for the manifest.

    Args:
        keys: Row keys in any order.

    Returns:
        64 hexadecimal digits that do not depend on the order.
    """
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
