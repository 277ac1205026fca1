"""EF1 and P1-P4: what the paper predicts about credit, entropy and gain."""

import numpy as np
import pandas as pd

from scr_lens.analysis.conditions import (
    MissingEvidenceError,
    common_questions,
    lambda_conditions,
    main_split,
    require_conditions,
)
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.predictions.from_baseline import p1, p1_binned
from scr_lens.analysis.predictions.from_pairs import p2, p3, p4
from scr_lens.analysis.predictions.norm_credit import conclude_norm_credit
from scr_lens.analysis.records import absent_questions, normalized_entropy, of_condition, said_yes
from scr_lens.analysis.strata import quantile_strata, stratum_contrast
from scr_lens.analysis.unchanged import widened
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.evidence import Evidence
from scr_lens.evidence.evidence import P3_DISTANCE, P3_MEASURE
from scr_lens.paper import stated, value
from scr_lens.report.claim import Described
from scr_lens.report.claims.common import needed

_LARGEST_R = 1 - 1e-12


def ef1(evidence: Evidence, estimator: str) -> PredictionResult:
    """EF1 for one credit estimator, over the early layers.

    Args:
        evidence: What is stored.
        estimator: Name of the estimator in the credit table.

    Returns:
        Fisher mean of r between patch norm and credit, with the verdict of rule EF1.

    Raises:
        MissingEvidenceError: If this estimator was not measured.
    """
    table = needed(evidence.credit, f"credit by {estimator}")
    rows = table[table["estimator"] == estimator]
    if rows.empty:
        held = ", ".join(sorted(table["estimator"].unique()))
        raise MissingEvidenceError(f"needs credit by {estimator}; measured are {held}")
    layers = evidence.early_layers
    early = rows[rows["layer"].isin(layers)]
    wide = early.pivot(index=["image_id", "question"], columns="layer", values="pearson")
    return conclude_norm_credit(
        mean_correlation(wide),
        wide.index.get_level_values("image_id").tolist(),
        layers=layers,
        estimator=estimator,
        paper_value=stated("norm_credit_r"),
    )


def mean_correlation(wide: pd.DataFrame) -> np.ndarray:
    """Fisher mean over layers of each sample's correlation.

    Args:
        wide: One row per sample, one column per layer; NaN where undefined.

    Returns:
        tanh of the mean arctanh per row; NaN where no layer is defined.
    """
    z = np.arctanh(wide.to_numpy(dtype=np.float64).clip(-_LARGEST_R, _LARGEST_R))
    known = np.isfinite(z)
    total = np.where(known, z, 0.0).sum(axis=1)
    r: np.ndarray = np.tanh(np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan))
    return r


def entropy_correlation(evidence: Evidence, estimator: str) -> PredictionResult:
    """P1, question by question, on the adversarial split.

    Args:
        evidence: What is stored.
        estimator: "attention" or "norm".

    Returns:
        Point-biserial r with the verdict of rule P1.
    """
    layers = evidence.early_layers if estimator == "norm" else None
    frame, paper = main_split(evidence.answers), value(6, "pearson_r", model="Average")
    return p1(frame, estimator=estimator, layers=layers, paper_value=paper)


def binned_entropy_correlation(evidence: Evidence) -> Described:
    """P1 the paper's way: r over about 30 bins of questions.

    Args:
        evidence: What is stored.

    Returns:
        r over bins; grows with the questions per bin, hence no verdict.
    """
    frame = main_split(evidence.answers)
    rows = absent_questions(of_condition(frame, "vanilla"))
    found = p1_binned(frame)
    return Described(
        estimate=found.r,
        low=found.low,
        high=found.high,
        n_images=rows["image_id"].nunique(),
        n_questions=len(rows),
        how=f"attention entropy, {found.n_bins} bins",
        caveats=(found.label,),
    )


def entropy_groups(evidence: Evidence) -> Described:
    """Hallucination rate in the lowest minus in the highest quarter of entropy.

    Args:
        evidence: What is stored.

    Returns:
        The difference of rates with its interval.
    """
    rows = absent_questions(of_condition(main_split(evidence.answers), "vanilla"))
    strata, _ = quantile_strata(normalized_entropy(rows), 4)
    found = stratum_contrast(strata, said_yes(rows), rows["image_id"].tolist(), (0, 3))
    how = "vanilla, attention entropy, lowest minus highest quarter"
    interval = widened(found.interval, groups=2)
    caveat = "quarters of H / ln N, not the paper's threshold of 4.0 nats"
    return Described.of(interval, found.n_questions, how, caveat)


def gain_by_entropy(evidence: Evidence) -> PredictionResult:
    """P2: gain in the lowest minus in the highest quarter of entropy.

    Args:
        evidence: What is stored.

    Returns:
        The interaction with the verdict of rule P2.
    """
    require_conditions(evidence.answers, "vanilla", "scr")
    paper = (stated("p2_gain_low") - stated("p2_gain_high")) / 100
    return p2(main_split(evidence.answers), paper_value=paper)


def gain_by_autocorrelation(evidence: Evidence) -> PredictionResult:
    """P3: gain in the most minus in the least autocorrelated third of the images.

    Args:
        evidence: What is stored.

    Returns:
        The interaction with the verdict of rule P3.
    """
    require_conditions(evidence.answers, "vanilla", "scr")
    needed(evidence.autocorrelation, "the autocorrelation of the images")
    frame = main_split(evidence.answers)
    known = frame.drop_duplicates("image_id").set_index("image_id")["autocorrelation"].dropna()
    values = {str(image): float(rho) for image, rho in known.items()}
    return p3(frame, values, measure=f"{P3_MEASURE}, distance sqrt 2")


def autocorrelation(evidence: Evidence) -> Described:
    """Mean autocorrelation of the images at distance sqrt 2.

    Args:
        evidence: What is stored.

    Returns:
        rho with its interval over images.
    """
    table = needed(evidence.autocorrelation, "the autocorrelation of the images")
    rows = table[(table["measure"] == P3_MEASURE) & np.isclose(table["distance"], P3_DISTANCE)].dropna()
    mean = mean_interval(rows["rho"].to_numpy(), rows["image_id"].tolist())
    how = "pixel patches, distance sqrt 2, centered on the image's mean patch"
    return Described.of(mean, len(rows), how, "the paper does not say of which vectors")


def inverted_u(evidence: Evidence) -> PredictionResult:
    """P4: two-lines test over the lambdas that were run.

    Args:
        evidence: What is stored.

    Returns:
        The weaker of rise and fall with the verdict of rule P4.

    Raises:
        MissingEvidenceError: If fewer than four strengths above 1 were run.
    """
    found = lambda_conditions(evidence.every_condition)
    return p4(common_questions(main_split(evidence.every_condition), ["vanilla", *found.values()]), found)
