"""The checks themselves: each looks at a subject and returns one finding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scr_lens.config import LayerRange
from scr_lens.doctor.check import BATCHING, ROW_SUM, Check
from scr_lens.doctor.subject import Subject
from scr_lens.trace import CaptureSpec, run_pass
from scr_lens.trace.attention import RowRequest
from scr_lens.trace.features import FEATURES

LOGITS = CaptureSpec(resid_norms=False)


def grid(subject: Subject) -> Check:
    """Every cell of the grid has one image token, and the image tower gives one vector per cell."""
    lens, batch = subject.lens, subject.batch
    marked = batch.encoding["input_ids"] == lens.family.image_token_id(lens.config)
    images = batch.forward_inputs.get(FEATURES, {}).get("image")
    vectors = [] if images is None else images.pooler_output
    excess = 0
    for row, layout in enumerate(batch.layouts):
        counts = [int(marked[row].sum())] + [len(own) for own in vectors[row : row + 1]]
        excess = max(excess, *(abs(count - layout.grid.size) for count in counts))
    return Check(measured=excess, tolerance=0, meaning="image tokens or vectors more or fewer than cells")


def features(subject: Subject) -> Check:
    """Plain transformers answers from image features, with which the other checks begin, as from pixels."""
    from_pixels, from_features = subject.forward(subject.pixels)[0], subject.forward(subject.single)[0]
    return Check(
        measured=_relative(_possible(subject, from_features), _possible(subject, from_pixels)),
        tolerance=subject.rounding.stream,
        meaning="relative difference of the last position's logits from image features to those from pixels",
    )


def identity(subject: Subject) -> Check:
    """A pass that records everything and edits nothing gives the bits of plain transformers with SDPA."""
    ours = subject.record.samples[0].logits
    with subject.attention("sdpa"):
        plain = subject.forward(subject.single)[0]
    return Check(
        measured=_largest(_present(ours) - plain),
        tolerance=0,
        meaning="largest difference of a logit between a recording pass and plain transformers with SDPA",
    )


def blocks(subject: Subject) -> Check:
    """The residual stream after every block is the one of plain transformers with eager attention."""
    residuals = subject.record.samples[0].residuals
    ours = torch.stack([residuals[layer] for layer in subject.all_layers.layers])
    return Check(
        measured=_relative(ours, subject.eager.residuals),
        tolerance=subject.rounding.stream,
        meaning="largest relative difference of a patch's residual stream, over all blocks",
    )


def logits(subject: Subject) -> Check:
    """The logits are the ones of plain transformers with eager attention."""
    ours = subject.record.samples[0].logits
    return Check(
        measured=_relative(_possible(subject, ours), _possible(subject, subject.eager.logits)),
        tolerance=subject.rounding.stream,
        meaning="relative difference of the last position's logits",
    )


def rows(subject: Subject) -> Check:
    """The recorded attention from text to image is eager attention's, per block and head."""
    ours = _present(subject.record.samples[0].attention_heads)
    return Check(
        measured=_largest(ours - subject.eager.rows),
        tolerance=subject.rounding.rows,
        meaning="largest difference of an attention probability from text to a patch, over blocks and heads",
    )


def row_sums(subject: Subject) -> Check:
    """Whole softmax rows, over all keys, sum to one."""
    found = subject.whole_rows()
    measured = max(_largest(one.double().sum(-1) - 1) for one in found)
    return Check(
        measured=measured,
        tolerance=ROW_SUM,
        meaning=f"largest difference from 1 of a row's sum, over the heads of {len(found)} blocks",
    )


def causal_tap(subject: Subject) -> Check:
    """Without the probabilities of image columns, the model answers otherwise: the tap is where it reads."""
    lens, batch = subject.lens, subject.single
    request = RowRequest.of(batch.layouts, subject.all_layers, "all_text_after_image")
    before = _possible(subject, run_pass(lens, batch, LOGITS).samples[0].logits)
    with lens.lock, lens.tap.editing(_Blind(request)):
        after = _possible(subject, run_pass(lens, batch, LOGITS).samples[0].logits)
    return Check(
        measured=float((after - before).square().mean().sqrt() / before.std()),
        tolerance=subject.rounding.stream,
        bound="at least",
        meaning="change of the logits, over their spread, when text cannot attend to the image",
    )


def edit_first(subject: Subject) -> Check:
    """An edit of the first block's output arrives at the second block."""
    return _edit(subject, 0)


def edit_middle(subject: Subject) -> Check:
    """An edit of a middle block's output arrives at the block behind it."""
    return _edit(subject, subject.lens.n_layers // 2)


def edit_last(subject: Subject) -> Check:
    """An edit of the last block's output arrives at the last normalization."""
    return _edit(subject, subject.lens.n_layers - 1)


def left_padding(subject: Subject) -> Check:
    """A sample that is padded in a batch gives what it gives alone."""
    layout = subject.batch.layouts[0]
    capture = CaptureSpec(residuals=(subject.lens.n_layers - 1,))
    together = run_pass(subject.lens, subject.batch, capture).samples[0]
    alone = run_pass(subject.lens, subject.single, capture).samples[0]
    last = subject.lens.n_layers - 1
    return Check(
        measured=max(
            _relative(together.residuals[last], alone.residuals[last]),
            _relative(_possible(subject, together.logits), _possible(subject, alone.logits)),
        ),
        tolerance=max(subject.rounding.stream, BATCHING),
        meaning=f"relative difference of the last block and the logits with {layout.n_pad} padding tokens",
    )


def yes_no(subject: Subject) -> Check:
    """The vocabulary has single tokens for "yes" and "no"."""
    yes, no = subject.lens.yes_no_ids()
    return Check(
        measured=min(len(yes), len(no)),
        tolerance=1,
        bound="at least",
        meaning="tokens that spell the rarer of the two answers",
    )


CHECKS: Mapping[str, Callable[[Subject], Check]] = {
    "grid": grid,
    "features equal pixels": features,
    "identity is bitwise": identity,
    "blocks equal eager": blocks,
    "logits equal eager": logits,
    "attention rows equal eager": rows,
    "attention rows sum to one": row_sums,
    "the tap is causal": causal_tap,
    "edit of the first block": edit_first,
    "edit of a middle block": edit_middle,
    "edit of the last block": edit_last,
    "left padding = single": left_padding,
    "yes and no have tokens": yes_no,
}
"""By name, in the order in which they are carried out."""


@dataclass(frozen=True, eq=False)
class _Blind:
    """An attention edit that takes the patches out of text queries' rows."""

    request: RowRequest

    def __call__(self, probabilities: Float[Tensor, "batch head asked key"]) -> Tensor:
        images: Bool[Tensor, key] = torch.zeros(self.request.key_length, dtype=torch.bool)
        images[self.request.images[0]] = True
        return probabilities.masked_fill(images.to(probabilities.device), 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Bump:
    """Adds a vector to the residual stream of one position after one block."""

    layer: int
    position: int
    size: float

    @property
    def layers(self) -> LayerRange:
        return LayerRange(self.layer, self.layer)

    def __call__(self, resid_post: Float[Tensor, "batch seq d_model"], layer: int) -> Tensor:
        del layer
        edited = resid_post.clone()
        edited[:, self.position] += self.size * torch.linspace(
            -1, 1, edited.shape[-1], dtype=edited.dtype, device=edited.device
        )
        return edited


def _edit(subject: Subject, layer: int) -> Check:
    depths = (layer, layer + 1)
    before, unedited = subject.streams(depths)
    position = int(subject.single.layouts[0].image_positions[1])
    bump = _Bump(layer=layer, position=position, size=float(unedited[position].float().abs().max()))
    same, arrived = subject.streams(depths, bump)
    wanted = bump(unedited[None], layer)[0]
    return Check(
        measured=max(_largest(same - before), _largest(arrived - wanted)),
        tolerance=0,
        meaning="largest difference from the edited stream behind the block, or from the plain one before it",
    )


def _present(values: Tensor | None) -> Tensor:
    if values is None:
        raise ValueError("the pass recorded nothing")
    return values


def _possible(subject: Subject, logits: Float[Tensor, "vocab"] | None) -> Float[Tensor, "possible"]:
    """The logits of tokens that the model can say: Chameleon gives image codes the lowest number there is."""
    values = _present(logits)
    lowest = torch.finfo(getattr(torch, subject.lens.dtype)).min
    return values[values > lowest].double()


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())


def _relative(ours: Float[Tensor, "*any d"], reference: Float[Tensor, "*any d"]) -> float:
    """Largest |a - b| / |b| over vectors along the last dimension; 0 / 0 counts as no difference."""
    norm = torch.linalg.vector_norm
    error = norm(ours.double() - reference.double(), dim=-1)
    scale = norm(reference.double(), dim=-1)
    return float(torch.where(error == 0, error, error / scale).max())
