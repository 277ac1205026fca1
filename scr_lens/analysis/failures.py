"""Failure modes: which errors involve small objects, objects at the edge, or look-alike neighbors."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Unpack

import numpy as np
import pandas as pd

from scr_lens.analysis.bootstrap import IntervalOptions, cluster_interval, rate_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.records import is_correct, require_columns
from scr_lens.analysis.statistic import RATIO_DIFFERENCE
from scr_lens.errors import DataError

BOX_COLUMNS = ("image_id", "object", "x", "y", "width", "height", "image_width", "image_height")
SMALL_AREA = 0.02
SIZE_EDGES: tuple[float, ...] = (0.0, 0.02, 0.05, 0.10, 0.20, 1.0)
_NAMES = ("image_id", "object", "object_other")
PATTERNS = ("small", "edge", "ambiguous", "none")


@dataclass(frozen=True, kw_only=True)
class FailureRule:
    """What counts as small, at the edge and ambiguous (the paper does not define them; choices).

    Attributes:
        small_area: Largest area, as a share of the image, of a small object.
        edge_margin: Share of the side that counts as border; one patch of a 24x24 grid by default.
        neighbor_gap: Largest gap to a look-alike's box, as a share of the side.
        confusable: Unordered pairs of look-alike categories; empty means that any other category counts.
    """

    small_area: float = SMALL_AREA
    edge_margin: float = 1 / 24
    neighbor_gap: float = 1 / 24
    confusable: Collection[frozenset[str]] = ()

    def is_pair(self, first: str, second: str) -> bool:
        """Whether two categories can be taken for each other.

        Args:
            first: A category.
            second: Another category.

        Returns:
            True for a listed pair; with no list, True for any two different categories.
        """
        return first != second and (not self.confusable or frozenset((first, second)) in self.confusable)


def relative_boxes(boxes: pd.DataFrame) -> pd.DataFrame:
    """Boxes in shares of the image, with their area.

    Args:
        boxes: One row per object instance, columns `BOX_COLUMNS`, pixels, (x, y) the top left corner.

    Returns:
        Table: image_id, object, left, top, right, bottom (each clipped to [0, 1]) and area in [0, 1].

    Raises:
        DataError: If a column is missing or a size is not positive.
    """
    require_columns(boxes, BOX_COLUMNS)
    if not (boxes[["width", "height", "image_width", "image_height"]] > 0).all(axis=None):
        raise DataError(
            "boxes contain a width or height <= 0: expected positive pixel sizes; fix the annotations"
        )
    left, top = boxes["x"] / boxes["image_width"], boxes["y"] / boxes["image_height"]
    sides = {
        "left": left.clip(0, 1),
        "top": top.clip(0, 1),
        "right": (left + boxes["width"] / boxes["image_width"]).clip(0, 1),
        "bottom": (top + boxes["height"] / boxes["image_height"]).clip(0, 1),
    }
    table = boxes[["image_id", "object"]].assign(**sides)
    table["area"] = (table["right"] - table["left"]) * (table["bottom"] - table["top"])
    return table.reset_index(drop=True)


def _gap(pairs: pd.DataFrame) -> np.ndarray:
    """Gap between the box of a row and the box in its `_other` columns; 0 where they touch or overlap."""
    side = {name: pairs[name].to_numpy(dtype=np.float64) for name in pairs if name not in _NAMES}
    across = np.maximum(side["left_other"] - side["right"], side["left"] - side["right_other"])
    down = np.maximum(side["top_other"] - side["bottom"], side["top"] - side["bottom_other"])
    gap: np.ndarray = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    return gap


def object_traits(boxes: pd.DataFrame, rule: FailureRule | None = None) -> pd.DataFrame:
    """Size, edge contact and look-alike contact of every present object, from its largest instance.

    Args:
        boxes: As `relative_boxes`.
        rule: What counts as small, edge and ambiguous.

    Returns:
        Table indexed by (image_id, object): area, is_small, is_edge, is_ambiguous.

    Raises:
        DataError: As `relative_boxes`.
    """
    rule = rule or FailureRule()
    table = relative_boxes(boxes)
    key = ["image_id", "object"]
    chosen = table.groupby(key, sort=True)["area"].idxmax()
    largest = table.loc[chosen.to_numpy()].reset_index(drop=True)
    low, high = largest[["left", "top"]].min(axis=1), largest[["right", "bottom"]].max(axis=1)
    return largest.assign(
        is_small=largest["area"] < rule.small_area,
        is_edge=(low < rule.edge_margin) | (high > 1 - rule.edge_margin),
        is_ambiguous=_touches_rival(largest, table, rule),
    ).set_index(key)[["area", "is_small", "is_edge", "is_ambiguous"]]


def _touches_rival(largest: pd.DataFrame, table: pd.DataFrame, rule: FailureRule) -> np.ndarray:
    """Whether any look-alike's box in the same image lies within the allowed gap, per row of `largest`."""
    pairs = largest.assign(row=largest.index).merge(table, on="image_id", suffixes=("", "_other"))
    named = zip(pairs["object"], pairs["object_other"], strict=True)
    is_rival = np.array([rule.is_pair(str(one), str(other)) for one, other in named], dtype=bool)
    close = is_rival & (_gap(pairs) <= rule.neighbor_gap)
    touches: np.ndarray = np.bincount(pairs["row"], weights=close, minlength=len(largest)) > 0
    return touches


def question_patterns(
    frame: pd.DataFrame, boxes: pd.DataFrame, rule: FailureRule | None = None
) -> pd.DataFrame:
    """Mark the failure patterns of every question; they may overlap.

    A present object is judged by its largest instance. An absent object has no box: it can only be ambiguous,
    which it is when a category from `rule.confusable` that can be taken for it is in the image.

    Args:
        frame: Records with image_id, object, label.
        boxes: As `relative_boxes`, for all images of the records.
        rule: What counts as small, edge and ambiguous.

    Returns:
        Table aligned with the records: small, edge, ambiguous, none (booleans) and area (NaN when absent).

    Raises:
        DataError: If a present object has no box.
    """
    rule = rule or FailureRule()
    require_columns(frame, ["image_id", "object", "label"])
    traits = object_traits(boxes, rule)
    keys = pd.MultiIndex.from_frame(frame[["image_id", "object"]])
    is_present = (frame["label"] == "yes").to_numpy()
    lost = [key for key, present in zip(keys, is_present, strict=True) if present and key not in traits.index]
    if lost:
        raise DataError(
            f"object {lost[0][1]!r} of image {lost[0][0]!r} has no box: expected boxes of present objects"
        )
    found = traits.reindex(keys)
    categories = {image: set(map(str, names)) for image, names in boxes.groupby("image_id")["object"]}
    mistaken = [_has_rival(str(name), categories.get(image, set()), rule) for image, name in keys]
    table = pd.DataFrame({"area": found["area"].to_numpy(dtype=np.float64)}, index=frame.index)
    for pattern in ("small", "edge", "ambiguous"):
        table[pattern] = is_present & (found[f"is_{pattern}"] == True).to_numpy()  # noqa: E712
    table["ambiguous"] |= ~is_present & np.array(mistaken)
    table["none"] = ~table[["small", "edge", "ambiguous"]].any(axis=1)
    return table


def _has_rival(name: str, present: Collection[str], rule: FailureRule) -> bool:
    return bool(rule.confusable) and any(rule.is_pair(name, other) for other in present)


def failure_table(
    frame: pd.DataFrame,
    boxes: pd.DataFrame,
    rule: FailureRule | None = None,
    **options: Unpack[IntervalOptions],
) -> pd.DataFrame:
    """Share of the errors that show each pattern, next to the share of all questions that do.

    A share of errors means something only against its base rate: 56% of errors at the edge is no finding when
    56% of the objects touch the edge. `excess` = error rate with the pattern minus without.

    Args:
        frame: Usable records of one condition.
        boxes: As `relative_boxes`.
        rule: What counts as small, edge and ambiguous.
        **options: Interval method, resamples and seed (see `bootstrap.IntervalOptions`).

    Returns:
        One row per pattern: n_errors, n_questions, share_of_errors with ends, share_of_questions, error_rate
        with ends, excess with ends; patterns overlap, "none" is the rest. NaN where undefined.

    Raises:
        DataError: If a present object has no box.

    Source: SCR paper, Sec. 6.2 (26% small, 56% edge, 18% ambiguous).
    """
    marks = question_patterns(frame, boxes, rule)
    wrong = 1 - is_correct(frame)
    images = frame["image_id"].tolist()
    rows = []
    for pattern in PATTERNS:
        shown = marks[pattern].to_numpy(dtype=np.float64)
        terms = np.stack([wrong * shown, wrong, shown, wrong * (1 - shown), 1 - shown], axis=-1)
        totals = image_totals(terms, images)
        row: dict[str, object] = {"pattern": pattern, "n_errors": int(totals[:, 0].sum())}
        row |= {"n_questions": int(shown.sum()), "share_of_questions": float(shown.mean())}
        row |= _rate("share_of_errors", totals[:, [0, 1]]) | _rate("error_rate", totals[:, [0, 2]])
        row |= _excess(totals[:, [0, 2, 3, 4]], options)
        rows.append(row)
    return pd.DataFrame(rows)


def _named(name: str, ends: tuple[float, float, float]) -> dict[str, object]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def _rate(name: str, totals: np.ndarray) -> dict[str, object]:
    if totals[:, 1].sum() == 0:
        return _named(name, (np.nan, np.nan, np.nan))
    rate = rate_interval(totals)
    return _named(name, (rate.estimate, rate.low, rate.high))


def _excess(totals: np.ndarray, options: IntervalOptions) -> dict[str, object]:
    if 0 in (totals[:, 1].sum(), totals[:, 3].sum()):
        return _named("excess", (np.nan, np.nan, np.nan))
    change = cluster_interval(totals, RATIO_DIFFERENCE, **options)
    return _named("excess", (change.estimate, change.low, change.high))


def misses_by_size(
    frame: pd.DataFrame, boxes: pd.DataFrame, edges: tuple[float, ...] = SIZE_EDGES
) -> pd.DataFrame:
    """Share of missed objects by the area of the object.

    Args:
        frame: Usable records of one condition.
        boxes: As `relative_boxes`.
        edges: Increasing edges of the area bins, as shares of the image; the last bin includes its upper
            edge.

    Returns:
        Table: area_low, area_high, n_questions, miss_rate with ends (NaN for an empty bin).

    Raises:
        DataError: If edges do not increase or a present object has no box.
    """
    if (np.diff(edges) <= 0).any():
        raise DataError(f"edges {edges}: expected increasing shares of the image area")
    present = frame[frame["label"] == "yes"]
    area = question_patterns(present, boxes)["area"].to_numpy()
    wrong = 1 - is_correct(present)
    images = present["image_id"].tolist()
    rows = []
    for low, high in pairwise(edges):
        inside = ((area >= low) & ((area < high) | (high == edges[-1]) & (area <= high))).astype(np.float64)
        totals = image_totals(np.stack([wrong * inside, inside], axis=-1), images)
        row: dict[str, object] = {"area_low": low, "area_high": high, "n_questions": int(inside.sum())}
        rows.append(row | _rate("miss_rate", totals))
    return pd.DataFrame(rows)
