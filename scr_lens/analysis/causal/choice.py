"""Choosing one setting out of a grid on validation records, by a rule that is fixed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scr_lens.analysis.bootstrap import rate_interval
from scr_lens.analysis.causal.means import clustered_mean
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.hallucination import answer_counts, metric_terms
from scr_lens.analysis.multiplicity import holm
from scr_lens.analysis.power import ALPHA
from scr_lens.analysis.records import absent_questions, is_correct, of_condition, pair_conditions, said_yes
from scr_lens.errors import DataError

ACCURACY_MARGIN = 0.01
RULE = (
    "lowest hallucination rate on the adversarial validation questions among the settings whose accuracy is "
    f"at most {100 * ACCURACY_MARGIN:g} points below vanilla's; of equal rates the paper's setting, else the "
    "first in the grid's order; if no setting keeps its accuracy, the paper's setting"
)
TEST_PREFIX = "test_"


@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen setting and everything it was chosen from.

    Attributes:
        chosen: Name of the setting.
        reason: Which part of the rule decided.
        differs: Whether the chosen setting's hallucination rate differs from vanilla's beyond chance, after
            Holm's correction over the grid.
        any_differs: Whether any setting's does.
        summary: One sentence to print.
        grid: Per setting: hallucination_rate, accuracy, yes_ratio, each change against vanilla with interval
            and p-value, p_holm of the change of the hallucination rate, keeps_accuracy, chosen.
        rule: The rule in words.
    """

    chosen: str
    reason: str
    differs: bool
    any_differs: bool
    summary: str
    grid: pd.DataFrame
    rule: str = RULE


def choose_setting(
    frame: pd.DataFrame, settings: Sequence[str], *, default: str, baseline: str = "vanilla"
) -> Choice:
    """Choose a setting by `RULE`.

    Args:
        frame: Validation records with the baseline and every setting as conditions, on the same questions.
        settings: Condition names of the grid, in its order.
        default: Name of the paper's setting.
        baseline: The untouched condition.

    Returns:
        The choice with the whole grid.

    Raises:
        DataError: If a record is about a test scene, a condition is missing, or conditions cover different
            questions.
    """
    refuse_test_images(frame["image_id"])
    if default not in settings:
        raise DataError(f"the default {default!r} is not in the grid {list(settings)}; add it")
    grid = pd.DataFrame([_grid_row(frame, baseline, name) for name in settings])
    grid["p_holm"] = holm(grid["d_hallucination_rate_p_value"].tolist())
    grid["keeps_accuracy"] = grid["d_accuracy"] >= -ACCURACY_MARGIN - 1e-12
    chosen, reason = _apply_rule(grid, default)
    grid["chosen"] = grid["setting"] == chosen
    row = grid.loc[grid["chosen"]].iloc[0]
    differs, any_differs = bool(row["p_holm"] <= ALPHA), bool((grid["p_holm"] <= ALPHA).any())
    return Choice(chosen, reason, differs, any_differs, _summary(row, len(grid), any_differs, baseline), grid)


def refuse_test_images(image_ids: Sequence[object] | pd.Series) -> None:
    """Refuse images of the test split.

    Args:
        image_ids: Names of images; test scenes of the rendered world begin with "test_".

    Raises:
        DataError: If one is a test image.
    """
    bad = sorted({str(name) for name in image_ids if str(name).startswith(TEST_PREFIX)})
    if bad:
        raise DataError(
            f"image {bad[0]!r} ({len(bad)} in all) is a test scene: settings are chosen on validation scenes "
            "only; give those"
        )


def _grid_row(frame: pd.DataFrame, baseline: str, name: str) -> dict[str, object]:
    paired = pair_conditions(frame, baseline, name)
    if paired.attrs["n_unpaired"]:
        raise DataError(
            f"{paired.attrs['n_unpaired']} questions lack {baseline!r} or {name!r}; finish the run first"
        )
    absent, images = absent_questions(paired), paired["image_id"].tolist()
    changes = {
        "hallucination_rate": clustered_mean(
            said_yes(absent, "answer_treated") - said_yes(absent), absent["image_id"].tolist()
        ),
        "accuracy": clustered_mean(is_correct(paired, "answer_treated") - is_correct(paired), images),
        "yes_ratio": clustered_mean(said_yes(paired, "answer_treated") - said_yes(paired), images),
    }
    row: dict[str, object] = {"setting": name, "n_images": len(set(images)), "n_questions": len(paired)}
    counts = answer_counts(of_condition(frame, name))
    for metric, change in changes.items():
        totals = image_totals(metric_terms(counts, metric), of_condition(frame, name)["image_id"].tolist())
        rate, moved = rate_interval(totals), change.interval
        row |= {metric: rate.estimate, f"{metric}_low": rate.low, f"{metric}_high": rate.high}
        row |= {f"d_{metric}": moved.estimate, f"d_{metric}_low": moved.low, f"d_{metric}_high": moved.high}
        row[f"d_{metric}_p_value"] = change.p_value
    return row


def _apply_rule(grid: pd.DataFrame, default: str) -> tuple[str, str]:
    allowed = grid[grid["keeps_accuracy"]]
    if len(allowed) == 0:
        return default, "no setting keeps its accuracy, so the paper's setting stays"
    lowest = allowed["hallucination_rate"].min()
    tied = allowed.loc[allowed["hallucination_rate"] <= lowest + 1e-12, "setting"].tolist()
    if default in tied:
        return default, f"the paper's setting has the lowest rate ({len(tied)} setting(s) share it)"
    return str(tied[0]), f"the lowest rate ({len(tied)} setting(s) share it)"


def _summary(row: Any, n_settings: int, any_differs: bool, baseline: str) -> str:
    values: Mapping[str, float] = {
        name: 100 * float(row[f"d_hallucination_rate{end}"])
        for name, end in (("change", ""), ("low", "_low"), ("high", "_high"))
    }
    ends = f"{values['change']:+.1f} [{values['low']:+.1f}, {values['high']:+.1f}] points"
    if not any_differs:
        return (
            f"no setting differs from {baseline} beyond chance (Holm over {n_settings} settings); "
            f"chosen by the rule all the same: {row['setting']}, {ends}"
        )
    verb = "differs" if float(row["p_holm"]) <= ALPHA else "does not differ"
    return (
        f"chosen: {row['setting']}, {ends}; it {verb} from {baseline} after Holm over {n_settings} settings"
    )
