"""P4: is the gain an inverted U in lambda?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Num

from scr_lens.analysis.interval import Interval
from scr_lens.analysis.power import POWER, detectable_effect
from scr_lens.analysis.two_lines import Line, TwoLines, two_lines
from scr_lens.analysis.unchanged import widened
from scr_lens.analysis.verdict import PredictionResult, conclude

_CAVEATS = (
    "the breakpoint is chosen on the same data; the two-lines test keeps its level in simulation",
    "depends on the range of lambda: a grid that ends before the fall cannot show an inverted U",
)


def inverted_u(
    levels: Sequence[float],
    gains: Num[np.ndarray, "question level"],
    image_ids: Sequence[object],
    *,
    paper_value: float | None = None,
) -> PredictionResult:
    """Test P4 with the two-lines test.

    Args:
        levels: Increasing values of lambda, at least 5.
        gains: False yes at baseline minus false yes under SCR, per absent-object question and lambda.
        image_ids: Image of each question.
        paper_value: The paper gives no number for it.

    Returns:
        The smaller of the rise before and the fall after the breakpoint (rate), with rule P4's verdict.

    Raises:
        DataError: If there are fewer than 5 levels or 2 images.

    Source: SCR paper, Sec. 5.5 (P4); Simonsohn (2018).
    """
    return conclude_inverted_u(two_lines(levels, gains, image_ids), len(gains), paper_value=paper_value)


def conclude_inverted_u(
    lines: TwoLines, n_questions: int, *, paper_value: float | None = None
) -> PredictionResult:
    """Turn a two-lines result into a verdict.

    Args:
        lines: The result of the test.
        n_questions: Number of questions behind it.
        paper_value: The paper's number, if any.

    Returns:
        The verdict of rule P4 on the weaker line; the detectable effect asks both lines to be found together.
    """
    lines = replace(lines, before=_widened(lines.before, lines), after=_widened(lines.after, lines))
    error = max(lines.before.se, lines.after.se)
    return conclude(
        "P4",
        interval=lines.weaker(),
        p_value=lines.p_value,
        size=(lines.n_images, n_questions),
        estimator=f"two lines, Robin Hood breakpoint at lambda {lines.breakpoint:.3g}",
        detectable_effect=detectable_effect(error, lines.n_images, power=POWER**0.5),
        paper_value=paper_value,
        caveats=_CAVEATS,
    )


def _widened(line: Line, lines: TwoLines) -> Line:
    """A line on which no image changed at any level is not known to be flat."""
    if line.se > 0 or line.rise != 0:
        return line
    flat = widened(Interval(0.0, 0.0, 0.0, 0.0, lines.n_images, "degenerate"))
    return replace(line, se=flat.se, low=flat.low, high=flat.high)
