"""Does SCR lower the hallucination rate, on every split, against every baseline?"""

from dataclasses import replace

import pandas as pd

from scr_lens.analysis.conditions import condition_names, main_split, require_conditions
from scr_lens.analysis.hallucination import difference_p_value, metric_difference
from scr_lens.analysis.predictions.from_pairs import scr_gain
from scr_lens.analysis.records import LABELS, of_split, pair_conditions, split_names
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.errors import DataError
from scr_lens.evidence import Evidence
from scr_lens.evidence.evidence import CHOSEN_CONDITION
from scr_lens.report.claims.common import contrast, judged
from scr_lens.report.claims.compared import contrast_over_seeds, holding, with_source


def reduction(evidence: Evidence, split: str, treated: str = "scr") -> PredictionResult:
    """Reduction of the hallucination rate on one split.

    Args:
        evidence: What is stored.
        split: Split of the benchmark.
        treated: Condition of interest.

    Returns:
        HR of the untouched model minus HR under the condition, with the verdict of rule SCR.

    Raises:
        DataError: If the conditions or the split are missing.
    """
    require_conditions(evidence.answers, "vanilla", treated)
    return scr_gain(_split(evidence.answers, split), treated=treated)


def one_pass(evidence: Evidence) -> PredictionResult:
    """Reduction of the hallucination rate by One-Pass SCR on the adversarial split.

    Args:
        evidence: What is stored.

    Returns:
        HR of the untouched model minus HR under One-Pass SCR, with the verdict of rule SCR; from the
        comparison where the run does not hold it.

    Raises:
        MissingEvidenceError: If neither holds it.
    """
    frame, source = holding(evidence, evidence.answers, "vanilla", "one-pass-scr")
    return with_source(scr_gain(_split(frame, "adversarial"), treated="one-pass-scr"), source)


def accuracy_gain(evidence: Evidence) -> PredictionResult:
    """Change of accuracy by SCR on the adversarial split.

    Args:
        evidence: What is stored.

    Returns:
        Accuracy after minus before, with the verdict of rule accuracy.

    Raises:
        DataError: If a condition is missing, or the questions are all about absent or all about present
            objects: such an accuracy is the hallucination rate, or recall, by another name.
    """
    require_conditions(evidence.answers, "vanilla", "scr")
    paired = pair_conditions(main_split(evidence.answers), "vanilla", "scr")
    if paired["label"].nunique() < len(LABELS):
        raise DataError(
            f"needs questions about absent and about present objects; the run has only those whose answer is "
            f"{paired['label'].iloc[0]!r}: ask both (labels)"
        )
    change = metric_difference(paired, "accuracy")
    if change is None:
        raise DataError("accuracy is undefined: no question in the adversarial split")
    p_value = difference_p_value(paired, "accuracy")
    return judged("accuracy", change, len(paired), "paired difference of accuracy", p_value=p_value)


def guidance(evidence: Evidence) -> PredictionResult:
    """Ablation (a): SCR against the same operation from random sources.

    Args:
        evidence: What is stored.

    Returns:
        HR under Uniform-Smooth minus HR under SCR, with the verdict of rule guidance.
    """
    found = contrast(evidence.answers, "guidance", "uniform-smooth", "scr")
    return _read_as_harm(found, evidence.answers, "random sources")


def against(evidence: Evidence, method: str) -> PredictionResult:
    """SCR against a published baseline.

    Args:
        evidence: What is stored.
        method: Condition of the baseline.

    Returns:
        HR under the baseline minus HR under SCR, with the verdict of rule signal; from the comparison where
        the run does not hold the baseline.

    Raises:
        MissingEvidenceError: If neither holds it.
    """
    frame, source = holding(evidence, evidence.every_condition, method, "scr")
    found = contrast_over_seeds(frame, "signal", method, "scr")
    if found.verdict == "supported":
        found = _read_as_harm(found, frame, "the method")
    return with_source(found, source)


def chosen(evidence: Evidence) -> PredictionResult:
    """SCR with settings chosen on validation scenes only, then frozen.

    Args:
        evidence: What is stored.

    Returns:
        Reduction of HR with the verdict of rule SCR.
    """
    found = reduction(evidence, "adversarial", evidence.chosen or CHOSEN_CONDITION)
    if evidence.chosen != "scr":
        return found
    caveat = "the settings chosen are the paper's own: these are the answers of SCR itself"
    return replace(found, caveats=(*found.caveats, caveat))


def _read_as_harm(found: PredictionResult, frame: pd.DataFrame, cause: str) -> PredictionResult:
    """Add what a difference means where SCR itself shows no clear reduction on the same questions."""
    if "vanilla" not in condition_names(frame) or scr_gain(_split(frame, "adversarial")).ci_low > 0:
        return found
    caveat = f"SCR itself shows no clear reduction here: read it as harm by {cause}, not help by SCR"
    return replace(found, caveats=(*found.caveats, caveat))


def _split(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    return of_split(frame, split) if split_names(frame) else main_split(frame, split)
