"""Ablation credit as the ground truth: which cheap estimator finds the patches an answer depends on?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from scr_lens.analysis.causal.means import clustered_mean
from scr_lens.analysis.causal.rules import CAUSAL_RULES, conclude_causal
from scr_lens.analysis.correlation import fisher_mean, pearson, spearman
from scr_lens.analysis.interval import Interval
from scr_lens.analysis.multiplicity import holm
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.records import require_columns, stack_column
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.errors import DataError

TRUTH = "ablation"
SIGNED = ("attribution",)
"""Estimators with a sign; they are compared by size, and once more with their sign."""
_LARGEST_R = 1 - 1e-12
_CAVEATS = (
    "replacing a patch by the mean patch is itself off the model's distribution",
    "one patch at a time: patches that can stand in for each other look unimportant",
)


@dataclass(frozen=True, eq=False)
class CreditAgreement:
    """Agreement of the cheap estimators with ablation.

    Attributes:
        table: Per estimator, layer and kind ("spearman", "pearson", "overlap", and "signed spearman" for
            signed estimators): estimate, ci_low, ci_high, n_images, n_questions, n_undefined, chance.
        contrasts: Per layer: each estimator's Spearman minus that of the layer's best one, on Fisher's z
            scale, paired by sample, with Holm-adjusted p-values within the layer.
        findings: One result per estimator: Spearman averaged over layers, rule "credit proxy".
        best: Best estimator of each layer by Spearman.
        effect: Per layer: share of samples' answers, in nats, that the strongest patch carries
            (mean of max |ablation|), to judge whether there is anything to predict.
        top_k: Number of patches in the overlap.
    """

    table: pd.DataFrame
    contrasts: pd.DataFrame
    findings: tuple[PredictionResult, ...]
    best: Mapping[int, str]
    effect: pd.DataFrame
    top_k: int


def credit_agreement(frame: pd.DataFrame, *, estimators: Sequence[str], top_k: int) -> CreditAgreement:
    """Compare cheap credit estimators with exact ablation, layer by layer.

    Args:
        frame: One row per question and layer: image_id, layer, "ablation" and one column per estimator, each
            holding a map over patches. Rows may have grids of different size, an estimator has its row's.
        estimators: Columns to compare.
        top_k: Size of the sets whose overlap is counted.

    Returns:
        Correlations over patches, averaged over samples on Fisher's scale, with image-clustered intervals.

    Raises:
        DataError: If a column is missing, a row's maps differ in size, or a layer has no defined correlation.
    """
    require_columns(frame, ["image_id", "question", "layer", TRUTH, *estimators])
    rows, scores = [], []
    for layer, part in frame.sort_values(["image_id", "question"]).groupby("layer"):
        images = part["image_id"].tolist()
        sizes = part[TRUTH].map(len).to_numpy()
        if not 0 < top_k <= sizes.min():
            raise DataError(f"top_k={top_k}: expected 1 to {sizes.min()}, the number of patches")
        chance = float(sum(Fraction(top_k, int(size)) for size in sizes) / len(sizes))
        for name in estimators:
            for kind, values in _agreements_by_size(part, sizes, name, top_k).items():
                rows.append(
                    {"estimator": name, "layer": layer, "kind": kind} | _summary(kind, values, images)
                )
                rows[-1]["chance"] = chance if kind == "overlap" else 0.0
                if kind == "spearman":
                    scores.append(_score_frame(part, str(name), values))
    table, z = pd.DataFrame(rows), pd.concat(scores, ignore_index=True)
    spearman_rows = table[table["kind"] == "spearman"]
    ranked = spearman_rows.sort_values("estimate", ascending=False, kind="stable").drop_duplicates("layer")
    best = {int(layer): str(name) for layer, name in zip(ranked["layer"], ranked["estimator"], strict=True)}
    findings = tuple(_finding(name, z[z["estimator"] == name]) for name in estimators)
    return CreditAgreement(table, _contrasts(z, best), findings, best, _effect(frame), top_k)


def top_overlap(
    truth: Float[np.ndarray, "sample patch"], guess: Float[np.ndarray, "sample patch"], k: int
) -> Float[np.ndarray, "sample"]:
    """Share of the k patches with the largest true value that are among the k with the largest guess.

    Args:
        truth: Values per patch.
        guess: Values per patch.
        k: Size of both sets; ties go to the lower patch number.

    Returns:
        Overlap in [0, 1]; k / patches by chance.
    """
    top = [np.argsort(-values, axis=-1, kind="stable")[:, :k] for values in (truth, guess)]
    return np.array([len(np.intersect1d(a, b)) / k for a, b in zip(*top, strict=True)])


def _agreements_by_size(
    part: pd.DataFrame, sizes: Int[np.ndarray, "sample"], name: str, k: int
) -> dict[str, np.ndarray]:
    """Agreements of every row in its place; maps of one size, as pictures of one aspect have, go together."""
    found: dict[str, np.ndarray] = {}
    for size in np.unique(sizes):
        group = part[sizes == size]
        truth, guess = stack_column(group, TRUTH), stack_column(group, name)
        if truth.shape != guess.shape:
            raise DataError(f"{TRUTH!r} has {truth.shape[1]} patches where {name!r} has {guess.shape[1]}")
        for kind, values in _agreements(truth, guess, name, k).items():
            found.setdefault(kind, np.full(len(part), np.nan))[sizes == size] = values
    return found


def _agreements(truth: np.ndarray, guess: np.ndarray, name: str, k: int) -> dict[str, np.ndarray]:
    size, guessed = np.abs(truth), np.abs(guess)
    found = {
        "spearman": spearman(size, guessed),
        "pearson": pearson(size, guessed),
        "overlap": np.where(np.ptp(size, axis=1) > 0, top_overlap(size, guessed, k), np.nan),
    }
    return found | ({"signed spearman": spearman(truth, guess)} if name in SIGNED else {})


def _summary(kind: str, values: np.ndarray, images: Sequence[object]) -> dict[str, object]:
    defined = np.isfinite(values)
    size = {"n_questions": len(values), "n_undefined": int((~defined).sum())}
    kept = [image for image, is_kept in zip(images, defined, strict=True) if is_kept]
    if len(set(kept)) < 2:
        ends = {"estimate": np.nan, "ci_low": np.nan, "ci_high": np.nan}
        return {**ends, "n_images": len(set(kept)), **size}
    mean = (
        clustered_mean(values[defined], kept).interval if kind == "overlap" else fisher_mean(values, images)
    )
    ends = {"estimate": mean.estimate, "ci_low": mean.low, "ci_high": mean.high}
    return {**ends, "n_images": mean.n_images, **size}


def _score_frame(part: pd.DataFrame, name: str, values: np.ndarray) -> pd.DataFrame:
    z = np.arctanh(np.clip(values, -_LARGEST_R, _LARGEST_R))
    return part[["image_id", "question", "layer"]].assign(estimator=name, z=z)


def _finding(name: str, z: pd.DataFrame) -> PredictionResult:
    """The Spearman of an estimator, averaged over layers within each sample."""
    mean = z.groupby(["image_id", "question"], as_index=False)["z"].mean().dropna()
    images = mean["image_id"].tolist()
    if len(set(images)) < 2:
        nothing = Interval(np.nan, np.nan, np.nan, np.nan, len(set(images)), "none")
        note = "its map is constant, so it ranks no patch above another"
        return conclude_causal("credit proxy", nothing, 1.0, len(mean), estimator=name, caveats=(note,))
    interval = fisher_mean(np.tanh(mean["z"].to_numpy()), images)
    excess = mean["z"] - np.arctanh(CAUSAL_RULES["credit proxy"].threshold)
    layers = sorted(int(layer) for layer in z["layer"].unique())
    return conclude_causal(
        "credit proxy",
        interval,
        sign_flip_test(excess.groupby(mean["image_id"]).sum().to_numpy()),
        len(mean),
        estimator=f"{name}, mean over layers {', '.join(map(str, layers))}",
        caveats=_CAVEATS,
    )


def _contrasts(z: pd.DataFrame, best: Mapping[int, str]) -> pd.DataFrame:
    rows = []
    for layer, name_of_best in sorted(best.items()):
        part = z[z["layer"] == layer]
        wide = part.pivot(index=["image_id", "question"], columns="estimator", values="z").dropna(
            axis=1, how="all"
        )
        rivals = [str(name) for name in wide.columns if name != name_of_best]
        means = []
        for name in rivals:
            difference = (wide[name] - wide[name_of_best]).dropna()
            images = difference.index.get_level_values("image_id").tolist()
            means.append(clustered_mean(difference.to_numpy(), images))
        adjusted = holm([mean.p_value for mean in means])
        rows += [
            {"layer": layer, "best": name_of_best, "estimator": name} | mean.to_row() | {"p_holm": float(p)}
            for name, mean, p in zip(rivals, means, adjusted, strict=True)
        ]
    return pd.DataFrame(rows)


def _effect(frame: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for layer, part in frame.groupby("layer"):
        peak = part[TRUTH].map(lambda values: np.abs(values).max()).to_numpy(dtype=np.float64)
        rows.append({"layer": layer} | clustered_mean(peak, part["image_id"].tolist()).to_row())
    return pd.DataFrame(rows).drop(columns="p_value")
