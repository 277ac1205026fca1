"""The answer before and after as bars of probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from scr_lens.figures.style import AFTER, BEFORE, SMALL_SIZE

if TYPE_CHECKING:
    from scr_lens.trace import YesNo

ANSWERS = ("yes", "no", "other")
_BAR = 0.36


def answer_probabilities(answer: YesNo) -> tuple[float, float, float]:
    """Split the probability of the next token.

    Args:
        answer: Measured answer.

    Returns:
        Probabilities of yes, of no and of every other token; they sum to 1.
    """
    return answer.p_yes, answer.p_no, max(0.0, 1.0 - answer.p_yes - answer.p_no)


def draw_answers(axes: Axes, before: YesNo, after: YesNo) -> None:
    """Draw the probabilities of yes, no and other as pairs of bars.

    Args:
        axes: Where to draw.
        before: Answer of the untouched model.
        after: Answer under the method.
    """
    rows = np.arange(len(ANSWERS))
    for offset, answer, color, label in (
        (-_BAR / 2, before, BEFORE, "before"),
        (_BAR / 2, after, AFTER, "after"),
    ):
        shares = answer_probabilities(answer)
        axes.barh(rows + offset, shares, height=_BAR, color=color, label=label)
        for row, share in zip(rows + offset, shares, strict=True):
            axes.text(share + 0.02, row, f"{share:.3f}", va="center", fontsize=SMALL_SIZE)
    axes.set_yticks(rows, ANSWERS)
    axes.set_ylim(len(ANSWERS) - 0.5, -0.5)
    axes.set_xlim(0, 1.22)
    axes.set_xticks([0, 0.5, 1])
    axes.set_xlabel("probability of the next token", x=0.41)
    axes.spines.bottom.set_bounds(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.set_title(_title(before.answer, after.answer))
    axes.legend(loc="upper center", bbox_to_anchor=(0.41, -0.2), ncols=2)


def _title(before: str, after: str) -> str:
    if before == after:
        return f"answer: {before}, unchanged"
    return f"answer: {before} \N{RIGHTWARDS ARROW} {after}"
