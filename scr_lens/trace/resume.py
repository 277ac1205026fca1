"""Going on with a forward pass from the residual stream after any block, with the rest of the pass reused."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from scr_lens.errors import ContractError
from scr_lens.trace.model import Lens, resolve
from scr_lens.trace.sample import Batch

FINAL_NORM = "norm"
"""Name of the last normalization, next to the list of decoder blocks."""
TOLERANCE = 1e-3


class _Prefix:
    """Keys and values of the positions before the resumed ones, in the place of a cache."""

    def __init__(self, key: Tensor, value: Tensor, rows: int) -> None:
        self._key, self._value = (part.expand(rows, -1, -1, -1) for part in (key, value))

    def update(self, key: Tensor, value: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keys and values of the whole row."""
        return torch.cat([self._key, key], 2), torch.cat([self._value, value], 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Resumable:
    """The pass of one sample, kept so that it can be gone on with after any block.

    What a block after the resumed one reads at earlier positions does not depend on the change, since
    attention is causal: it is kept and not computed again.

    Args:
        lens: The model.
        hidden: Residual stream after every block.
        inputs: Keyword arguments of every block.
        keys: Keys of every block.
        values: Values of every block.
        is_causal: Whether earlier positions never look at later ones.
        logits: Logits of the last position.
    """

    lens: Lens
    hidden: tuple[Float[Tensor, "1 seq d_model"], ...]
    inputs: tuple[dict[str, Any], ...]
    keys: tuple[Float[Tensor, "1 kv_head seq d_head"], ...]
    values: tuple[Float[Tensor, "1 kv_head seq d_head"], ...]
    is_causal: bool
    logits: Float[Tensor, "vocab"]

    def resume(
        self, tail: Float[Tensor, "row tail d_model"], layer: int, start: int = 0
    ) -> Float[Tensor, "row vocab"]:
        """Run the blocks after `layer` on a changed residual stream.

        Args:
            tail: Residual stream after the block from position `start` on; rows are independent variants.
            layer: The block it comes after.
            start: First position of `tail`; 0 where `is_causal` is False.

        Returns:
            Logits of the last position.
        """
        stream = tail
        for number in range(layer + 1, len(self.hidden)):
            stream = self.lens.family.hidden(
                self._block(number)(stream, **self._inputs(number, stream, start))
            )
        return self._logits(stream[:, -1])

    def _block(self, layer: int) -> nn.Module:
        block: nn.Module = resolve(self.lens.hf_model, self.lens.family.layers_path)[layer]
        return block

    def _inputs(self, layer: int, tail: Tensor, start: int) -> dict[str, Any]:
        if start == 0:
            return self.inputs[layer]
        seq_len = self.hidden[0].shape[1]
        prefix = _Prefix(self.keys[layer][:, :, :start], self.values[layer][:, :, :start], len(tail))
        return {name: _from(value, start, seq_len) for name, value in self.inputs[layer].items()} | {
            "past_key_values": prefix,
            "attention_mask": _causal_mask(start, seq_len, tail.device),
        }

    def _logits(self, last: Tensor) -> Tensor:
        norm, head = output_path(self.lens)
        logits: Tensor = head(norm(last)).float()
        return logits.masked_fill(suppressed(self.logits), float(self.logits.min()))


def output_path(lens: Lens) -> tuple[nn.Module, nn.Module]:
    """The last normalization and the map to the vocabulary.

    Args:
        lens: The model.

    Returns:
        The two modules: logits = head(norm(residual after the last block)).

    Raises:
        ContractError: If the family keeps them elsewhere.
    """
    parent = resolve(lens.hf_model, lens.family.layers_path.rpartition(".")[0])
    norm, head = getattr(parent, FINAL_NORM, None), lens.hf_model.get_output_embeddings()
    if norm is None or head is None:
        raise ContractError(
            f"{lens.model_type} has no module {FINAL_NORM!r} next to its blocks or no output embeddings; "
            "this analysis needs a model whose logits are head(norm(residual))"
        )
    return norm, head


@torch.no_grad()
def start(lens: Lens, batch: Batch) -> Resumable:
    """Run one sample and keep what is needed to go on from any block.

    Args:
        lens: The model.
        batch: One sample.

    Returns:
        The kept pass.

    Raises:
        ContractError: If more than one sample is given, or the kept parts do not give the model's own logits.
    """
    if len(batch) != 1:
        raise ContractError(f"a pass is kept for one sample at a time, got {len(batch)}; prepare it alone")
    inputs: list[dict[str, Any]] = []
    hidden: list[Tensor] = []
    forward = batch.inputs_on(lens.device)
    with lens.lock, _watching(lens, inputs, hidden):
        output = lens.hf_model(**forward, use_cache=True, logits_to_keep=1)
    cache = output.past_key_values
    kept = Resumable(
        lens=lens,
        hidden=tuple(hidden),
        inputs=tuple({**given, "past_key_values": None, "use_cache": False} for given in inputs),
        keys=tuple(layer.keys for layer in cache.layers),
        values=tuple(layer.values for layer in cache.layers),
        is_causal=all(_looks_back_only(given.get("attention_mask")) for given in inputs),
        logits=output.logits[0, -1].float(),
    )
    return _checked(kept)


def _checked(kept: Resumable) -> Resumable:
    again = kept.resume(kept.hidden[-1], len(kept.hidden) - 1)[0]
    require_same_logits(kept.lens, again, kept.logits)
    return kept


def suppressed(logits: Float[Tensor, "*batch vocab"]) -> Bool[Tensor, "*batch vocab"]:
    """Tokens that a model rules out by setting their logits to the lowest number, such as image tokens."""
    return logits <= torch.finfo(torch.float16).min


def require_same_logits(
    lens: Lens, read: Float[Tensor, "*batch vocab"], logits: Float[Tensor, "*batch vocab"]
) -> None:
    """Refuse a model whose logits are not head(norm(residual after the last block)).

    Args:
        lens: The model.
        read: Logits computed that way.
        logits: The model's own.

    Raises:
        ContractError: If they differ anywhere but at suppressed tokens.
    """
    allowed = ~suppressed(logits)
    error = float((read - logits)[allowed].abs().max())
    if not error <= TOLERANCE * max(1.0, float(logits[allowed].abs().max())):
        raise ContractError(
            f"{lens.model_type}: head(norm(residual)) is off the model's own logits by {error:.3g}; "
            "this analysis does not fit the architecture"
        )


@contextmanager
def _watching(lens: Lens, inputs: list[dict[str, Any]], hidden: list[Tensor]) -> Iterator[None]:
    """Keep the keyword arguments and the output of every block of the run inside."""
    with ExitStack() as handles:
        for block in resolve(lens.hf_model, lens.family.layers_path):
            before = block.register_forward_pre_hook(
                lambda _module, _args, kwargs: inputs.append(
                    {name: value for name, value in kwargs.items() if name != "hidden_states"}
                ),
                with_kwargs=True,
            )
            after = block.register_forward_hook(
                lambda _module, _args, output: hidden.append(lens.family.hidden(output))
            )
            handles.callback(before.remove)
            handles.callback(after.remove)
        yield


def _looks_back_only(mask: Tensor | None) -> bool:
    if mask is None:
        return True
    later = torch.ones(mask.shape[-2:], dtype=torch.bool, device=mask.device).triu(1)
    seen = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    return not bool((seen & later).any())


def _causal_mask(start: int, seq_len: int, device: torch.device) -> Tensor:
    return torch.ones(seq_len, seq_len, dtype=torch.bool, device=device).tril()[None, None, start:]


def _from(value: Any, start: int, seq_len: int) -> Any:
    """The part of a block's argument that belongs to the positions from `start` on."""
    if isinstance(value, tuple):
        return tuple(_from(part, start, seq_len) for part in value)
    if not isinstance(value, Tensor):
        return value
    axes = [axis for axis in (-2, -1) if value.ndim >= -axis and value.shape[axis] == seq_len]
    return value.narrow(axes[0], start, seq_len - start) if axes else value
