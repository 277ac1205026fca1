"""VLI: states are steered by the difference between a picture of the anchor alone and one without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scr_lens.config import DiagnosticConfig, LayerRange
from scr_lens.decoding.branch import Branch
from scr_lens.decoding.contrast import jensen_shannon
from scr_lens.decoding.engine import Scorer
from scr_lens.decoding.hooks import adding_to_last_states, reading_last_states, reading_rows
from scr_lens.decoding.method import Context, StepDecoder, Traits
from scr_lens.decoding.object_mask import heaviest
from scr_lens.decoding.pixels import Picture, pictures, with_pictures
from scr_lens.errors import ConfigError

Heads = tuple[tuple[int, int], ...]


def steer(
    state: Float[Tensor, "batch d"],
    anchor: Float[Tensor, "batch d"],
    rest: Float[Tensor, "batch d"],
    alpha: float,
) -> Float[Tensor, "batch d"]:
    """The steered state of one block: h <- h + alpha (h_anchor - h_rest)."""
    return state + alpha * (anchor - rest)


def temperature(local: Float[Tensor, " batch"], overall: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """How much to flatten the scores: 1 + max(0, 1 - local / overall).

    Args:
        local: JSD between the pictures of the anchor alone and without it.
        overall: JSD between the picture and the blank one, above 0.

    Returns:
        1 where the anchor explains the answer, towards 2 where it does not.
    """
    return 1 + (1 - local / overall).clamp(min=0)


def combine(
    logits: Float[Tensor, "batch vocab"], flatten: Float[Tensor, " batch"]
) -> Float[Tensor, "batch vocab"]:
    """VLI's scores: the steered logits over the temperature; greedy decoding does not notice the latter."""
    return logits / flatten[:, None]


def expert_heads(
    attention: Float[Tensor, "sample layer head patch"],
    regions: Bool[Tensor, "sample patch"],
    share: float = 0.05,
) -> Heads:
    """The heads that look at the right place, found on pictures whose regions are known.

    Args:
        attention: Attention of the answering position to every patch.
        regions: True inside the region of the object asked for.
        share: Share of all heads to keep; at least one is kept.

    Returns:
        (block, head) pairs, by share of their image attention inside the region, the best first.

    Source: VLI; the share is our choice.
    """
    inside = (attention * regions[:, None, None]).sum(-1) / attention.sum(-1).clamp_min(1e-12)
    scores = inside.mean(0)
    order = torch.sort(scores.flatten(), descending=True, stable=True).indices
    n_heads = scores.shape[1]
    return tuple((int(i) // n_heads, int(i) % n_heads) for i in order[: max(1, round(share * len(order)))])


@dataclass(frozen=True, kw_only=True)
class Vli(StepDecoder):
    """VLI (Liu et al., ACL 2026), a re-implementation from secondary sources; no code was found.

    From those: risk = JSD of the answer with and without the picture; above a threshold, the smallest patch
    set with 0.4 of the attention is the anchor; two counterfactual pictures, the anchor alone and the rest
    alone; h <- h + alpha (h_anchor - h_rest) at every block, 0 < alpha < 1; a temperature in [1, 2] from the
    two conflicts. Our choice: blank and covered parts take the picture's mean color (the paper uses an
    inpainting network); theta 0.1 nats and alpha 0.3; only the last position is steered; the trigger is
    checked at every token until it fires, then anchor and temperature stay; without calibrated expert heads
    (`expert_heads`) all heads of the diagnostic blocks (L/4 to L/2) count.

    Args:
        alpha: Strength of the steering.
        theta: Risk, in nats, above which the answer is steered.
        rho: Share of the attention that makes the anchor.
        heads: Expert heads as (block, head) pairs.

    Raises:
        ConfigError: If a setting is out of range.
    """

    name: ClassVar[str] = "vli"
    description: ClassVar[str] = "steer hidden states by two counterfactual pictures"
    traits: ClassVar[Traits] = Traits(
        prefills="2 without a trigger, 4 with it",
        forwards_per_token="2 before the trigger, 3 after it (the trigger reads one token again)",
        caches="2 without a trigger, 4 with it",
        attention="expert blocks, last query",
        extra="up to 3 further image tower passes",
        batched=False,
        fidelity="secondary sources",
    )

    alpha: float = 0.3
    theta: float = 0.1
    rho: float = 0.4
    heads: Heads | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1:
            raise ConfigError(f"vli: alpha is {self.alpha}; give a number in [0, 1), 0 switches steering off")
        if not self.theta >= 0 or not 0 < self.rho <= 1:
            raise ConfigError(
                f"vli: theta is {self.theta} and rho is {self.rho}; give theta of at least "
                "0 nats and rho in (0, 1]"
            )
        if self.heads == ():
            raise ConfigError("vli: heads is empty; name at least one (block, head) pair, or leave it out")

    def start(self, context: Context) -> Scorer:
        """The steered branch and its counterfactuals."""
        return _Steered(context, self)


class _Steered:
    """Scores of one row: undisturbed until the risk exceeds the threshold, steered from then on."""

    def __init__(self, context: Context, settings: Vli) -> None:
        self.context = context
        self.settings = settings
        self.picture = pictures(context.lens, context.batch)[0]
        self.attention: dict[int, Float[Tensor, "head key"]] = {}
        self.anchor = _Counterfactual(context)
        self.rest = _Counterfactual(context)
        self.cells = torch.zeros(self.picture.grid.size, dtype=torch.bool)
        self.steering = False
        self.flatten = torch.ones(1, device=context.lens.device)
        self.read: list[Int[Tensor, " batch"]] = []
        self.main = context.main_branch(
            reading_rows(context.lens, self._blocks(), self._keep_rows),
            adding_to_last_states(context.lens, self._addition),
        )
        everything = torch.ones(self.picture.grid.size, dtype=torch.bool)
        self.blank = self._branch(self.picture.filled(everything))

    def scores(self, tokens: Int[Tensor, " batch"] | None) -> Float[Tensor, "batch vocab"]:
        if tokens is not None:
            self.read.append(tokens)
        if self.steering:
            self.anchor.advance(tokens)
            self.rest.advance(tokens)
            return combine(self.main.advance(tokens), self.flatten)
        logits = self.main.advance(tokens)
        risk = jensen_shannon(logits, self.blank.advance(tokens))
        return logits if float(risk) <= self.settings.theta else self._trigger(risk)

    def _trigger(self, risk: Float[Tensor, " batch"]) -> Float[Tensor, "batch vocab"]:
        """Find the anchor, let both counterfactuals catch up, and read the last token again, steered."""
        self.cells = self._anchor_cells()
        self.anchor.start(self.picture.filled(~self.cells), self.read)
        self.rest.start(self.picture.filled(self.cells), self.read)
        self.steering = True
        self.flatten = temperature(jensen_shannon(self.anchor.logits, self.rest.logits), risk)
        return combine(self.main.again(), self.flatten)

    def _anchor_cells(self) -> Bool[Tensor, " patch"]:
        """The smallest patch set that holds rho of the expert heads' attention from the last position."""
        positions = self.context.batch.layouts[0].image_positions
        maps = [
            self.attention[layer][head, positions]
            if head is not None
            else self.attention[layer][:, positions].mean(0)
            for layer, head in self._experts()
        ]
        return heaviest(torch.stack(maps).mean(0).cpu(), self.settings.rho)

    def _experts(self) -> tuple[tuple[int, int | None], ...]:
        if self.settings.heads is not None:
            return self.settings.heads
        return tuple((layer, None) for layer in self._blocks().layers)

    def _blocks(self) -> LayerRange:
        n_layers = self.context.lens.n_layers
        if self.settings.heads is None:
            return DiagnosticConfig().resolved_layers(n_layers)
        layers = [layer for layer, _ in self.settings.heads]
        return LayerRange(min(layers), max(layers)).within(n_layers)

    def _keep_rows(self, layer: int, rows: Float[Tensor, "batch head query key"]) -> None:
        self.attention[layer] = rows[0, :, -1]

    def _addition(self, layer: int) -> Float[Tensor, "batch d"] | None:
        if not self.steering:
            return None
        anchor, rest = self.anchor.states[layer + 1], self.rest.states[layer + 1]
        return steer(torch.zeros_like(anchor), anchor, rest, self.settings.alpha)

    def _branch(self, picture: Picture) -> Branch:
        context = self.context
        return Branch(context.lens, with_pictures(context.lens, context.batch, [picture]))


class _Counterfactual:
    """A branch on another picture that remembers the last position's states."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.states: dict[int, Float[Tensor, "batch d"]] = {}
        self.logits: Float[Tensor, "batch vocab"] = torch.empty(0)
        self.advance: Callable[[Int[Tensor, " batch"] | None], Tensor] = lambda _tokens: self.logits

    def start(self, picture: Picture, read: list[Int[Tensor, " batch"]]) -> None:
        """Read the prompt with the picture and every token chosen so far."""
        inputs = with_pictures(self.context.lens, self.context.batch, [picture])
        branch = Branch(
            self.context.lens, inputs, reading_last_states(self.context.lens, self.states.__setitem__)
        )
        for tokens in (None, *read):
            self.logits = branch.advance(tokens)
        self.advance = branch.advance
