"""Claims about methods that a run need not hold: read from the comparison of all methods if there is one."""

from dataclasses import replace

import pandas as pd

from scr_lens.analysis.conditions import (
    MissingEvidenceError,
    condition_names,
    main_split,
    require_conditions,
)
from scr_lens.analysis.method_comparison import seed_groups
from scr_lens.analysis.predictions.overall_gain import overall_gain
from scr_lens.analysis.rate_reduction import gain_of
from scr_lens.analysis.records import PAIR_KEY, absent_questions, pair_conditions
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.evidence import Comparison, Evidence
from scr_lens.report.claims.common import contrast


def holding(evidence: Evidence, frame: pd.DataFrame, *names: str) -> tuple[pd.DataFrame, Comparison | None]:
    """Records of one run that hold some conditions: the model's own where it does, else its comparison's.

    Args:
        evidence: What is stored.
        frame: Records of the model's own run.
        *names: Conditions, all of which have to come from one run.

    Returns:
        The records, and the comparison if they are its.

    Raises:
        MissingEvidenceError: If neither holds all of them, with the command that measures them.
    """
    try:
        require_conditions(frame, *names)
        return frame, None
    except MissingEvidenceError as error:
        own = str(error)
    found = evidence.comparison
    if found is None:
        raise MissingEvidenceError(f"{own}; {how_to_measure(evidence)}")
    held = condition_names(found.answers)
    for name in names:
        if name not in held:
            reason = found.left_out.get(name, f"add it with `scr-lens compare {evidence.name}`")
            raise MissingEvidenceError(f"{own}; {found.name} lacks {name}: {reason}")
    return found.answers, found


def how_to_measure(evidence: Evidence) -> str:
    """Why there is no comparison, and the command that makes one."""
    why = f"{evidence.no_comparison}; " if evidence.no_comparison else ""
    return f"{why}`scr-lens compare {evidence.name}` measures it"


def with_source(found: PredictionResult, comparison: Comparison | None) -> PredictionResult:
    """Add where a result comes from, if that is not the model's own run."""
    return found if comparison is None else replace(found, caveats=(*found.caveats, told(comparison)))


def told(comparison: Comparison) -> str:
    """Which comparison a number comes from, in words."""
    return (
        f"measured in {comparison.name}, a run of its own of the same revision ({comparison.n_images:,} "
        f"images, begun {comparison.begun}): both conditions of the pair are from it, none from this run"
    )


def contrast_over_seeds(frame: pd.DataFrame, rule: str, reference: str, treated: str) -> PredictionResult:
    """Test the hallucination rate of a method minus that of another, the mean over the method's seeds.

    d_q = mean over seeds s of [false yes of (reference, s) - false yes of treated] on question q

    Args:
        frame: Records of one run.
        rule: Rule of the verdict.
        reference: Method that should hallucinate more; its further seeds are conditions of their own.
        treated: Condition that should hallucinate less.

    Returns:
        Mean of d over absent objects of the main split in [-1, 1] with the rule's verdict, image-clustered;
        questions that were not answered under every seed are left out.

    Raises:
        MissingEvidenceError: If a condition is missing.
    """
    names = seed_groups(frame).get(reference, (reference,))
    if len(names) == 1:
        return contrast(frame, rule, reference, treated)
    split, key = main_split(frame), list(PAIR_KEY)
    pairs = [absent_questions(pair_conditions(split, name, treated)).set_index(key) for name in names]
    gains = pd.concat(
        [pd.Series(gain_of(rows), rows.index) for rows in pairs], axis=1, join="inner", sort=True
    )
    images = gains.index.get_level_values("image_id").tolist()
    found = overall_gain(gains.mean(axis=1).to_numpy(), images, name=rule)
    return replace(found, estimator=f"{found.estimator}, mean of {len(names)} seeds")
