"""Reduces what a running model shows, as it shows it; knows nothing of how the model is run."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from scr_lens.errors import ConfigError, ContractError
from scr_lens.trace.capture import CaptureSpec
from scr_lens.trace.gradients import gradient_credit, target_ids
from scr_lens.trace.placement import Placement
from scr_lens.trace.record import PassRecord, SampleRecord
from scr_lens.trace.sample import Batch


class Recorder:
    """Collects one pass: call `on_attention` and `on_block` in execution order, `on_logits`, then `finish`.

    Args:
        batch: The batch that runs.
        capture: What to keep.
        n_layers: Number of decoder blocks of the model.
        placement: Where the samples lie in the rows that run; None is one row each, as the batch has them.
        first_layer: The first block whose residual stream is recorded.

    Raises:
        ConfigError: If the capture asks for blocks the model does not have, or for the wrong number of
            targets.
    """

    def __init__(
        self,
        batch: Batch,
        capture: CaptureSpec,
        n_layers: int,
        placement: Placement | None = None,
        *,
        first_layer: int = 0,
    ) -> None:
        self.batch = batch
        self.capture = capture
        self.placement = placement or Placement.one_per_row(batch.layouts)
        self.first_layer = first_layer
        self.last_layer = capture.last_layer(n_layers)
        if not isinstance(capture.gradient_target, str) and len(capture.gradient_target) != len(batch):
            raise ConfigError(
                f"gradient_target has {len(capture.gradient_target)} token ids for {len(batch)} samples; "
                "give one id per sample"
            )
        self._samples = (list(self.placement.rows), list(self.placement.slots))
        self.request = (
            None if capture.attention is None else self.placement.request(capture.attention, capture.queries)
        )
        self._norms: list[Tensor] = []
        self._heads: list[Tensor] = []
        self._residuals: dict[int, Tensor] = {}
        self._hidden: list[Tensor] = []
        self._logits: Tensor | None = None

    def wants_attention(self, layer: int) -> bool:
        """Whether the attention of a block is recorded."""
        return self.capture.attention is not None and layer in self.capture.attention

    def wants_block(self, layer: int) -> bool:
        """Whether anything of a block's residual stream is recorded."""
        return self.capture.resid_norms or self.capture.gradients or layer in self.capture.residuals

    def on_attention(self, layer: int, rows: Float[Tensor, "batch head query patch"] | None) -> None:
        """Keep a block's attention rows, averaged over the real queries.

        Args:
            layer: The block.
            rows: What the registered attention returned.

        Raises:
            ContractError: If these are not the rows that were asked for, so the model does not run with the
                registered attention.
        """
        if rows is None or self.request is None or not self.request.is_shape_of(rows):
            found = "no attention rows" if rows is None else f"attention of shape {list(rows.shape)}"
            raise ContractError(
                f"block {layer} returned {found} instead of the rows asked for; the model must run with "
                "attn_implementation 'scr_rows': load it with scr_lens.load and leave its attention as it is"
            )
        asks = self.placement.askers(self.request, self.capture.queries).to(rows)
        total = torch.einsum("rhqn,rsq->rshn", rows, asks)
        mean = total[self._samples] / asks.sum(-1)[self._samples][:, None, None]
        self._heads.append(mean if self.capture.attention_heads else mean.mean(1, keepdim=True))

    def on_block(self, layer: int, hidden: Float[Tensor, "batch seq d_model"]) -> None:
        """Keep what was asked of a block's residual stream, after the intervention.

        Args:
            layer: The block.
            hidden: `resid_post` as the next block sees it.
        """
        if self.capture.gradients:
            self._hidden.append(hidden)
        at_image = self._at_image(hidden.detach())
        if self.capture.resid_norms:
            exact = torch.promote_types(at_image.dtype, torch.float32)
            self._norms.append(torch.linalg.vector_norm(at_image, dim=-1, dtype=exact).float())
        if layer in self.capture.residuals:
            self._residuals[layer] = at_image

    def on_logits(self, logits: Float[Tensor, "batch kept vocab"]) -> None:
        """Keep the logits of every sample's last position: the last of those kept, one per slot.

        Args:
            logits: Logits of the last position, or of several with those of the slots last.

        Raises:
            ContractError: If samples share rows and the model kept other positions than one per slot.
        """
        rows, slots = self._samples
        if self.placement.n_slots not in (1, logits.shape[1]):
            raise ContractError(
                f"the model kept logits of {logits.shape[1]} positions instead of {self.placement.n_slots}; "
                "its forward must honor logits_to_keep: use run_pass"
            )
        self._logits = logits[rows, [slot - self.placement.n_slots for slot in slots]]

    def finish(self) -> PassRecord:
        """Run the backward pass if asked, move everything to the CPU and split it by sample.

        Returns:
            The record of the pass.

        Raises:
            ContractError: If a recorded norm or logit is not finite.
        """
        targets, grad_norm, grad_dot = self._gradients()
        norms, heads = _stack(self._norms), _stack(self._heads)
        logits = (
            None if self._logits is None or not self.capture.logits else self._logits.detach().float().cpu()
        )
        residuals = {layer: tensor.cpu() for layer, tensor in self._residuals.items()}
        self._hidden.clear()
        _require_finite("residual norms", norms, self.first_layer)
        _require_finite("gradients", grad_norm, self.first_layer)
        if logits is not None and logits.isnan().any():
            raise ContractError("the logits hold NaN; load the model with dtype='float32' or 'bfloat16'")

        def sample(index: int) -> SampleRecord:
            layout, row = self.batch.layouts[index], self.placement.rows[index]
            n = layout.grid.size
            per_head = None if heads is None else heads[:, index, :, :n].clone()
            return SampleRecord(
                layout=layout,
                resid_norm=_row(norms, row, n),
                attention=None if per_head is None else per_head.mean(1),
                attention_layers=self.capture.attention,
                attention_heads=per_head if self.capture.attention_heads else None,
                logits=None if logits is None else logits[index].clone(),
                residuals={layer: tensor[row, :n].clone() for layer, tensor in residuals.items()},
                grad_norm=_row(grad_norm, row, n),
                grad_dot=_row(grad_dot, row, n),
                target_token_id=None if targets is None else int(targets[index]),
            )

        return PassRecord(tuple(sample(index) for index in range(len(self.batch))))

    def _at_image(self, hidden: Float[Tensor, "batch seq d_model"]) -> Float[Tensor, "batch patch d_model"]:
        images = self.placement.images.to(hidden.device)
        return hidden[torch.arange(len(images), device=hidden.device)[:, None], images]

    def _gradients(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        if not self.capture.gradients or self._logits is None:
            return None, None, None
        targets = target_ids(self._logits, self.capture.gradient_target)
        reduce: Callable[[Tensor], Tensor] = self._at_image
        grad_norm, grad_dot = gradient_credit(self._logits, targets, self._hidden, reduce)
        return targets.cpu(), grad_norm, grad_dot


def _stack(per_layer: Sequence[Tensor]) -> Tensor | None:
    return torch.stack([tensor.cpu() for tensor in per_layer]) if per_layer else None


def _row(values: Float[Tensor, "layer batch patch"] | None, row: int, n: int) -> Tensor | None:
    return None if values is None else values[:, row, :n].clone()


def _require_finite(name: str, values: Float[Tensor, "layer batch patch"] | None, first: int) -> None:
    if values is None or values.isfinite().all():
        return
    layer = first + int((~values.isfinite()).flatten(1).any(1).nonzero()[0, 0])
    raise ContractError(
        f"the {name} of recorded block {layer} are not finite; "
        "load the model with dtype='float32' or 'bfloat16', or weaken the intervention"
    )
