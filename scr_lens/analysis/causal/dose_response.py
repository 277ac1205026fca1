"""Dose and response: entropy is set from outside; does hallucination follow?

A *dose* is a number above 0 with 1 for no intervention (lambda of SCR, or the temperature of attention); its
logarithm x is 0 at no intervention and positive on the side meant to raise entropy. An *instrument* is a way
to set entropy. With change dH of a question's entropy and dp of its p(yes),

    effect of entropy = sum x dp / sum x dH      (the dose as instrument, all questions and doses pooled)

is the effect of entropy only if the dose acts on the answer through entropy alone. That cannot be seen from
one instrument; two instruments that move entropy alike but p(yes) differently refute it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.causal.dose_changes import KEY, NO_INSTRUMENT, dose_table, paired_changes
from scr_lens.analysis.causal.means import Mean, clustered_ratio
from scr_lens.analysis.causal.rules import conclude_causal
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.multiplicity import holm
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.power import ALPHA
from scr_lens.analysis.records import absent_questions, require_columns
from scr_lens.analysis.statistic import RATIO_DIFFERENCE
from scr_lens.analysis.verdict import PredictionResult, Verdict
from scr_lens.errors import DataError

LEAST_MOVE = 0.05
"""An instrument whose doses together move mean entropy by less than this many standard deviations between
questions, not beyond chance, or not in one direction, does not set it and says nothing about its effect."""
_CAVEATS = (
    "an effect of entropy only if the dose acts on the answer through this entropy alone (not testable with "
    "one instrument); without that assumption it is the effect of the dose, in units of entropy",
    "linear in the logarithm of the dose; look at the doses one by one before quoting it",
)


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """What setting entropy does to hallucination.

    Attributes:
        doses: Long table: instrument, dose, quantity ("entropy", "p_yes absent", "p_yes present",
            "hallucination_rate", "recall"), the paired change against no intervention (estimate, ci_low,
            ci_high, p_value, n_images, n_questions), p_holm over the doses of an instrument, and
            `baseline`, the value without intervention.
        slopes: Long table: instrument, quantity ("entropy per log dose", "p_yes absent per log dose",
            "p_yes present per log dose", "moved sd" (change of mean entropy from the lowest to the highest
            dose, in standard deviations between questions), and, for an instrument that moves this entropy:
            "effect per sd", "effect below 1", "effect above 1", "within dose per sd").
        findings: Rule "entropy effect" per instrument.
        overall: "supported" if at least two instruments move entropy, each has the effect and no two
            disagree; "not supported" if none has it or two disagree (it is then not entropy that acts);
            otherwise "inconclusive".
        reason: What decided `overall`.
        association: Change of p(yes) per standard deviation of entropy over questions without any
            intervention: what the observed link would predict.
        disagreement: Effect per sd of one instrument minus that of another, for every two that move entropy.
        sd: Standard deviation of entropy over questions about absent objects.
        entropy: The entropy these numbers are about.
    """

    doses: pd.DataFrame
    slopes: pd.DataFrame
    findings: tuple[PredictionResult, ...]
    overall: Verdict
    reason: str
    association: Mean
    disagreement: Mapping[str, Mean]
    sd: float
    entropy: str


def dose_response(frame: pd.DataFrame, *, entropy: str = "attention") -> DoseResponse:
    """Estimate the effect of entropy on p(yes) for absent objects, instrument by instrument.

    Args:
        frame: One row per question, instrument and dose: image_id, question, label, instrument ("none" for
            the untouched model), dose, answer, p_yes, entropy_<entropy>.
        entropy: "attention" or "norm".

    Returns:
        Tables, verdicts and the observed association, all clustered by image.

    Raises:
        DataError: If columns or the untouched rows are missing, or entropy does not vary.
    """
    column = f"entropy_{entropy}"
    require_columns(frame, [*KEY, "label", "instrument", "dose", "answer", "p_yes", column])
    changes = paired_changes(frame, column)
    baseline = absent_questions(frame[frame["instrument"] == NO_INSTRUMENT])
    sd = float(baseline[column].std())
    if not sd > 0:
        raise DataError(f"{column} is the same for every question: expected it to vary; check the records")
    absent = changes[changes["label"] == "no"]
    groups = {str(name): part for name, part in absent.groupby("instrument", sort=False)}
    moving = {name: part for name, part in groups.items() if _moves(part, sd)}
    notes = {str(name): _on_present(part, sd) for name, part in changes.groupby("instrument", sort=False)}
    findings = tuple(_finding(name, part, sd, entropy, notes[name]) for name, part in groups.items())
    disagreement = _disagreement(moving, sd)
    overall, reason = _overall([f for f in findings if not np.isnan(f.estimate)], disagreement)
    return DoseResponse(
        doses=dose_table(changes),
        slopes=pd.concat(
            [_slopes(str(n), p, sd) for n, p in changes.groupby("instrument", sort=False)]
        ).reset_index(drop=True),
        findings=findings,
        overall=overall,
        reason=reason,
        association=_association(baseline, column, sd),
        disagreement=disagreement,
        sd=sd,
        entropy=entropy,
    )


def _effect(part: pd.DataFrame, sd: float) -> Mean:
    """Effect of one standard deviation of entropy with the dose as the instrument."""
    x = part["x"].to_numpy()
    return clustered_ratio(x * part["d_p_yes"] * sd, x * part["d_entropy"], part["image_id"].tolist())


def _slope(part: pd.DataFrame, column: str) -> Mean:
    x = part["x"].to_numpy()
    return clustered_ratio(x * part[column], x * x, part["image_id"].tolist())


def _moved(part: pd.DataFrame, sd: float) -> Mean:
    """Change of mean entropy from the lowest to the highest dose, in standard deviations."""
    x = part["x"].to_numpy()
    span = np.ptp([*x, 0.0]) / sd
    return clustered_ratio(span * x * part["d_entropy"], x * x, part["image_id"].tolist())


def _moves(part: pd.DataFrame, sd: float) -> bool:
    return _why_not(part, sd) == ""


def _why_not(part: pd.DataFrame, sd: float) -> str:
    """Why the doses are no instrument for this entropy; empty if they are one."""
    moved = _moved(part, sd).interval
    if abs(moved.estimate) < LEAST_MOVE or moved.contains(0.0):
        return f"its doses move this entropy by {moved.estimate:.2g} standard deviations"
    sides = [side for side in (part[part["x"] < 0], part[part["x"] > 0]) if len(side)]
    if min(np.sign(moved.estimate) * _moved(side, sd).interval.estimate for side in sides) <= 0:
        return "doses below and above 1 move this entropy the same way, so it does not follow the dose"
    return ""


def _within(part: pd.DataFrame, sd: float) -> Mean:
    """Among questions given one dose: does p(yes) fall more where entropy rose more?"""
    centered = part[["d_entropy", "d_p_yes"]] - part.groupby("dose")[["d_entropy", "d_p_yes"]].transform(
        "mean"
    )
    h, p = (centered[name].to_numpy() for name in ("d_entropy", "d_p_yes"))
    return clustered_ratio(sd * h * p, h * h, part["image_id"].tolist())


def _slopes(instrument: str, part: pd.DataFrame, sd: float) -> pd.DataFrame:
    absent, present = (part[part["label"] == label] for label in ("no", "yes"))
    found = {
        "entropy per log dose": _slope(absent, "d_entropy"),
        "moved sd": _moved(absent, sd),
        "p_yes absent per log dose": _slope(absent, "d_p_yes"),
    }
    if present["image_id"].nunique() >= 2:
        found["p_yes present per log dose"] = _slope(present, "d_p_yes")
    if _moves(absent, sd):
        sides = {"effect below 1": absent[absent["x"] < 0], "effect above 1": absent[absent["x"] > 0]}
        found |= {"effect per sd": _effect(absent, sd), "within dose per sd": _within(absent, sd)}
        found |= {name: _effect(side, sd) for name, side in sides.items() if len(side) and _moves(side, sd)}
    return pd.DataFrame(
        [{"instrument": instrument, "quantity": name} | mean.to_row() for name, mean in found.items()]
    )


def _on_present(part: pd.DataFrame, sd: float) -> tuple[str, ...]:
    """What the same doses do to present objects: a model that sees less says no more often, too."""
    present = part[part["label"] == "yes"]
    if present["image_id"].nunique() < 2 or not _moves(present, sd):
        return ()
    effect = _effect(present, sd).interval
    ends = f"{effect.estimate:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}]"
    return (
        f"on present objects the same doses change p(yes) by {ends} per sd: compare before calling it help",
    )


def _finding(
    instrument: str, part: pd.DataFrame, sd: float, entropy: str, notes: tuple[str, ...]
) -> PredictionResult:
    moved, n_questions = _moved(part, sd).interval, len(part.drop_duplicates(KEY))
    estimator = f"{instrument} as instrument, {entropy} entropy"
    if not _moves(part, sd):
        nothing = Interval(np.nan, np.nan, np.nan, np.nan, moved.n_images, "none")
        note = f"no instrument for this entropy: {_why_not(part, sd)}"
        return conclude_causal(
            "entropy effect", nothing, 1.0, n_questions, estimator=estimator, caveats=(note,)
        )
    effect = _effect(part, sd)
    note = (
        f"the doses move mean entropy by {moved.estimate:.2f} standard deviations; an effect per one is an "
        "extrapolation where that is less"
    )
    return conclude_causal(
        "entropy effect",
        effect.interval,
        effect.p_value,
        n_questions,
        estimator=estimator,
        caveats=(note, *notes, *_CAVEATS),
    )


def _overall(findings: Sequence[PredictionResult], disagreement: Mapping[str, Mean]) -> tuple[Verdict, str]:
    """What the instruments say together."""
    verdicts = {finding.verdict for finding in findings}
    if not findings:
        return "inconclusive", "no instrument moves this entropy"
    if verdicts == {"not supported"}:
        return "not supported", "no instrument that moves this entropy has the effect"
    adjusted = holm([mean.p_value for mean in disagreement.values()])
    apart = [
        name
        for (name, mean), p in zip(disagreement.items(), adjusted, strict=True)
        if p <= ALPHA and not mean.interval.contains(0.0)
    ]
    if apart:
        return (
            "not supported",
            f"instruments that move it do not have one effect: {', '.join(apart)}",
        )
    if len(findings) > 1 and verdicts == {"supported"}:
        return "supported", f"{len(findings)} instruments have the effect and do not disagree"
    if len(findings) == 1:
        return "inconclusive", "one instrument alone cannot tell entropy from whatever else it changes"
    return "inconclusive", "the instruments neither agree on an effect nor exclude one"


def _association(baseline: pd.DataFrame, column: str, sd: float) -> Mean:
    h, p = (baseline[name] - baseline[name].mean() for name in (column, "p_yes"))
    return clustered_ratio(sd * (h * p).to_numpy(), (h * h).to_numpy(), baseline["image_id"].tolist())


def _disagreement(groups: Mapping[str, pd.DataFrame], sd: float) -> dict[str, Mean]:
    """Difference of every two instruments' effects, with the images of both as clusters."""
    pairs = combinations(groups.items(), 2)
    return {f"{one} minus {two}": _difference(a, b, sd) for (one, a), (two, b) in pairs}


def _difference(first: pd.DataFrame, second: pd.DataFrame, sd: float) -> Mean:
    both = pd.concat([first.assign(_side=0.0), second.assign(_side=1.0)])
    x, side = both["x"].to_numpy(), both["_side"].to_numpy()
    p, h = sd * x * both["d_p_yes"].to_numpy(), x * both["d_entropy"].to_numpy()
    terms = np.stack([(1 - side) * p, (1 - side) * h, side * p, side * h], axis=-1)
    totals = image_totals(terms, both["image_id"].tolist())
    interval = cluster_interval(totals, RATIO_DIFFERENCE)
    gradient = RATIO_DIFFERENCE.gradient(totals.sum(axis=0))
    scores = (totals - totals.mean(axis=0)) @ gradient + interval.estimate / len(totals)
    return Mean(interval, sign_flip_test(scores), len(both))
