"""Inside the model and behind the errors: norm gain, Proposition, failure modes, flips, cost."""

import numpy as np

from scr_lens.analysis.conditions import (
    MissingEvidenceError,
    main_split,
    require_conditions,
    settings_by_condition,
)
from scr_lens.analysis.failures import failure_table
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.layer_gains import layer_gains
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.norm_gain import nominal_gain
from scr_lens.analysis.paired import Flips, flips
from scr_lens.analysis.proposition import peak_lower_bound
from scr_lens.analysis.records import of_condition, pair_conditions
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.errors import DataError
from scr_lens.evidence import Comparison, Evidence
from scr_lens.figures.paper.cost import timing
from scr_lens.paper import stated
from scr_lens.report.claim import Described
from scr_lens.report.claims.common import judged, needed
from scr_lens.report.claims.compared import how_to_measure

_Z = 1.959964


def norm_growth(evidence: Evidence) -> PredictionResult:
    """Growth of the total norm at the last layer that SCR acts on.

    Args:
        evidence: What is stored.

    Returns:
        Mean ratio minus 1, with the verdict of rule norm-gain.
    """
    gains, images = layer_gains(evidence.answers)
    last = evidence.early_layers[-1]
    found = mean_interval(gains[:, last] - 1, images)
    caveats = ["sum of norms over the image tokens; the paper leaves the aggregate open"]
    if evidence.scr_layers is None:
        caveats.append("the layer range is not recorded: the first half of the model is assumed")
    return judged("norm-gain", found, len(images), f"after layer {last}", caveats=caveats)


def nominal_growth(evidence: Evidence) -> Described:
    """Nominal gain of one application, from the measured number of neighbors per source.

    Args:
        evidence: What is stored.

    Returns:
        1 / lambda + m (lambda - 1), minus 1.
    """
    require_conditions(evidence.answers, "scr")
    rows = of_condition(evidence.answers, "scr").dropna(subset=["neighbors_per_source"])
    strength = float(settings_by_condition(evidence.answers)["scr"]["lambda"])
    found = mean_interval(rows["neighbors_per_source"].to_numpy(np.float64), rows["image_id"].tolist())
    mean, low, high = (nominal_gain(strength, m) - 1 for m in (found.estimate, found.low, found.high))
    interval = Interval(mean, low, high, found.se, found.n_images, found.method)
    how = f"lambda {strength:g}, {found.estimate:.2f} neighbors per source"
    return Described.of(interval, len(rows), how, "relative to the norm of one source, not of the image")


def peak_bound(evidence: Evidence) -> Described:
    """Sharp bound of the Proposition for the strength that was run.

    Args:
        evidence: What is stored.

    Returns:
        Smallest possible peak after one application, as a share of the peak before.
    """
    strength = float(settings_by_condition(evidence.answers).get("scr", {}).get("lambda", stated("lambda")))
    caveat = (
        f"computed, not measured; below 1 / lambda = {1 / strength:.4f}, so the statement fails as written"
    )
    return Described(estimate=peak_lower_bound(strength), how=f"lambda {strength:g}", caveats=(caveat,))


def failure_excess(evidence: Evidence, pattern: str) -> PredictionResult:
    """Do errors under SCR gather where a failure pattern is?

    Args:
        evidence: What is stored.
        pattern: "small", "edge" or "ambiguous".

    Returns:
        Error rate with the pattern minus without, with the verdict of rule failures.
    """
    boxes = needed(evidence.boxes, "the boxes of the objects")
    require_conditions(evidence.answers, "scr")
    rows = of_condition(main_split(evidence.answers), "scr")
    if pattern != "ambiguous":
        rows = rows[rows["label"] == "yes"].reset_index(drop=True)
    found = failure_table(rows, boxes).set_index("pattern").T[pattern]
    row = {str(name): float(value) for name, value in found.items()}
    low, high = row["excess_low"], row["excess_high"]
    if not np.isfinite(row["excess"]):
        raise DataError(f"pattern {pattern!r}: every question shows it or none does; no contrast is possible")
    interval = Interval(row["excess"], low, high, (high - low) / (2 * _Z), _images(rows), "linearized")
    asked = "present objects" if pattern != "ambiguous" else "all questions"
    how = (
        f"{int(row['n_errors'])} errors with it, {100 * row['share_of_errors']:.0f}% of all errors, against "
        f"{100 * row['share_of_questions']:.0f}% of the questions; {asked}"
    )
    return judged("failures", interval, len(rows), how, caveats=("the paper does not define the pattern",))


def changed(evidence: Evidence) -> Described:
    """Share of answers that SCR changes.

    Args:
        evidence: What is stored.

    Returns:
        The share with its interval.
    """
    found = _flips(evidence)
    return Described.of(found.share_changed, found.n_questions, f"{found.n_changed} of {found.n_questions}")


def corrections(evidence: Evidence) -> PredictionResult:
    """Share of corrections among the answers that turned right or wrong.

    Args:
        evidence: What is stored.

    Returns:
        The share with the verdict of rule flips.
    """
    found = _flips(evidence)
    if found.share_corrections is None:
        raise DataError("SCR turned no answer right or wrong; there is no share of corrections")
    how = f"{found.n_corrections} corrections, {found.n_new_errors} new errors"
    caveat = (
        f"McNemar p = {found.p_mcnemar:.3g} (questions independent), by image p = {found.p_clustered:.3g}"
    )
    return judged("flips", found.share_corrections, found.n_questions, how, caveats=(caveat,), threshold=0.5)


def cost(evidence: Evidence) -> Described:
    """Time of a question under SCR over that of the untouched model, every method alone.

    Args:
        evidence: What is stored.

    Returns:
        Median over questions of the paired ratio, diagnostic pass included: 2 where SCR costs one more pass.

    Raises:
        MissingEvidenceError: If fewer than 2 questions were timed under both.
    """
    before, after = (timing(evidence, name) for name in ("vanilla", "scr"))
    if not np.isfinite(after["ratio"]):
        raise MissingEvidenceError(
            "needs the times of vanilla and scr, each alone, which a run's own wall times are not: its "
            f"conditions share work; {how_to_measure(evidence)}"
        )
    how = (
        f"median of {after['n_questions']} paired ratios, quartiles {after['ratio_low']:.2f} to "
        f"{after['ratio_high']:.2f}; {before['alone_ms']:.1f} ms alone, SCR {after['added_ms']:.1f} ms more"
    )
    comparison = evidence.comparison
    is_its = comparison is not None and evidence.times is comparison.times
    caveats = (
        *((_timed_in(comparison),) if is_its and comparison is not None else ()),
        "on a small model the fixed cost of every call weighs more than on a large one",
        "the paper's milliseconds are an A100's and several lie under a computed floor (see the audit)",
    )
    n_timed = after["n_questions"]  # `scr-lens compare` times one question of each image
    return Described(estimate=after["ratio"], n_questions=n_timed, n_images=n_timed, how=how, caveats=caveats)


def _timed_in(comparison: Comparison) -> str:
    return f"timed in {comparison.name}, of the same revision, begun {comparison.begun}"


def _flips(evidence: Evidence) -> Flips:
    require_conditions(evidence.answers, "vanilla", "scr")
    return flips(pair_conditions(main_split(evidence.answers), "vanilla", "scr"))


def _images(rows: object) -> int:
    return int(rows["image_id"].nunique())  # type: ignore[index]
