"""P2-P4 and the overall gain on stored records: claims about a change between two conditions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scr_lens.analysis.bootstrap import DEFAULT_OPTIONS, IntervalOptions
from scr_lens.analysis.predictions.inverted_u import inverted_u
from scr_lens.analysis.predictions.overall_gain import overall_gain
from scr_lens.analysis.predictions.stratified_gain import entropy_gain, spatial_gain
from scr_lens.analysis.rate_reduction import gain_of
from scr_lens.analysis.records import absent_questions, normalized_entropy, pair_conditions
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.errors import DataError


def p2(
    frame: pd.DataFrame,
    *,
    estimator: str = "attention",
    layers: range | None = None,
    baseline: str = "vanilla",
    treated: str = "scr",
    n_strata: int = 4,
    paper_value: float | None = None,
    options: IntervalOptions = DEFAULT_OPTIONS,
) -> PredictionResult:
    """P2 on records: interaction of the gain with baseline entropy.

    Args:
        frame: Records of one model with both conditions.
        estimator: Entropy column `entropy_<estimator>_nats` of the baseline.
        layers: Layers to average an entropy stored per layer over.
        baseline: Condition compared against.
        treated: Condition of interest.
        n_strata: Number of entropy quantiles.
        paper_value: The paper's difference as a rate.
        options: Interval method, resamples and seed.

    Returns:
        The result.

    Raises:
        DataError: If conditions cannot be paired or the column is missing.
    """
    rows = absent_questions(pair_conditions(frame, baseline, treated))
    entropy, images = normalized_entropy(rows, estimator, layers), rows["image_id"].tolist()
    return entropy_gain(
        entropy,
        gain_of(rows),
        images,
        estimator=estimator,
        n_strata=n_strata,
        paper_value=paper_value,
        **options,
    )


def p3(
    frame: pd.DataFrame,
    autocorrelation: Mapping[str, float],
    *,
    measure: str,
    baseline: str = "vanilla",
    treated: str = "scr",
    n_strata: int = 3,
    options: IntervalOptions = DEFAULT_OPTIONS,
) -> PredictionResult:
    """P3 on records: gain by the spatial autocorrelation of the image.

    Args:
        frame: Records of one model with both conditions.
        autocorrelation: Value of each image, by image_id.
        measure: Name of the autocorrelation measure.
        baseline: Condition compared against.
        treated: Condition of interest.
        n_strata: Number of quantiles.
        options: Interval method, resamples and seed.

    Returns:
        The result.

    Raises:
        DataError: If an image has no value or conditions cannot be paired.
    """
    rows = absent_questions(pair_conditions(frame, baseline, treated))
    images = rows["image_id"].tolist()
    missing = sorted({str(image) for image in images if image not in autocorrelation})
    if missing:
        raise DataError(
            f"image {missing[0]!r} has no autocorrelation ({len(missing)} missing): compute it for all images"
        )
    values = np.array([autocorrelation[image] for image in images])
    return spatial_gain(values, gain_of(rows), images, estimator=measure, n_strata=n_strata, **options)


def lambda_gains(
    frame: pd.DataFrame, conditions: Mapping[float, str], baseline: str = "vanilla"
) -> tuple[list[float], np.ndarray, list[object]]:
    """Gain of every absent-object question at every lambda.

    Args:
        frame: Records of one model; lambda = 1 is added with gain 0 (it is the identity).
        conditions: Condition name of each lambda.
        baseline: Condition compared against.

    Returns:
        Increasing lambdas, gains [question, lambda] and the image of each question.

    Raises:
        DataError: If conditions do not cover the same questions.
    """
    columns = []
    for level, name in conditions.items():
        rows = absent_questions(pair_conditions(frame, baseline, name)).set_index(["image_id", "question"])
        columns.append(pd.Series(gain_of(rows), index=rows.index, name=level))
    table = pd.concat(columns, axis=1, sort=True)
    if table.isna().any(axis=None):
        raise DataError(
            f"{int(table.isna().any(axis=1).sum())} questions lack a lambda: run every lambda on the same set"
        )
    table[1.0] = 0.0
    table = table[sorted(table.columns)]
    images: list[object] = list(table.index.get_level_values("image_id"))
    return [float(level) for level in table.columns], table.to_numpy(dtype=np.float64), images


def p4(
    frame: pd.DataFrame,
    conditions: Mapping[float, str],
    *,
    baseline: str = "vanilla",
) -> PredictionResult:
    """P4 on records: two-lines test over the lambdas that were run.

    Args:
        frame: Records of one model.
        conditions: Condition name of each lambda (1 is added).
        baseline: Condition compared against.

    Returns:
        The result.

    Raises:
        DataError: If there are fewer than 4 lambdas besides 1 or they cover different questions.
    """
    return inverted_u(*lambda_gains(frame, conditions, baseline))


def scr_gain(
    frame: pd.DataFrame,
    *,
    baseline: str = "vanilla",
    treated: str = "scr",
    paper_value: float | None = None,
    options: IntervalOptions = DEFAULT_OPTIONS,
) -> PredictionResult:
    """Overall reduction of the hallucination rate.

    Args:
        frame: Records of one model with both conditions.
        baseline: "vanilla"; with "uniform-smooth" the rule "guidance" applies.
        treated: Condition of interest.
        paper_value: The paper's reduction as a rate.
        options: Interval method, resamples and seed.

    Returns:
        The result.

    Raises:
        DataError: If conditions cannot be paired.
    """
    rows = absent_questions(pair_conditions(frame, baseline, treated))
    name = "guidance" if baseline == "uniform-smooth" else "SCR"
    return overall_gain(
        gain_of(rows), rows["image_id"].tolist(), name=name, paper_value=paper_value, **options
    )
