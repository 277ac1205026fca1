"""One context of a model: its inputs, its cache, its position ids, and the hooks live around its forwards."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scr_lens.trace import Lens
from scr_lens.trace.model import resolve


@dataclass(frozen=True, kw_only=True)
class Span:
    """The forward that is about to run.

    Attributes:
        rows: Rows of the batch.
        queries: Tokens fed to each.
        keys: Tokens seen, those fed included.
        is_prompt: Whether this is the prefill.
    """

    rows: int
    queries: int
    keys: int
    is_prompt: bool


Around = Callable[[Span], AbstractContextManager[Any]]
"""Makes the context in which one forward of a branch runs."""


class Branch:
    """A batch of rows that one model reads token by token.

    Args:
        lens: The model; its lock must be held by the caller.
        inputs: What the prefill takes, left-padded; its `attention_mask` and `position_ids` decide the rest.
        *around: Contexts entered, in this order, around every forward.

    Attributes:
        logits: Logits of the last position after the last forward, in float32.
        mask: 1 for tokens, 0 for padding, over everything read so far.
    """

    def __init__(self, lens: Lens, inputs: Mapping[str, Any], *around: Around) -> None:
        self.lens = lens
        self.around = around
        self.logits: Float[Tensor, "batch vocab"] = torch.empty(0)
        self.mask: Int[Tensor, "batch seq"] = inputs["attention_mask"].to(lens.device)
        self._inputs = inputs
        self._cache: Any = None
        self._positions: Int[Tensor, "*axes batch 1"] | None = None
        self._last: Int[Tensor, "batch 1"] = inputs["input_ids"][:, -1:].to(lens.device)

    @property
    def length(self) -> int:
        """Tokens read so far, padding included; the prompt's before the prefill."""
        return self.mask.shape[1]

    def advance(self, tokens: Int[Tensor, "batch"] | None) -> Float[Tensor, "batch vocab"]:
        """Read the prompt (None), or one more token per row.

        Args:
            tokens: The token chosen for each row.

        Returns:
            Logits of the next token, in float32.
        """
        return self._prefill() if tokens is None else self._step(tokens[:, None])

    def again(self) -> Float[Tensor, "batch vocab"]:
        """Read the last token once more, with whatever hooks are live now; the first reading is forgotten."""
        self.forget(1)
        return self._step(self._last)

    def forget(self, count: int) -> None:
        """Drop the last tokens from cache and mask."""
        self._positions = self._next_positions() - count
        self._cache.crop(-count)
        self.mask = self.mask[:, :-count]

    def peek(self, tokens: Int[Tensor, "batch n"], around: Around) -> None:
        """Read several alternatives for the next token, each at the next position, and forget them again.

        Args:
            tokens: Alternatives per row; none may see another, which `around` has to ensure.
            around: Context of this forward, entered after the branch's own.
        """
        positions, count = self._next_positions(), tokens.shape[1]
        before = self.logits, self.mask, positions, self._last
        self._forward(tokens, positions.expand(*positions.shape[:-1], count), around)
        self._cache.crop(-count)
        self.logits, self.mask, self._positions, self._last = before

    def select(self, rows: Int[Tensor, "chosen"]) -> None:
        """Continue with these rows, in this order; a row may be named several times."""
        self._cache.batch_select_indices(rows)
        self.logits, self.mask, self._last = self.logits[rows], self.mask[rows], self._last[rows]
        self._positions = self._next_positions().index_select(-2, rows)

    def _prefill(self) -> Float[Tensor, "batch vocab"]:
        inputs = {name: self._placed(value) for name, value in self._inputs.items()}
        length = self.mask.shape[1]
        with self._contexts(Span(rows=len(self.mask), queries=length, keys=length, is_prompt=True)):
            return self._run(**inputs)

    def _step(self, tokens: Int[Tensor, "batch 1"]) -> Float[Tensor, "batch vocab"]:
        positions = self._next_positions()
        logits = self._forward(tokens, positions)
        self._positions, self._last = positions + 1, tokens
        return logits

    def _forward(self, tokens: Int[Tensor, "batch n"], positions: Tensor, *around: Around) -> Tensor:
        count = tokens.shape[1]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), count)], dim=1)
        span = Span(rows=len(self.mask), queries=count, keys=self.length, is_prompt=False)
        with self._contexts(span, *around):
            return self._run(
                input_ids=tokens,
                attention_mask=self.mask,
                position_ids=positions,
                past_key_values=self._cache,
            )

    def _run(self, **inputs: Any) -> Float[Tensor, "batch vocab"]:
        with torch.no_grad():
            output = self.lens.hf_model(**inputs, use_cache=True, logits_to_keep=1)
        self._cache = output.past_key_values
        self.logits = output.logits[:, -1].float()
        return self.logits

    def _contexts(self, span: Span, *around: Around) -> ExitStack:
        stack = ExitStack()
        try:
            for enter in (*self.around, *around):
                stack.enter_context(enter(span))
        except BaseException:
            stack.close()
            raise
        return stack

    def _next_positions(self) -> Int[Tensor, "*axes batch 1"]:
        """Position of the next token: one after the prompt's last one, on every axis of the model."""
        if self._positions is None:
            given = self._inputs.get("position_ids")
            self._positions = self._counted() if given is None else given[..., -1:].to(self.lens.device) + 1
        return self._positions

    def _counted(self) -> Int[Tensor, "*axes batch 1"]:
        """For models that derive positions themselves: real tokens so far, plus the offset they computed."""
        count = self.mask.sum(-1, keepdim=True)
        offset = getattr(self.lens.hf_model.model, "rope_deltas", None)
        return count if offset is None else (count + offset.to(count)).expand(3, -1, -1)

    def _placed(self, value: Any) -> Any:
        return value.to(self.lens.device) if isinstance(value, Tensor) else value


def blocks(lens: Lens) -> list[nn.Module]:
    """The decoder blocks of the bare model."""
    return list(resolve(lens.hf_model, lens.family.layers_path))


def attentions(lens: Lens) -> list[nn.Module]:
    """The attention modules of the bare model's decoder blocks."""
    return [resolve(block, "self_attn") for block in blocks(lens)]


def causal_mask(span: Span, device: torch.device) -> Bool[Tensor, "1 1 query key"]:
    """What a causal forward lets each query see; its queries are the last keys.

    Args:
        span: The forward.
        device: Where to put the mask.

    Returns:
        True where a query may attend.
    """
    query = torch.arange(span.keys - span.queries, span.keys, device=device)
    return (torch.arange(span.keys, device=device)[None] <= query[:, None])[None, None]
