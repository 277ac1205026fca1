"""Refusing videos, where a processor also knows a placeholder for them: a sample is one still image."""

from collections.abc import Sequence

from scr_lens.errors import DataError


def refuse_videos(prompts: Sequence[str], video_token: str) -> None:
    """Refuse a prompt that asks for a video, before the processor counts its frames.

    Args:
        prompts: Rendered prompts.
        video_token: The text that stands for a video.

    Raises:
        DataError: If a prompt holds it.
    """
    for prompt in prompts:
        if video_token in prompt:
            raise DataError(
                f"prompt {prompt!r} holds the video placeholder {video_token!r}; "
                "leave it out: a sample is one still image"
            )
