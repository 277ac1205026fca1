"""The Proposition: change of the patch norms against gain of entropy, and where SCR's step lies."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.analysis.conditions import MissingEvidenceError, settings_by_condition
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.proposition import front_point, nearest_map, norm_step
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.parts import MEASURED, PAPER, footnote, numbers, of_source, paper_row, zero_line
from scr_lens.figures.style import ALERT, INK, MUTED, PALETTE, finish, house_style, new_figure
from scr_lens.grid import PatchGrid
from scr_lens.paper import stated

_GAINS = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5])
"""Points of the front: share of the way from the entropy before to that of a uniform map."""

_FRONT, _STEP, _RUN, _PEAK = "front", "Eq. 1, parallel vectors", "SCR as run", "peak kept"


def collect_trade_off(evidence: Evidence) -> pd.DataFrame:
    """Relative change of the norms and change of their entropy: the front and SCR's step, image by image.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels kind ("front", "Eq. 1, parallel vectors", "SCR as run", and "mean ..." of the
        latter two), image_id and change (distance in shares of the norm of the map before); `estimate` is the
        change of entropy in nats, with an interval over images in the rows of means. Of kind "peak kept" it
        is the largest norm after SCR as a share of that before; the paper's is the Proposition's bound.

    Raises:
        MissingEvidenceError: If the norms before and after SCR are not stored.
    """
    if evidence.steps is None:
        raise MissingEvidenceError("needs norms and sources stored under vanilla and scr")
    strength = float(settings_by_condition(evidence.answers)["scr"]["lambda"])
    points = [point for row in evidence.steps.to_dict("records") for point in _points(row, strength)]
    table = pd.DataFrame(points, columns=["image_id", "kind", "change", "estimate"])
    means = [_mean(table[table["kind"] == kind], kind) for kind in (_STEP, _RUN)]
    means.append(_peak(evidence.steps))
    sizes = {"source": MEASURED, "n_images": len(evidence.steps), "n_questions": len(evidence.steps)}
    rows: list[dict[str, Any]] = [{**row, **sizes} for row in (*_cells(table), *means)]
    return numbers(
        [paper_row(kind=_PEAK, estimate=1 / stated("lambda")), *rows], ["kind", "image_id", "change"]
    )


def _cells(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]


def _points(row: Mapping[Hashable, Any], strength: float) -> list[tuple[object, str, float, float]]:
    before, after = np.asarray(row["before"]), np.asarray(row["after"])
    grid = PatchGrid(int(row["grid_h"]), int(row["grid_w"]))
    sources = [int(i) for i in np.asarray(row["sources"])]
    start, size = front_point(before, before).entropy, float(np.linalg.norm(before))
    room, peak = float(np.log(grid.size)) - start, float(before.max()) / strength
    image = row["image_id"]
    front = [nearest_map(before, start + share * room, peak) for share in _GAINS[1:]]
    rows = [(image, _FRONT, _solved(p.distance / size), _solved(p.entropy - start)) for p in front]
    steps = {_STEP: norm_step(before, sources, grid, strength), _RUN: after}
    points = {kind: front_point(norms, before) for kind, norms in steps.items()}
    rows += [(image, kind, p.distance / size, p.entropy - start) for kind, p in points.items()]
    return [(image, _FRONT, 0.0, 0.0), *rows]


def _solved(value: float) -> float:
    """A number as exactly as the solver gives it: the last digits depend on how many cores it found."""
    return float(f"{value:.6g}")


def _mean(part: pd.DataFrame, kind: str) -> dict[str, object]:
    images = part["image_id"].tolist()
    gain = mean_interval(part["estimate"].to_numpy(), images) if len(images) > 1 else None
    ends = {} if gain is None else {"ci_low": gain.low, "ci_high": gain.high}
    cells = {"kind": f"mean {kind}", "image_id": "", "change": float(part["change"].mean())}
    return {**cells, "estimate": float(part["estimate"].mean()), **ends}


def _peak(steps: pd.DataFrame) -> dict[str, object]:
    kept = np.array(
        [max(after) / max(before) for before, after in zip(steps["before"], steps["after"], strict=True)]
    )
    found = mean_interval(kept, steps["image_id"].tolist()) if len(kept) > 1 else None
    ends = {} if found is None else {"ci_low": found.low, "ci_high": found.high}
    return {"kind": _PEAK, "image_id": "", "estimate": float(kept.mean()), **ends}


@house_style()
def draw_trade_off(table: pd.DataFrame) -> Figure:
    """Draw the front with SCR's step.

    Args:
        table: Output of `collect_trade_off`.

    Returns:
        Every image's front as a line, its step as Eq. 1 gives it for parallel vectors and as it was run, and
        the means of both with intervals.
    """
    rows = of_source(table, MEASURED)
    points = rows[rows["kind"] != _PEAK]
    figure = new_figure(6.2, 3.6)
    axes = figure.subplots()
    zero_line(axes)
    for number, (_, part) in enumerate(rows[rows["kind"] == _FRONT].groupby("image_id", sort=True)):
        label = "front: least change for a gain, one line per image" if number == 0 else None
        axes.plot(100 * part["change"], 1000 * part["estimate"], color=MUTED, linewidth=0.7, label=label)
    for kind, color, marker in ((_STEP, PALETTE[0], "o"), (_RUN, ALERT, "s")):
        part = rows[rows["kind"] == kind]
        axes.scatter(
            100 * part["change"], 1000 * part["estimate"], s=12, color=color, marker=marker, alpha=0.45,
            linewidth=0, zorder=3,
        )  # fmt: skip
        mean = rows[rows["kind"] == f"mean {kind}"].iloc[0]
        ends = 1000 * np.array([mean["ci_low"], mean["ci_high"]], dtype=np.float64)
        middle = 1000 * float(mean["estimate"])
        spread = None if np.isnan(ends).any() else [[middle - ends[0]], [ends[1] - middle]]
        axes.errorbar(
            [100 * mean["change"]], [middle], yerr=spread, fmt=marker, color=color, markersize=5,
            markeredgecolor=INK, markeredgewidth=0.7, elinewidth=1.3, zorder=4, label=f"{kind}; framed: mean",
        )  # fmt: skip
    axes.set_xlabel("change of the patch norms (% of their Euclidean length)")
    axes.set_ylabel("entropy of the norms gained (nats / 1000)")
    axes.set_xlim(left=0)
    axes.set_ylim(_heights(points))
    axes.set_title(_peak_text(table))
    axes.legend(loc="upper left")
    count = int(rows["n_images"].max())
    footnote(
        figure,
        f"first application of SCR; {count:,} images, one question each; 95% intervals of the means. "
        "The Proposition wants more entropy for little change, with the peak kept to its share "
        "1/\N{GREEK SMALL LETTER LAMDA}: best is a step on the front; a step below 0 lowers the entropy",
    )
    return finish(figure)


def _peak_text(table: pd.DataFrame) -> str:
    paper, ours = (of_source(table[table["kind"] == _PEAK], source).iloc[0] for source in (PAPER, MEASURED))
    ends = "" if pd.isna(ours["ci_low"]) else f" [{ours['ci_low']:.3f}, {ours['ci_high']:.3f}]"
    return (
        f"largest norm after / before: {ours['estimate']:.3f}{ends}; paper: at least {paper['estimate']:.3f}"
    )


def _heights(rows: pd.DataFrame) -> tuple[float, float]:
    """Limits that hold every step, and as much of the fronts above as is of interest."""
    steps = 1000 * rows.loc[rows["kind"] != _FRONT, "estimate"].to_numpy(dtype=np.float64)
    far = 1.15 * float(rows.loc[rows["kind"] != _FRONT, "change"].max())
    near = rows[(rows["kind"] == _FRONT) & (rows["change"] <= far)]
    top = max(float(steps.max()), 1000 * float(near["estimate"].max()), 1.0)
    return min(float(steps.min()), -0.05 * top) * 1.1, 1.1 * top
