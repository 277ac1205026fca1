"""OPERA's beam search: one candidate step, the beam bookkeeping and the retrospection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scr_lens.decoding.beam_reader import Peeked
from scr_lens.decoding.engine import Answer
from scr_lens.decoding.opera_scores import REMOVED, combine, penalties

if TYPE_CHECKING:
    from scr_lens.decoding.opera import Opera

WINDOW = 512
"""How many column winners per beam are remembered."""
EARLIEST = 10
"""Columns before this response position never cause a rollback."""
FAR_BEHIND = -1e9
"""Score of all beams but one at the start, when they are equal."""


class Reader(Protocol):
    """What the search needs of a model; `BeamReader` is the real one."""

    beams: int

    def start(self) -> Float[Tensor, "beam vocab"]:
        """Read the prompt."""

    def extend(self, origins: Int[Tensor, " beam"], tokens: Int[Tensor, " beam"]) -> tuple[Tensor, Tensor]:
        """Continue old beams by one token each."""

    def peek(self, candidates: Int[Tensor, "beam candidate"]) -> Peeked:
        """Attention of possible next tokens."""

    def rewind(self, ids: Int[Tensor, "beam token"], read: int) -> Float[Tensor, "beam vocab"]:
        """Return to earlier beams."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Beams:
    """Everything that a rollback restores.

    Attributes:
        ids: Response tokens of every beam.
        scores: Sum of log-scores of every beam.
        rows: Attention within the response, of every beam.
        leaders: Per beam, the columns that led so far.
        finished: Ended responses with their score per token.
    """

    ids: Int[Tensor, "beam token"]
    scores: Float[Tensor, " beam"]
    rows: Float[Tensor, "beam token token"]
    leaders: tuple[tuple[int, ...], ...]
    finished: tuple[tuple[float, tuple[int, ...]], ...] = ()


@dataclass(eq=False)
class _Position:
    """What was chosen at one response position, and how often a rollback came back to it."""

    chosen: set[tuple[int, int]] = field(default_factory=set)
    rollbacks: int = 0


class OperaSearch:
    """The search over one prompt.

    Args:
        reader: The model.
        settings: OPERA's settings.
        ends: End-of-sequence ids.

    Attributes:
        rollbacks: Response positions that retrospection returned to, in order.
    """

    def __init__(self, reader: Reader, settings: Opera, ends: frozenset[int]) -> None:
        self.reader = reader
        self.settings = settings
        self.ends = ends
        self.rollbacks: list[int] = []
        self._past: list[Beams] = []
        self._positions: dict[int, _Position] = {}

    def run(self, max_new_tokens: int) -> Answer:
        """Search until no running beam can beat the finished ones, or the limit is reached.

        Args:
            max_new_tokens: Most tokens of a response.

        Returns:
            The response with the best score per token.
        """
        logits = self.reader.start()
        beams, first, whole = self._initial(logits), None, False
        while True:
            scores, beams = (logits, beams) if whole else self._penalized(logits, beams)
            first = scores[0] if first is None else first
            target = None if whole else self._retrospection(beams)
            if target is not None:
                beams, logits, whole = self._roll_back(target, beams)
                continue
            del self._past[beams.ids.shape[1] :]
            self._past.append(beams)
            beams, origins, tokens = self._step(scores, beams, max_new_tokens)
            if self._is_done(beams, len(tokens)):
                best = max(beams.finished, key=lambda entry: entry[0])
                return Answer(best[1], _visible(first))
            logits, row = self.reader.extend(origins, tokens)
            beams, whole = replace(beams, rows=_grown(beams.rows, row)), False

    def _initial(self, logits: Float[Tensor, "beam vocab"]) -> Beams:
        count, device = self.reader.beams, logits.device
        scores = torch.full((count,), FAR_BEHIND, device=device)
        scores[0] = 0
        return Beams(
            ids=torch.empty(count, 0, dtype=torch.long, device=device),
            scores=scores,
            rows=torch.empty(count, 0, 0, device=device),
            leaders=((),) * count,
        )

    def _penalized(self, logits: Tensor, beams: Beams) -> tuple[Float[Tensor, "beam vocab"], Beams]:
        """The scores of one step, and the beams with the columns that led in it."""
        count = min(self.settings.candidates, logits.shape[-1])
        candidates = logits.topk(count, dim=-1).indices
        seen = self.reader.peek(candidates)
        rows = torch.stack([_grown(beams.rows, seen.rows[:, n]) for n in range(count)], dim=1)
        penalty, leading = penalties(rows, seen.image_mass, self.settings.sigma)
        if leading is not None:
            modes = [_mode(row) for row in leading.tolist()]
            kept = [(*old, new)[-WINDOW:] for old, new in zip(beams.leaders, modes, strict=True)]
            beams = replace(beams, leaders=tuple(kept))
        return combine(logits, candidates, penalty, self.settings.weight), beams

    def _retrospection(self, beams: Beams) -> int | None:
        """The response position to choose anew, if one column led too often in every beam."""
        if not beams.leaders[0]:
            return None
        leader = _mode([columns[-1] for columns in beams.leaders])
        often = all(columns.count(leader) > self.settings.threshold for columns in beams.leaders)
        if not often or leader < EARLIEST:
            return None
        for position in (leader + 1, leader):
            used = self._positions.get(position, _Position()).rollbacks
            if used < self.settings.candidates and position < len(self._past):
                return position
        return None

    def _roll_back(self, position: int, beams: Beams) -> tuple[Beams, Tensor, bool]:
        """Restore the beams at a position, with what was chosen there ruled out."""
        self.rollbacks.append(position)
        place = self._positions.setdefault(position, _Position())
        place.rollbacks += 1
        restored = self._past[position]
        logits = self.reader.rewind(restored.ids, beams.ids.shape[1]).clone()
        for beam, token in place.chosen:
            logits[beam, token] = REMOVED
        return restored, logits, True

    def _step(
        self, scores: Float[Tensor, "beam vocab"], beams: Beams, limit: int
    ) -> tuple[Beams, Int[Tensor, " beam"], Int[Tensor, " beam"]]:
        """Take the best continuations; those that end are finished if they are among the best."""
        count, vocab = scores.shape
        totals = (torch.log_softmax(scores, dim=-1) + beams.scores[:, None]).flatten()
        best = totals.topk(min(count * max(2, 1 + len(self.ends)), len(totals)))
        length = beams.ids.shape[1] + 1
        finished = list(beams.finished)
        running: list[tuple[float, int, int]] = []
        for rank, (total, index) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            beam, token = divmod(index, vocab)
            if token in self.ends or length == limit:
                if rank < count:
                    finished.append((total / length, (*beams.ids[beam].tolist(), token)))
            elif len(running) < count:
                running.append((total, beam, token))
        finished = sorted(finished, key=lambda entry: -entry[0])[:count]
        place = self._positions.setdefault(length - 1, _Position())
        place.chosen.update((beam, token) for _, beam, token in running)
        return self._moved(beams, running, tuple(finished))

    def _moved(
        self,
        beams: Beams,
        running: list[tuple[float, int, int]],
        finished: tuple[tuple[float, tuple[int, ...]], ...],
    ) -> tuple[Beams, Int[Tensor, " beam"], Int[Tensor, " beam"]]:
        device = beams.ids.device
        origins = torch.tensor([beam for _, beam, _ in running], dtype=torch.long, device=device)
        tokens = torch.tensor([token for _, _, token in running], dtype=torch.long, device=device)
        moved = Beams(
            ids=torch.cat([beams.ids[origins], tokens[:, None]], dim=1),
            scores=torch.tensor([total for total, _, _ in running], device=device),
            rows=beams.rows[origins],
            leaders=tuple(beams.leaders[beam] for _, beam, _ in running),
            finished=finished,
        )
        return moved, origins, tokens

    def _is_done(self, beams: Beams, n_running: int) -> bool:
        """Whether no beam goes on, or none that does can reach the finished ones any more."""
        if n_running == 0:
            return True
        if len(beams.finished) < self.reader.beams:
            return False
        best = float(beams.scores.max()) / beams.ids.shape[1]
        return best <= min(score for score, _ in beams.finished)


def _grown(rows: Float[Tensor, "beam n n"], row: Float[Tensor, "beam m"]) -> Float[Tensor, "beam m m"]:
    """A triangle of rows with one more row, one longer."""
    padded = torch.nn.functional.pad(rows, (0, 1))
    return torch.cat([padded, row[:, None].to(padded)], dim=1)


def _mode(values: list[int]) -> int:
    """The most frequent value; of equally frequent ones the first seen."""
    return Counter(values).most_common(1)[0][0]


def _visible(scores: Float[Tensor, " vocab"]) -> Float[Tensor, " vocab"]:
    """First-token scores with non-candidates removed."""
    values = scores.float().cpu()
    return values.masked_fill(values <= REMOVED, float("-inf"))
