"""How long each method takes for one question and for one caption, all measured in the same way.

The times that a run stores cannot be compared between methods: the untouched pass shares the picture between
its questions and doubles as SCR's diagnostic pass, and some methods share a forward between rows while others
cannot. Here every method answers alone, one sample at a time, from the prepared inputs to the last token,
through the same decode loop: image tower, diagnostic pass and all branches included, nothing reused.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from scr_lens.comparison import Baseline, treatment
from scr_lens.decoding import Decoder, decode, decode_yes_no
from scr_lens.decoding.vanilla import Vanilla
from scr_lens.interventions import Identity, Intervention
from scr_lens.pictures import read_image
from scr_lens.questions import Condition, Question
from scr_lens.store.atomic import write_bytes
from scr_lens.trace import Batch, CaptureSpec, Lens, PassRecord, Sample

ROUNDS = 3
"""Times that each method answers; the shortest time counts, since anything else on the machine only adds."""

_COLUMNS = ["task", "item", "condition", "ms", "n_tokens"]


def clock(
    lens: Lens,
    questions: Sequence[Question],
    conditions: Sequence[Condition],
    file: Path,
    *,
    max_new_tokens: int,
    progress: Callable[[int], object],
) -> pd.DataFrame:
    """Time every method on every question; a file that holds some already is gone on with.

    Args:
        lens: The model.
        questions: What to ask; those without a right answer are requests for a caption.
        conditions: Methods; the order in which they answer turns from question to question.
        file: CSV file of the times, written whole after every question.
        max_new_tokens: Most tokens of a caption.
        progress: Called with 1 after every question.

    Returns:
        Rows of task ("question" or "caption"), item, condition, ms and n_tokens (of a caption; 0 else).
    """
    known = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=_COLUMNS)
    rows = known.to_dict("records")
    done = set(zip(known["item"], known["condition"], strict=True))
    for number, question in enumerate(questions):
        item = f"{question.image_id} {question.text}"
        turned = [*conditions[number % len(conditions) :], *conditions[: number % len(conditions)]]
        pending = [condition for condition in turned if (item, condition.name) not in done]
        task = "question" if question.label else "caption"
        for name, seconds, n_tokens in _times(lens, question, pending, max_new_tokens):
            cells = (task, item, name, round(1e3 * seconds, 4), n_tokens)
            rows.append(dict(zip(_COLUMNS, cells, strict=True)))
        if pending:
            write_bytes(file, pd.DataFrame(rows, columns=_COLUMNS).to_csv(index=False).encode())
        progress(1)
    wanted = {condition.name for condition in conditions}
    table = pd.read_csv(io.BytesIO(file.read_bytes()))
    return table[table["condition"].isin(wanted)].reset_index(drop=True)


def _times(
    lens: Lens, question: Question, conditions: Sequence[Condition], max_new_tokens: int
) -> list[tuple[str, float, int]]:
    """Shortest time of every condition over the rounds, and the tokens of its caption."""
    batch = lens.prepare([Sample(read_image(question.image)[0], question=question.text)])
    limit = None if question.label else max_new_tokens
    found: dict[str, tuple[float, int]] = {}
    for _ in range(ROUNDS):
        for condition in conditions:
            started = time.perf_counter()
            n_tokens = answer_alone(lens, batch, condition, limit)
            seconds = time.perf_counter() - started
            found[condition.name] = min(found.get(condition.name, (seconds, n_tokens)), (seconds, n_tokens))
    return [(name, *values) for name, values in found.items()]


def answer_alone(lens: Lens, batch: Batch, condition: Condition, max_new_tokens: int | None) -> int:
    """Let a method answer with nothing known beforehand, as a user of that method alone would.

    Args:
        lens: The model.
        batch: One prepared sample, its image not encoded.
        condition: The method.
        max_new_tokens: Most tokens of a caption; None asks for yes or no.

    Returns:
        Tokens of the caption; 0 for yes or no.
    """
    edit = _edit(lens, batch, condition)
    decoder = condition.config if isinstance(condition.config, Decoder) else Vanilla()
    if max_new_tokens is None:
        decode_yes_no(lens, batch, decoder, intervention=edit)
        return 0
    return len(decode(lens, batch, decoder, max_new_tokens, intervention=edit)[0].token_ids)


def _edit(lens: Lens, batch: Batch, condition: Condition) -> Intervention:
    """The intervention of a condition, with a diagnostic pass of its own; none for a decoding method."""
    if isinstance(condition.config, Decoder):
        return Identity()
    empty = CaptureSpec(attention=None)
    unread = Baseline(lens, batch, (batch.prompts[0],), empty, PassRecord(samples=()))
    return treatment(unread, condition.method, condition.config)
