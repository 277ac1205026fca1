"""The lens: a loaded model with everything needed to look into it and to edit it."""

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any

import torch
from nnsight import TransformersModel
from nnsight.tracing.backend import Backend
from torch import Tensor, nn

from scr_lens.config import LayerRange, QuerySet
from scr_lens.errors import ContractError, DataError
from scr_lens.families import ModelFamily, family_for
from scr_lens.interventions.base import Intervention
from scr_lens.layout import build_layout
from scr_lens.trace.attention import ATTN_IMPLEMENTATION, RowRequest, RowTap, attach_tap, register
from scr_lens.trace.digests import processor_digest
from scr_lens.trace.editing import apply
from scr_lens.trace.encoding import encode
from scr_lens.trace.sample import Batch, Sample

SPELLINGS = {"yes": ("yes", "Yes", "YES"), "no": ("no", "No", "NO")}
WORD_STARTS = "▁Ġ "

_LOCKS: "weakref.WeakKeyDictionary[nn.Module, threading.RLock]" = weakref.WeakKeyDictionary()


class RowsBackend(Backend):
    """Runs an nnsight block with the model's lock held and a request live on its tap.

    Args:
        lens: The lens whose model runs.
        request: The attention rows the run should compute; None computes none.
    """

    def __init__(self, lens: "Lens", request: RowRequest | None) -> None:
        self.lens = lens
        self.request = request

    def __call__(self, tracer: Any) -> None:
        """Run the block; the request is gone and the lock free afterwards, whatever happened."""
        with self.lens.lock, self.lens.tap.requesting(self.request):
            super().__call__(tracer)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lens:
    """A model wrapped for looking inside; make it with `load` or `wrap`.

    Attributes:
        nn: The nnsight model; `lens.nn` takes everything nnsight offers.
        hf_model: The Hugging Face model inside.
        processor: The processor that builds inputs; pads on the left.
        family: What is known about the architecture.
        model_id: The path or hub name it was loaded from.
        revision: SHA-256 of config and weights for a folder, commit hash for a hub name, "" if unknown.
        tap: Where requests for attention rows are put.
        lock: Held while the model runs; one per Hugging Face model, shared by all lenses on it.
    """

    nn: Any = field(repr=False)
    hf_model: Any = field(repr=False)
    processor: Any = field(repr=False)
    family: ModelFamily = field(repr=False)
    model_id: str
    revision: str
    tap: RowTap = field(repr=False)
    lock: threading.RLock = field(repr=False)

    @property
    def config(self) -> Any:
        """The Hugging Face model's config."""
        return self.hf_model.config

    @property
    def model_type(self) -> str:
        """The architecture's name, `config.model_type`."""
        return str(self.config.model_type)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks L."""
        return int(self.family.text_config(self.config).num_hidden_layers)

    @property
    def n_heads(self) -> int:
        """Number of attention (query) heads per block."""
        return int(self.family.text_config(self.config).num_attention_heads)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.family.text_config(self.config).hidden_size)

    @property
    def dtype(self) -> str:
        """Parameter type, such as "float32"."""
        return str(self.hf_model.dtype).removeprefix("torch.")

    @property
    def device(self) -> torch.device:
        """Device of the input embeddings."""
        return torch.device(self.hf_model.device)

    @property
    def attn_implementation(self) -> str:
        """The attention the language model runs with; "scr_rows" unless someone changed it."""
        return str(self.family.text_config(self.config)._attn_implementation)

    @property
    def processor_digest(self) -> str:
        """SHA-256 of the tokenizer, the image settings and the chat template."""
        return processor_digest(self.processor)

    @property
    def layers(self) -> Any:
        """The decoder blocks as a sequence of nnsight envoys; read `lens.layers[i].output` inside a trace."""
        return resolve(self.nn, self.family.layers_path)

    def yes_no_ids(self) -> tuple[list[int], list[int]]:
        """Vocabulary entries that spell "yes" and "no", with and without a leading word boundary.

        Returns:
            Ids of "yes" and of "no", ascending, without overlap.

        Raises:
            ContractError: If the vocabulary has no single token for one of the two.
        """
        return self._yes_no_ids

    @cached_property
    def _yes_no_ids(self) -> tuple[list[int], list[int]]:
        found: dict[str, list[int]] = {answer: [] for answer in SPELLINGS}
        for token, token_id in self.processor.tokenizer.get_vocab().items():
            for answer, spellings in SPELLINGS.items():
                if token.lstrip(WORD_STARTS) in spellings:
                    found[answer].append(token_id)
        for answer, ids in found.items():
            if not ids:
                raise ContractError(
                    f"the vocabulary of {self.model_id!r} has no token for {answer!r}; "
                    "score answers from generated text instead of logits"
                )
        return sorted(found["yes"]), sorted(found["no"])

    def prepare(self, samples: Sample | Sequence[Sample]) -> Batch:
        """Build the left-padded inputs of one or several samples.

        Args:
            samples: At least one sample.

        Returns:
            The batch on the CPU; every row gives what the sample gives alone.

        Raises:
            DataError: If there are no samples, a prompt is malformed, the processor refuses a picture, or a
                row is longer than the model allows.
            LayoutError: If image tokens and grid disagree, or no text follows an image.
        """
        group = (samples,) if isinstance(samples, Sample) else tuple(samples)
        if not group:
            raise DataError("prepare() got no samples; give at least one Sample")
        placeholder = self.family.placeholder(self.processor)
        prompts = tuple(
            sample.rendered(placeholder, self.family.prompt(self.processor, sample.question or ""))
            for sample in group
        )
        encoding = self._as_model_type(encode(self.family, self.processor, group, prompts))
        self._check_length(encoding["input_ids"].shape[1])
        tail = self.family.template_tail(self.processor, self.config)
        layouts = tuple(
            build_layout(
                ids, mask, self.family.image_token_id(self.config), grid, tail if sample.question else None
            )
            for ids, mask, grid, sample in zip(
                encoding["input_ids"],
                encoding["attention_mask"],
                self.family.grids(encoding, self.config),
                group,
                strict=True,
            )
        )
        return Batch(
            samples=group,
            prompts=prompts,
            layouts=layouts,
            encoding=encoding,
            forward_inputs=self.family.forward_inputs(encoding),
        )

    def trace(
        self,
        inputs: Batch | Sample | Sequence[Sample],
        *,
        attention: LayerRange | None = None,
        queries: QuerySet = "all_text_after_image",
        **kwargs: Any,
    ) -> Any:
        """Open an nnsight trace on a batch: `with lens.trace(sample) as tracer: ...`.

        Inside, `lens.layers[i].output` and everything else of nnsight works as usual, in execution order.
        With `attention`, `lens.layers[i].self_attn.output[1]` holds the rows from text to image of the blocks
        asked for, `[batch, head, query, patch]`; without it, it is None.

        Args:
            inputs: A prepared batch, or samples to prepare.
            attention: Blocks to compute attention rows at.
            queries: Text positions whose rows are computed.
            **kwargs: Passed on to the model's forward (for example `logits_to_keep=1`).

        Returns:
            nnsight's tracer, to be used in a `with` statement directly.
        """
        batch = inputs if isinstance(inputs, Batch) else self.prepare(inputs)
        request = None
        if attention is not None:
            request = RowRequest.of(batch.layouts, attention.within(self.n_layers), queries)
        return self.nn.trace(
            **{"use_cache": False, **batch.forward_inputs, **kwargs}, backend=RowsBackend(self, request)
        )

    def edited(self, intervention: Intervention) -> "Lens":
        """A lens on the same model whose every pass, trace and generation has an intervention applied.

        The edit runs before anything else at each block, so a trace may read blocks in any forward order and
        sees the stream after the edit.

        Args:
            intervention: What to apply.

        Returns:
            A new lens; this one stays clean.
        """
        with self.nn.edit() as (_, envoy):
            apply(replace(self, nn=envoy), intervention)
        return replace(self, nn=envoy)

    def _as_model_type(self, encoding: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Pixels in the model's own number type: not every image tower converts them itself."""
        return {
            name: value.to(self.hf_model.dtype) if value.is_floating_point() else value
            for name, value in encoding.items()
        }

    def _check_length(self, seq_len: int) -> None:
        limit = getattr(self.family.text_config(self.config), "max_position_embeddings", None)
        if limit is not None and seq_len > limit:
            raise DataError(
                f"the longest prompt has {seq_len} tokens with its image, the model takes {limit}; "
                "shorten the prompt"
            )


def wrap(hf_model: Any, processor: Any, *, model_id: str = "", revision: str = "") -> Lens:
    """Make a lens of a Hugging Face model that is already in memory.

    The model is put into evaluation mode, its parameters are frozen, its language model is switched to the
    registered attention, and its tokenizer pads on the left from here on.

    Args:
        hf_model: A model of a supported family.
        processor: Its processor.
        model_id: Name to record with results.
        revision: Version to record with results.

    Returns:
        The lens.

    Raises:
        ContractError: If the family is unknown or model and processor disagree.
    """
    family = family_for(hf_model.config.model_type)
    family.check(hf_model.config, processor)
    register()
    hf_model.eval().requires_grad_(False)
    hf_model.set_attn_implementation(family.attn_implementation(ATTN_IMPLEMENTATION))
    blocks = resolve(hf_model, family.layers_path)
    processor.tokenizer.padding_side = "left"
    return Lens(
        nn=TransformersModel(hf_model, task="image-text-to-text", processor=processor),
        hf_model=hf_model,
        processor=processor,
        family=family,
        model_id=model_id,
        revision=revision,
        tap=attach_tap([block.self_attn for block in blocks]),
        lock=_LOCKS.setdefault(hf_model, threading.RLock()),
    )


def resolve(root: Any, path: str) -> Any:
    """Follow a dotted attribute path from a module or envoy."""
    return reduce(getattr, path.split("."), root)
