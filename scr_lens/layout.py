"""Where the image patches and the text of one prompt sit in its row of tokens."""

from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Int
from torch import Tensor

from scr_lens.config import QuerySet
from scr_lens.errors import ConfigError, LayoutError, unknown_name
from scr_lens.grid import PatchGrid


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenLayout:
    """Positions of one sample's tokens, absolute in its (left-padded) row; all tensors are on the CPU.

    Args:
        image_positions: Position of every patch, in raster order of the grid.
        grid: The patch grid of the image.
        text_after_image: Positions of all tokens after the last patch, with template and image-end tokens.
        question: Positions of the question without its template; empty if the question is empty.
        last: Position of the last token, whose logits answer the question.
        seq_len: Length of the row, padding included.
        n_pad: Number of padding tokens at the start of the row.

    Raises:
        LayoutError: If the positions disagree with the grid or the row, or no text follows the image.
    """

    image_positions: Int[Tensor, "patch"]
    grid: PatchGrid
    text_after_image: Int[Tensor, "text"]
    question: Int[Tensor, "question"]
    last: int
    seq_len: int
    n_pad: int

    def __post_init__(self) -> None:
        count = len(self.image_positions)
        if count != self.grid.size:
            raise LayoutError(
                f"the prompt holds {count} image tokens, the {self.grid} grid has {self.grid.size} patches; "
                "check that the prompt holds one image and that the grid was read from that image"
            )
        if len(self.text_after_image) == 0:
            raise LayoutError(
                f"no text follows the image, which ends at position {int(self.image_positions[-1])} of "
                f"{self.seq_len}; put the question after the image"
            )
        self._check_positions("image", self.image_positions)
        self._check_positions("text", self.text_after_image)
        self._check_positions("question", self.question)
        if self.text_after_image[0] <= self.image_positions[-1]:
            raise LayoutError(
                f"text_after_image starts at {int(self.text_after_image[0])}, before the image ends at "
                f"{int(self.image_positions[-1])}; list only positions after the last patch"
            )

    def queries(self, which: QuerySet) -> Int[Tensor, "query"]:
        """List the text positions whose attention rows make the attention map.

        Args:
            which: "all_text_after_image", "question" (without template tokens) or "last".

        Returns:
            Ascending positions in the row, at least one.

        Raises:
            ConfigError: If the name is unknown.
            LayoutError: If the question is asked for and is empty.

        Source: SCR paper, Sec. 3.1 (the paper leaves the query set open; this is a named choice).
        """
        if which == "all_text_after_image":
            return self.text_after_image
        if which == "last":
            return torch.tensor([self.last])
        if which != "question":
            raise ConfigError(unknown_name("query set", which, get_args(QuerySet)))
        if len(self.question) == 0:
            raise LayoutError(
                "queries='question' but the prompt's question is empty; "
                "give a question or use queries='all_text_after_image'"
            )
        return self.question

    def _check_positions(self, name: str, positions: Tensor) -> None:
        if len(positions) == 0:
            return
        first, end = int(positions[0]), int(positions[-1])
        if first < self.n_pad or end > self.last or self.last >= self.seq_len:
            raise LayoutError(
                f"{name} positions {first} to {end} leave the row's tokens {self.n_pad} to {self.last} "
                f"(row length {self.seq_len}); give positions that are absolute in the padded row"
            )
        if (positions.diff() <= 0).any():
            raise LayoutError(f"{name} positions are not in ascending order; give each position once, sorted")


def build_layout(
    input_ids: Int[Tensor, "seq"],
    attention_mask: Int[Tensor, "seq"],
    image_token_id: int,
    grid: PatchGrid,
    question_template_ids: Int[Tensor, "template"] | None = None,
) -> TokenLayout:
    """Find the patches, the text and the question in one row of token ids.

    The question is what remains of the ids after the image once the longest common prefix and suffix with the
    template are removed.

    Args:
        input_ids: Token ids of the row, padded on the left.
        attention_mask: 1 for tokens, 0 for padding.
        image_token_id: The id that stands for one patch.
        grid: The patch grid of the image.
        question_template_ids: Ids after the image when the same template is rendered with an empty question;
            None (no template known) makes the question all the text after the image.

    Returns:
        The layout, with positions absolute in the padded row.

    Raises:
        LayoutError: If the row is not left-padded, the patches do not fit the grid, or no text follows them.
    """
    ids, n_pad = input_ids.cpu(), _left_padding(input_ids, attention_mask)
    image = n_pad + torch.nonzero(ids[n_pad:] == image_token_id).flatten()
    if len(image) == 0:
        raise LayoutError(
            f"the prompt holds no image token (id {image_token_id}) but the grid is {grid}; "
            "put the image placeholder into the prompt once"
        )
    text = torch.arange(int(image[-1]) + 1, len(ids))
    skip_first, skip_last = 0, 0
    if question_template_ids is not None:
        skip_first, skip_last = _common_ends(ids[text].tolist(), question_template_ids.tolist())
    return TokenLayout(
        image_positions=image,
        grid=grid,
        text_after_image=text,
        question=text[skip_first : len(text) - skip_last],
        last=len(ids) - 1,
        seq_len=len(ids),
        n_pad=n_pad,
    )


def _left_padding(input_ids: Tensor, attention_mask: Tensor) -> int:
    if input_ids.ndim != 1 or input_ids.shape != attention_mask.shape:
        raise LayoutError(
            f"input_ids {tuple(input_ids.shape)} and attention_mask {tuple(attention_mask.shape)} must be "
            "one row of the same length; pass one sample of the batch"
        )
    mask = attention_mask.cpu().bool()
    n_pad = int((~mask).sum())
    if not mask[n_pad:].all():
        raise LayoutError(
            f"the row of {len(mask)} tokens has {n_pad} padding tokens that are not all at its start; "
            "set padding_side='left'"
        )
    return n_pad


def _common_ends(ids: list[int], template: list[int]) -> tuple[int, int]:
    """Count equal tokens at the start and, among the rest, at the end of two lists."""
    shortest = min(len(ids), len(template))
    first = next((i for i in range(shortest) if ids[i] != template[i]), shortest)
    rest = shortest - first
    last = next((i for i in range(rest) if ids[-1 - i] != template[-1 - i]), rest)
    return first, last
