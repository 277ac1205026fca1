"""Pictures that lie beside a page instead of inside it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from scr_lens.store.atomic import write_bytes
from scr_lens.viewer.payload import Payload


@dataclass(frozen=True, kw_only=True)
class PictureFolder:
    """Pictures of a page as files, named by their content.

    Attributes:
        names: Path of every picture relative to the page, in the payload's order.
        contents: Content by path.
    """

    names: tuple[str, ...]
    contents: dict[str, bytes]

    @classmethod
    def of(cls, payload: Payload, folder: str) -> PictureFolder:
        """Takes the pictures out of a payload.

        Args:
            payload: Payload with embedded pictures.
            folder: Name of the folder beside the page, without slashes.

        Returns:
            The folder; equal pictures share a file.
        """
        names, contents = [], {}
        for uri in payload.pictures:
            head, _, body = uri.partition(";base64,")
            content = base64.b64decode(body)
            digest = hashlib.sha256(content).hexdigest()[:24]
            name = f"{folder}/{digest}.{head.removeprefix('data:image/')}"
            names.append(name)
            contents[name] = content
        return cls(names=tuple(names), contents=contents)

    def write(self, place: Path) -> None:
        """Writes the files.

        Args:
            place: Folder of the page.

        Raises:
            OSError: If a file cannot be written.
        """
        for name, content in self.contents.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(place / name, content)
