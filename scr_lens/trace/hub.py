"""Which commit of the hub is loaded, found out in seconds where the hub cannot be reached."""

import os
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError

from scr_lens.errors import DataError

HUB_SECONDS = 5.0
"""Longest wait for the hub's first answer, unless the environment sets HF_HUB_ETAG_TIMEOUT."""


def reach_hub(name: str, revision: str) -> dict[str, Any]:
    """Ask the hub once for a checkpoint, before anything asks it again and again.

    Offline mode (HF_HUB_OFFLINE) asks nothing. A refusal is an answer too: the download's own message says
    what is missing.

    Args:
        name: Hub name, "owner/name".
        revision: Branch, tag or commit.

    Returns:
        Keywords for `from_pretrained`: none where the hub answers; `local_files_only` where it does not and
        the checkpoint's config.json lies in the local cache.

    Raises:
        DataError: If the hub does not answer and nothing of the checkpoint is cached.
    """
    if constants.HF_HUB_OFFLINE:
        return {}
    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json", revision=revision), timeout=_seconds())
    except (HfHubHTTPError, ValueError):
        return {}
    except Exception as error:  # of whichever HTTP library huggingface_hub brings
        if cached_commit(name, revision):
            return {"local_files_only": True}
        raise DataError(
            f"cannot reach {constants.ENDPOINT} for {name!r} ({' '.join(str(error).split())}), and it is not "
            "in the local cache; check the name and the network (HF_HUB_ETAG_TIMEOUT sets the seconds to "
            "wait), or download the checkpoint elsewhere and give its folder"
        ) from error
    return {}


def cached_commit(name: str, revision: str) -> str | None:
    """The commit that a revision stands for in the local cache.

    Args:
        name: Hub name, "owner/name".
        revision: Branch, tag or commit.

    Returns:
        The commit of the cached config.json, which lies in a folder of that name; None if there is none.
    """
    file = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(file).parent.name if isinstance(file, str) else None


def _seconds() -> float:
    return float(constants.HF_HUB_ETAG_TIMEOUT) if "HF_HUB_ETAG_TIMEOUT" in os.environ else HUB_SECONDS
