"""Does low credit entropy go with hallucination? Every question, rates by quantile, and the correlation."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scr_lens.analysis.predictions.entropy_hallucination import entropy_hallucination
from scr_lens.analysis.records import absent_questions, normalized_entropy, of_condition, said_yes
from scr_lens.analysis.strata import rates_by_stratum
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.figures.style import (
    ALERT,
    BODY_SIZE,
    INK,
    MINUS,
    MUTED,
    finish,
    house_style,
    new_figure,
)

Estimator = Literal["attention", "norm"]

_GOLDEN = (np.sqrt(5) - 1) / 2
_STRIP = 0.36
_AXIS_NAMES = {
    "attention": "normalized entropy of the attention map A",
    "norm": "normalized entropy of the patch norms, mean over layers",
}


@dataclass(frozen=True, eq=False)
class EntropyRecords:
    """Questions about absent objects with their entropy.

    Attributes:
        entropy: Normalized entropy per question, in [0, 1].
        false_yes: 1 for a hallucination, 0 for any other answer.
        image_ids: Image of each question.
        estimator: Credit behind the entropy.
    """

    entropy: Float[np.ndarray, "question"]
    false_yes: Float[np.ndarray, "question"]
    image_ids: tuple[object, ...]
    estimator: Estimator


def entropy_records(
    frame: pd.DataFrame, estimator: Estimator = "attention", *, condition: str = "vanilla"
) -> EntropyRecords:
    """Read entropy and outcome of the questions about absent objects.

    Args:
        frame: Records of one model.
        estimator: "attention" (entropy of map A) or "norm" (mean over layers).
        condition: Condition to use.

    Returns:
        One entry per usable question whose right answer is no.

    Raises:
        DataError: If the condition or the entropy is not stored, or there is no such question.
    """
    rows = absent_questions(of_condition(frame, condition))
    images = tuple(rows["image_id"].tolist())
    return EntropyRecords(normalized_entropy(rows, estimator), said_yes(rows), images, estimator)


def entropy_bins(records: EntropyRecords, n_bins: int = 4) -> pd.DataFrame:
    """Hallucination rate per quantile of entropy.

    Args:
        records: Questions.
        n_bins: Number of quantile bins.

    Returns:
        Table of `analysis.strata.rates_by_stratum`, intervals clustered by image.

    Raises:
        DataError: If ties leave a bin empty or a bin has fewer than 2 images.
    """
    return rates_by_stratum(records.entropy, records.false_yes, records.image_ids, n_strata=n_bins)


@house_style()
def entropy_figure(
    frame: pd.DataFrame,
    estimator: Estimator = "attention",
    *,
    condition: str = "vanilla",
    n_bins: int = 4,
) -> Figure:
    """Draw credit entropy against hallucination, question by question and in quantile bins.

    Args:
        frame: Records of one model.
        estimator: "attention" (entropy of map A) or "norm" (mean over layers).
        condition: Condition to use.
        n_bins: Number of quantile bins.

    Returns:
        Above, every question about an absent object at its entropy, false yes apart from the rest, with
        quartiles; below, the rate of false yes per bin with image-clustered 95% intervals. Both share the x
        axis; the title line holds r with its interval and the numbers of images and questions.

    Raises:
        DataError: If the records do not allow a correlation or the bins.
    """
    records = entropy_records(frame, estimator, condition=condition)
    figure = new_figure(4.8, 4.2)
    questions, rates = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.35])
    _draw_questions(questions, records)
    _draw_rates(rates, records, entropy_bins(records, n_bins))
    rates.xaxis.set_major_locator(MaxNLocator(nbins=6))
    rates.set_xlabel(_AXIS_NAMES[estimator])
    figure.suptitle(headline(records, estimator), fontsize=BODY_SIZE, x=0.01, ha="left")
    return finish(figure)


def headline(records: EntropyRecords, estimator: Estimator) -> str:
    """The correlation as text, or why there is none.

    Args:
        records: What the figure shows.
        estimator: Whose entropy it is.

    Returns:
        Two lines of text; a model that answers every question about absent objects alike has no correlation.
    """
    if np.ptp(records.false_yes) == 0:
        which = "a false yes" if records.false_yes[0] else "free of false yes"
        counts = f"{len(set(records.image_ids)):,} images, {len(records.image_ids):,} questions"
        return f"no correlation: every answer is {which}\n{counts} about absent objects"
    return correlation_text(
        entropy_hallucination(records.entropy, records.false_yes, records.image_ids, estimator=estimator)
    )


def correlation_text(result: PredictionResult) -> str:
    """Say r with its interval and what is behind it.

    Args:
        result: Result of P1.

    Returns:
        Two lines of text.
    """
    numbers = f"r = {result.estimate:.3f} [{result.ci_low:.3f}, {result.ci_high:.3f}]"
    return (
        f"{numbers.replace('-', MINUS)} per question, 95% interval clustered by image\n"
        f"{result.n_images:,} images, {result.n_questions:,} questions about absent objects"
    )


def jitter(n_points: int) -> Float[np.ndarray, "point"]:
    """Spread points evenly without a random generator.

    Args:
        n_points: Number of points.

    Returns:
        Offsets in (-0.5, 0.5), a golden-ratio sequence: the same for the same number of points.
    """
    offsets: np.ndarray = (np.arange(1, n_points + 1) * _GOLDEN) % 1.0 - 0.5
    return offsets


def _draw_questions(axes: Axes, records: EntropyRecords) -> None:
    for place, hit, color, label in ((1, 1.0, ALERT, "false yes"), (0, 0.0, MUTED, "no, or neither")):
        x = np.sort(records.entropy[records.false_yes == hit])
        y = place + 2 * _STRIP * jitter(len(x))
        alpha = float(np.clip(300 / max(len(x), 1), 0.2, 0.7))
        axes.scatter(x, y, s=5, color=color, alpha=alpha, linewidths=0, rasterized=True, label=label)
        _draw_quartiles(axes, x, place)
    counts = [int((records.false_yes == hit).sum()) for hit in (0.0, 1.0)]
    labels = [f"no, or neither\n(n = {counts[0]:,})", f"false yes\n(n = {counts[1]:,})"]
    axes.set_yticks([0, 1], labels)
    axes.set_ylim(-0.6, 1.6)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=False)
    axes.set_title("every question (bar: median and quartiles)")


def _draw_quartiles(axes: Axes, x: Float[np.ndarray, "question"], place: float) -> None:
    if len(x) == 0:
        return
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
    axes.plot([low, high], [place, place], color=INK, linewidth=2.4, solid_capstyle="butt", zorder=3)
    axes.plot([middle], [place], marker="o", markersize=4.5, color="white", markeredgecolor=INK, zorder=4)


def _draw_rates(axes: Axes, records: EntropyRecords, bins: pd.DataFrame) -> None:
    x, y = bins["predictor_mean"].to_numpy(), 100 * bins["estimate"].to_numpy()
    low, high = 100 * bins["ci_low"].to_numpy(), 100 * bins["ci_high"].to_numpy()
    axes.axhline(
        100 * records.false_yes.mean(), color=MUTED, linewidth=0.8, linestyle=":", label="all questions"
    )
    axes.hlines(y, bins["low_edge"], bins["high_edge"], colors=ALERT, linewidth=0.8, alpha=0.6)
    axes.errorbar(x, y, yerr=np.stack([y - low, high - y]).clip(min=0), fmt="o", color=ALERT, markersize=4.5)
    axes.set_ylim(0, 1.15 * float(high.max()))
    axes.set_ylabel("hallucination rate (%)")
    axes.set_title(f"rate in {len(bins)} quantile bins of {_sizes(bins)} questions (bar: width of the bin)")
    axes.legend(loc="best")


def _sizes(bins: pd.DataFrame) -> str:
    """Questions of a bin, or from the smallest to the largest."""
    low, high = int(bins["n_questions"].min()), int(bins["n_questions"].max())
    return f"{low:,}" if low == high else f"{low:,}\N{EN DASH}{high:,}"
