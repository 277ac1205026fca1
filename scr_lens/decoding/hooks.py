"""Contexts around a branch's forwards: edit blocks, read attention rows and states, hide keys."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.config import LayerRange
from scr_lens.decoding.branch import Around, Span, attentions, blocks, causal_mask
from scr_lens.errors import ConfigError, ContractError
from scr_lens.interventions import Intervention
from scr_lens.trace import Lens
from scr_lens.trace.attention import RowRequest
from scr_lens.trace.editing import edit_block


def editing(lens: Lens, intervention: Intervention) -> Around:
    """Apply an intervention at the prefill of a branch, and never at a decode step.

    Args:
        lens: The model.
        intervention: What to apply.

    Returns:
        The context of each forward.
    """

    def hook(layer: int) -> Callable[..., Any]:
        return lambda _module, _args, output: edit_block(lens.family, intervention, output, layer)[0]

    @contextmanager
    def around(span: Span) -> Iterator[None]:
        edited = intervention.layers if span.is_prompt else None
        with ExitStack() as handles:
            for layer in () if edited is None else edited.layers:
                handles.callback(blocks(lens)[layer].register_forward_hook(hook(layer)).remove)
            yield

    return around


def reading_rows(
    lens: Lens, layers: LayerRange, then: Callable[[int, Float[Tensor, "batch head query key"]], None]
) -> Around:
    """Read the attention of the last query to every key at some blocks, in every forward.

    A forward over several alternatives (`Branch.peek`) reads the rows of all of them.

    Args:
        lens: The model.
        layers: The blocks to read.
        then: Called with the block and its rows as soon as they are known, before the next block runs.

    Returns:
        The context of each forward.
    """

    def hook(layer: int) -> Callable[..., None]:
        return lambda _module, _args, output: then(layer, _rows_of(output, lens))

    @contextmanager
    def around(span: Span) -> Iterator[None]:
        asked = 1 if span.is_prompt else span.queries
        with ExitStack() as handles:
            for layer in layers.layers:
                handles.callback(attentions(lens)[layer].register_forward_hook(hook(layer)).remove)
            handles.enter_context(lens.tap.requesting(_request(layers, span, asked)))
            yield

    return around


def _request(layers: LayerRange, span: Span, asked: int) -> RowRequest:
    first = span.keys - asked
    return RowRequest(
        layers=layers,
        queries=torch.arange(first, span.keys)[None].expand(span.rows, -1),
        query_is_real=torch.ones(span.rows, asked, dtype=torch.bool),
        images=torch.arange(span.keys)[None].expand(span.rows, -1),
        key_length=span.keys,
        first_query=first,
    )


def _rows_of(output: Any, lens: Lens) -> Float[Tensor, "batch head query key"]:
    rows: Tensor | None = output[1] if isinstance(output, tuple) and len(output) > 1 else None
    if rows is None:
        raise ContractError(
            f"the attention of {lens.model_type!r} returned no rows; load the model with scr_lens.load, "
            "which registers the attention that does"
        )
    return rows


def reading_last_states(lens: Lens, then: Callable[[int, Float[Tensor, "batch d_model"]], None]) -> Around:
    """Read the last position of the residual stream: 0 is the embedding, i the output of block i - 1.

    Args:
        lens: The model.
        then: Called with the number and the states, in execution order.

    Returns:
        The context of each forward.
    """

    def before(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        then(0, (args[0] if args else kwargs["hidden_states"])[:, -1])

    def after(number: int) -> Callable[..., None]:
        return lambda _module, _args, output: then(number, lens.family.hidden(output)[:, -1])

    @contextmanager
    def around(_span: Span) -> Iterator[None]:
        layers = blocks(lens)
        with ExitStack() as handles:
            handles.callback(layers[0].register_forward_pre_hook(before, with_kwargs=True).remove)
            for number, block in enumerate(layers, start=1):
                handles.callback(block.register_forward_hook(after(number)).remove)
            yield

    return around


def adding_to_last_states(
    lens: Lens, additions: Callable[[int], Float[Tensor, "batch d_model"] | None]
) -> Around:
    """Add a vector to the last position after every block.

    Args:
        lens: The model.
        additions: What to add after block i; None leaves the block alone.

    Returns:
        The context of each forward.
    """

    def hook(layer: int) -> Callable[..., Any]:
        def edit(_module: Any, _args: Any, output: Any) -> Any:
            added = additions(layer)
            if added is None:
                return output
            states = lens.family.hidden(output).clone()
            states[:, -1] += added.to(states)
            return lens.family.repack(output, states)

        return edit

    @contextmanager
    def around(_span: Span) -> Iterator[None]:
        with ExitStack() as handles:
            for layer, block in enumerate(blocks(lens)):
                handles.callback(block.register_forward_hook(hook(layer)).remove)
            yield

    return around


def hiding_keys(
    lens: Lens, first: int, hidden: Callable[[Span], Bool[Tensor, "batch query key"] | None]
) -> Around:
    """Hide keys from the queries of every block from `first` on.

    A query that would be left with no key at all keeps its own.

    Args:
        lens: The model.
        first: First block that hides.
        hidden: True where a query may not see a key; a query axis of 1 stands for all queries. Asked when
            block `first` starts; None hides nothing.

    Returns:
        The context of each forward.
    """

    @contextmanager
    def around(span: Span) -> Iterator[None]:
        def edit(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            drop = hidden(span)
            if drop is None:
                return None
            if "attention_mask" not in kwargs:
                raise ContractError(
                    f"the attention of {lens.model_type!r} takes no attention_mask by name; "
                    "methods that hide keys cannot run on this family"
                )
            return args, {**kwargs, "attention_mask": restricted(kwargs["attention_mask"], drop, span)}

        with ExitStack() as handles:
            for module in attentions(lens)[first:]:
                handles.callback(module.register_forward_pre_hook(edit, with_kwargs=True).remove)
            yield

    return around


def restricted(
    mask: Tensor | None, drop: Bool[Tensor, "batch query key"], span: Span
) -> Bool[Tensor, "batch 1 query key"]:
    """Remove keys from what a block was told to attend to.

    Args:
        mask: What the block got: None (plain causal), boolean (True = attend) or additive.
        drop: Keys to remove.
        span: The forward.

    Returns:
        A boolean mask; a query whose every key was removed sees itself, one that saw nothing before still
        does not.
    """
    causal = causal_mask(span, drop.device)
    if mask is None:
        base = causal
    else:
        base = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
        base = base[..., : span.keys]
    allowed = base & ~drop[:, None]
    own = torch.zeros_like(causal)
    steps = torch.arange(span.queries, device=drop.device)
    own[..., steps, span.keys - span.queries + steps] = True
    emptied = ~allowed.any(dim=-1, keepdim=True)
    return allowed | (emptied & own & base)


def all_but_least_attended(
    attention: Float[Tensor, "batch key"], candidates: Sequence[Tensor], keep: Sequence[int]
) -> Bool[Tensor, "batch key"]:
    """Choose which keys to hide: all candidates but the least attended ones.

    Args:
        attention: Attention of one query to every key.
        candidates: Positions that may be hidden, per row.
        keep: How many of them stay, per row; at least as many as there are hides nothing.

    Returns:
        True for hidden keys; of equally attended ones the lower position stays.
    """
    hidden = torch.zeros_like(attention, dtype=torch.bool)
    for row, (positions, count) in enumerate(zip(candidates, keep, strict=True)):
        there = positions.to(attention.device)
        order = torch.sort(attention[row, there], stable=True).indices
        hidden[row, there[order[count:]]] = True
    return hidden


def require_block(method: str, layer: int, lens: Lens) -> None:
    """Refuse a block number that leaves no block before or after it.

    Raises:
        ConfigError: If `layer` is not from 1 to the last block.
    """
    if not 1 <= layer < lens.n_layers:
        raise ConfigError(
            f"{method}: layer is {layer} but the model has {lens.n_layers} blocks; "
            f"give a block from 1 to {lens.n_layers - 1}, the one before it is read"
        )
