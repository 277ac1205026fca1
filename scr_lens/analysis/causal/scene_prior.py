"""Does the background decide? The same objects in places that do and do not predict the object asked for."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scr_lens.analysis.causal.means import Mean, clustered_mean
from scr_lens.analysis.causal.rules import conclude_causal
from scr_lens.analysis.records import require_columns
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.errors import DataError

MEASURES = ("yes", "p_yes")
_PAIR = ["condition", "label", "image_id", "object"]
_CAVEATS = (
    "both backgrounds of a pair are swapped ones, so neither is the place the objects were drawn for",
    "a redrawn background also redraws light and sensor noise",
)


@dataclass(frozen=True, eq=False)
class ScenePrior:
    """What the background does to the answer.

    Attributes:
        table: Per condition, label ("no": absent object, "yes": present) and measure ("yes": rate of yes,
            "p_yes"): the mean with a predicting background (`inside`), with another (`outside`), and their
            paired difference (estimate, ci_low, ci_high, p_value, n_images, n_questions).
        interaction: Per label and measure: difference under the treated condition minus that under the
            baseline.
        findings: Rule "scene prior" for the baseline, rule "SCR on prior" for the interaction, both on the
            rate of false yes.
    """

    table: pd.DataFrame
    interaction: pd.DataFrame
    findings: tuple[PredictionResult, ...]


def scene_prior(frame: pd.DataFrame, *, baseline: str = "vanilla", treated: str = "scr") -> ScenePrior:
    """Effect of a predicting background, paired by scene and object, and what a treatment does to it.

    Args:
        frame: One row per scene, object, background and condition: image_id (the scene), object, label,
            in_pool (whether the background predicts the object), condition, answer, p_yes.
        baseline: Condition of the prior.
        treated: Condition compared with it.

    Returns:
        Differences in rates and probabilities, clustered by scene.

    Raises:
        DataError: If a column or condition is missing, or no object was asked with both kinds of background.
    """
    require_columns(frame, [*_PAIR, "in_pool", "answer", "p_yes"])
    pairs = background_pairs(frame)
    for name in (baseline, treated):
        if not ((pairs["condition"] == name) & (pairs["label"] == "no")).any():
            known = sorted(map(str, pairs["condition"].unique()))
            raise DataError(
                f"no absent object asked on both kinds of background under {name!r}: found {known}"
            )
    rows, changes, found = [], [], {}
    for (label, measure), part in _by_label_and_measure(pairs):
        for condition in sorted(part["condition"].unique(), key=lambda name: (name != baseline, name)):
            rows_of = part[part["condition"] == condition]
            mean = clustered_mean(rows_of["difference"].to_numpy(), rows_of["image_id"].tolist())
            head = {"condition": condition, "label": label, "measure": measure}
            sides = {side: float(rows_of[side].mean()) for side in ("inside", "outside")}
            rows.append(head | sides | mean.to_row())
            found[str(condition), label, measure] = mean
        change = _interaction(part, baseline, treated)
        if change is not None:
            head = {"baseline": baseline, "treated": treated, "label": label, "measure": measure}
            changes.append(head | change.to_row())
            found["interaction", label, measure] = change
    findings = (
        _finding("scene prior", found[baseline, "no", "yes"], f"{baseline}, rate of false yes"),
        _finding("SCR on prior", found["interaction", "no", "yes"], f"{treated} minus {baseline}, false yes"),
    )
    return ScenePrior(pd.DataFrame(rows), pd.DataFrame(changes), findings)


def background_pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean answer per scene and object on predicting backgrounds and on others.

    Args:
        frame: As for `scene_prior`.

    Returns:
        One row per condition, label, scene, object and measure that has both: inside, outside, difference.
    """
    rows = frame.assign(yes=(frame["answer"] == "yes").astype(float))
    long = rows.melt(id_vars=[*_PAIR, "in_pool"], value_vars=list(MEASURES), var_name="measure")
    keys = [*_PAIR, "measure"]
    wide = long.groupby([*keys, "in_pool"])["value"].mean().unstack("in_pool")
    wide = wide.reindex(columns=[True, False]).dropna()
    wide.columns = pd.Index(["inside", "outside"])
    return wide.assign(difference=wide["inside"] - wide["outside"]).reset_index()


def _by_label_and_measure(pairs: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    groups = pairs.groupby(["label", "measure"], sort=True)
    return [((str(key[0]), str(key[1])), part) for key, part in groups if part["image_id"].nunique() > 1]


def _interaction(part: pd.DataFrame, baseline: str, treated: str) -> Mean | None:
    wide = part.pivot(index=["image_id", "object"], columns="condition", values="difference")
    if not {baseline, treated} <= set(wide.columns):
        return None
    change = (wide[treated] - wide[baseline]).dropna()
    images = change.index.get_level_values("image_id").tolist()
    return clustered_mean(np.asarray(change), images) if len(set(images)) > 1 else None


def _finding(name: str, mean: Mean, estimator: str) -> PredictionResult:
    return conclude_causal(
        name, mean.interval, mean.p_value, mean.n_questions, estimator=estimator, caveats=_CAVEATS
    )
