"""Ablations (a)-(d) of the paper and the controls that it lacks."""

from typing import Any

import numpy as np

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.conditions import (
    REFERENCE,
    MissingEvidenceError,
    common_questions,
    condition_names,
    main_split,
    require_conditions,
    variants,
)
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.rate_reduction import gain_of
from scr_lens.analysis.records import absent_questions, normalized_entropy, of_condition, pair_conditions
from scr_lens.analysis.unchanged import widened
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.evidence import Evidence
from scr_lens.report.claim import Described
from scr_lens.report.claims.common import contrast, judged

SETTINGS = {
    "lambda": "strength",
    "n_sources": "number of sources",
    "layers": "layer range",
    "schedule": "schedule",
}
"""Settings whose best value the paper states, by their name in the store."""


def topology(evidence: Evidence, name: str) -> PredictionResult:
    """Ablation (b): another neighborhood against the 8-connected one.

    Args:
        evidence: What is stored.
        name: Topology, such as "4".

    Returns:
        HR under the other topology minus HR under SCR, with the verdict of rule topology.

    Raises:
        MissingEvidenceError: If the topology was not run.
    """
    return contrast(evidence.every_condition, "topology", variant(evidence, "topology", name), REFERENCE)


def scrambled(evidence: Evidence) -> PredictionResult:
    """Control: neighbors drawn at random, far from their source.

    Args:
        evidence: What is stored.

    Returns:
        HR under scrambled neighbors minus HR under SCR, with the verdict of rule signal.
    """
    return contrast(evidence.every_condition, "signal", scrambled_condition(evidence), REFERENCE)


def scrambled_condition(evidence: Evidence) -> str:
    """The condition with scrambled neighbors, whether run as a topology or as a method of its own."""
    names = condition_names(evidence.every_condition)
    return "scrambled" if "scrambled" in names else variant(evidence, "topology", "scrambled")


def control(evidence: Evidence, name: str) -> PredictionResult:
    """Ablation (c) and controls: SCR against a content-free copy.

    Args:
        evidence: What is stored.
        name: Condition of the control, such as "gaussian-noise".

    Returns:
        HR under the control minus HR under SCR, with the verdict of rule signal.
    """
    return contrast(evidence.every_condition, "signal", name, REFERENCE)


def noise_harm(evidence: Evidence) -> PredictionResult:
    """Ablation (c): does noise of equal norm raise the hallucination rate?

    Args:
        evidence: What is stored.

    Returns:
        HR under noise minus HR of the untouched model, with the verdict of rule noise.
    """
    return contrast(evidence.every_condition, "noise", "gaussian-noise", "vanilla")


def entropy_change(evidence: Evidence, name: str) -> Described:
    """Change of the attention entropy by a condition, in nats.

    Args:
        evidence: What is stored.
        name: The condition.

    Returns:
        Mean over questions with its interval.
    """
    require_conditions(evidence.every_condition, "vanilla", name)
    key = ["image_id", "question"]
    frame = main_split(evidence.every_condition)
    before, after = (of_condition(frame, condition) for condition in ("vanilla", name))
    rows = before.merge(after, on=key, suffixes=("", "_after"), validate="one_to_one")
    change = (rows["entropy_attention_nats_after"] - rows["entropy_attention_nats"]).to_numpy(np.float64)
    mean = mean_interval(change, rows["image_id"].tolist())
    level = float((before["entropy_attention_nats"]).mean())
    share = float(normalized_entropy(before).mean())
    how = f"{name} minus vanilla; vanilla {level:.2f} nats, {share:.3f} of ln N"
    return Described.of(mean, len(rows), how, "entropy of the diagnostic attention map")


def heads(evidence: Evidence) -> PredictionResult | Described:
    """Ablation (d): a fifth of the heads against all.

    Args:
        evidence: What is stored.

    Returns:
        Reduction with 20% of the heads minus 0.95 times the reduction with all, with the verdict of rule
        heads; only described when SCR itself shows no reduction, since there is then no benefit to keep.
    """
    few = variant(evidence, "diagnostic.head_share", 0.2)
    frame = common_questions(main_split(evidence.every_condition), ["vanilla", REFERENCE, few])
    rows = absent_questions(pair_conditions(frame, "vanilla", REFERENCE))
    whole = gain_of(rows)
    part = gain_of(absent_questions(pair_conditions(frame, "vanilla", few)))
    images = rows["image_id"].tolist()
    kept, how = mean_interval(part - 0.95 * whole, images), f"{few} against {REFERENCE}"
    if mean_interval(whole, images).low <= 0:
        caveat = "no verdict: SCR shows no clear reduction on these questions, so there is no benefit to keep"
        return Described.of(widened(kept), len(rows), how, caveat)
    caveat = "the rule allows a loss of 1 point"
    return judged("heads", kept, len(rows), how, caveats=(caveat,), threshold=-0.01)


def optimum(evidence: Evidence, setting: str) -> PredictionResult:
    """Ablation (d): is the paper's value of a setting the best one tested?

    Args:
        evidence: What is stored.
        setting: One of `SETTINGS`.

    Returns:
        HR under the best other value minus HR under the paper's; the interval holds for all others at once
        (Bonferroni), with the verdict of rule optimum.

    Raises:
        MissingEvidenceError: If no other value was run.
    """
    found = variants(evidence.every_condition, setting)
    others = [name for name in found.values() if name != REFERENCE]
    if not others:
        raise MissingEvidenceError(f"needs SCR with another {SETTINGS[setting]}; only one was run")
    frame = common_questions(main_split(evidence.every_condition), [REFERENCE, *others])
    level = 1 - 0.05 / len(others)
    parts: list[tuple[Interval, str, int]] = []
    for name in others:
        rows = absent_questions(pair_conditions(frame, name, REFERENCE))
        terms = np.stack([gain_of(rows), np.ones(len(rows))], axis=-1)
        interval = cluster_interval(image_totals(terms, rows["image_id"].tolist()), level=level)
        parts.append((widened(interval, level=level), name, len(rows)))
    best, name, n_questions = min(parts, key=lambda part: (part[0].estimate, part[1]))
    low, high = (min(getattr(part[0], end) for part in parts) for end in ("low", "high"))
    joint = Interval(best.estimate, low, high, best.se, best.n_images, best.method)
    how = f"best of {len(others)} others: {name}"
    return judged(
        "optimum", joint, n_questions, how, caveats=("each other value is compared on the same images",)
    )


def once(evidence: Evidence) -> PredictionResult:
    """One application at the last layer of the range against one at every layer.

    Args:
        evidence: What is stored.

    Returns:
        HR with one application minus HR with all, with the verdict of rule signal.
    """
    return contrast(evidence.every_condition, "signal", variant(evidence, "schedule", "once"), REFERENCE)


def identity(evidence: Evidence) -> Described:
    """Check: the identity intervention changes no answer.

    Args:
        evidence: What is stored.

    Returns:
        Share of changed answers.
    """
    require_conditions(evidence.every_condition, "vanilla", "identity")
    rows = pair_conditions(evidence.every_condition, "vanilla", "identity")
    changed = (rows["answer"] != rows["answer_treated"]).to_numpy(dtype=np.float64)
    interval = mean_interval(changed, rows["image_id"].tolist())
    return Described.of(
        interval, len(rows), "main split", "a check of the instrument; anything but 0 is a fault"
    )


def variant(evidence: Evidence, setting: str, value: Any) -> str:
    """The condition in which one setting has another value.

    Args:
        evidence: What is stored.
        setting: Name of the setting.
        value: Its value.

    Returns:
        Name of the condition.

    Raises:
        MissingEvidenceError: If it was not run.
    """
    found = variants(evidence.every_condition, setting)
    if value not in found:
        held = ", ".join(map(str, found))
        raise MissingEvidenceError(f"needs SCR with {setting} = {value}; the run has {setting} = {held}")
    return found[value]
