"""Figure 3 (P2) and P3: the gain by entropy and by spatial autocorrelation."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scr_lens.analysis.conditions import MissingEvidenceError, main_split, require_conditions
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.rate_reduction import gain_of
from scr_lens.analysis.records import absent_questions, normalized_entropy, pair_conditions
from scr_lens.analysis.strata import gains_by_stratum
from scr_lens.analysis.unchanged import unchanged_bound
from scr_lens.evidence import Evidence
from scr_lens.evidence.evidence import P3_MEASURE
from scr_lens.figures.paper.parts import (
    MEASURED,
    PAPER,
    PAPER_COLOR,
    draw_points,
    footnote,
    measured_row,
    name_ticks,
    numbers,
    of_source,
    paper_row,
    side_by_side,
    sizes,
    zero_line,
)
from scr_lens.figures.style import PAGE_WIDTH, PALETTE, finish, house_style, new_figure
from scr_lens.paper import stated


def _paired(evidence: Evidence) -> pd.DataFrame:
    require_conditions(evidence.answers, "vanilla", "scr")
    return absent_questions(pair_conditions(main_split(evidence.answers), "vanilla", "scr"))


def _strata_rows(strata: pd.DataFrame) -> list[dict[str, object]]:
    strata = strata.copy()
    unchanged = strata["estimate"].eq(0) & strata["ci_low"].eq(strata["ci_high"])
    bounds = strata.loc[unchanged, "n_images"].map(unchanged_bound)
    strata.loc[unchanged, "ci_low"], strata.loc[unchanged, "ci_high"] = -bounds, bounds
    return [
        {
            "source": MEASURED,
            "kind": "gain",
            "stratum": f"{row.low_edge:.3f}\nto {row.high_edge:.3f}",
            "estimate": row.estimate,
            "ci_low": row.ci_low,
            "ci_high": row.ci_high,
            "n_images": row.n_images,
            "n_questions": row.n_questions,
        }
        for row in strata.itertuples()
    ]


def collect_entropy_gain(evidence: Evidence) -> pd.DataFrame:
    """Reduction of the hallucination rate by quarter of baseline entropy.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels kind and stratum; reductions in [-1, 1], positive where SCR helps.

    Raises:
        DataError: If conditions are missing or ties leave a stratum empty.
    """
    rows = _paired(evidence)
    strata = gains_by_stratum(normalized_entropy(rows), gain_of(rows), rows["image_id"].tolist())
    paper = [
        paper_row(kind="gain", stratum=text, estimate=stated(name) / 100)
        for text, name in (("H < 3.5\nnats", "p2_gain_low"), ("H > 4.5\nnats", "p2_gain_high"))
    ]
    return numbers([*paper, *_strata_rows(strata)], ["kind", "stratum"])


@house_style()
def draw_entropy_gain(table: pd.DataFrame) -> Figure:
    """Draw Figure 3.

    Args:
        table: Output of `collect_entropy_gain`.

    Returns:
        The paper's two groups and our quarters, one scale.
    """
    figure, left, right = side_by_side(5.6, 2.9)
    for axes, source, color in ((left, PAPER, PAPER_COLOR), (right, MEASURED, PALETTE[0])):
        rows = of_source(table, source)
        zero_line(axes)
        draw_points(axes, rows, range(len(rows)), color=color)
        name_ticks(axes, rows["stratum"].tolist())
    left.set_ylabel("reduction of hallucination rate (pp)")
    left.set_xlabel("mean of six models")
    right.set_xlabel("quarter of attention entropy H / ln N before SCR")
    left.margins(y=0.12)
    rows = of_source(table, MEASURED)
    footnote(figure, sizes(rows, "questions about absent objects in a quarter"))
    return finish(figure)


def collect_autocorrelation(evidence: Evidence) -> pd.DataFrame:
    """Autocorrelation of the images by distance, and the gain by its thirds.

    Args:
        evidence: What is stored.

    Returns:
        Numbers with labels kind ("rho" or "gain") and stratum (distance in patches, or edges of the third).

    Raises:
        MissingEvidenceError: If the images' autocorrelation is unknown.
    """
    profile = evidence.autocorrelation
    if profile is None:
        raise MissingEvidenceError(
            "needs the autocorrelation of the images; run `scr-lens report` on the model"
        )
    pixels = profile[profile["measure"] == P3_MEASURE].dropna()
    rows = [paper_row(kind="rho", stratum=f"{2**0.5:.3f}", estimate=stated("autocorrelation_sqrt2"))]
    for distance, part in pixels.groupby("distance", sort=True):
        found = mean_interval(part["rho"].to_numpy(), part["image_id"].tolist())
        rows.append(measured_row(found, len(part), kind="rho", stratum=f"{float(str(distance)):.3f}"))
    paired = _paired(evidence).dropna(subset=["autocorrelation"])
    values = paired["autocorrelation"].to_numpy(dtype=np.float64)
    strata = gains_by_stratum(values, gain_of(paired), paired["image_id"].tolist(), n_strata=3)
    return numbers([*rows, *_strata_rows(strata)], ["kind", "stratum"])


@house_style()
def draw_autocorrelation(table: pd.DataFrame) -> Figure:
    """Draw P3.

    Args:
        table: Output of `collect_autocorrelation`.

    Returns:
        Left the profile with the paper's value; right the gain by third of autocorrelation.
    """
    figure = new_figure(PAGE_WIDTH, 2.8)
    left, right = figure.subplots(1, 2)
    for source, color, marker in ((MEASURED, PALETTE[0], "o"), (PAPER, PAPER_COLOR, "D")):
        rows = of_source(table[table["kind"] == "rho"], source)
        draw_points(
            left, rows, rows["stratum"].astype(float), factor=1, color=color, marker=marker, label=source
        )
    zero_line(left)
    left.set_xlabel("distance (patches)")
    left.set_ylabel("correlation of pixel patches, \N{GREEK SMALL LETTER RHO}")
    left.set_title("autocorrelation of the images")
    left.legend()
    gains = of_source(table[table["kind"] == "gain"], MEASURED)
    zero_line(right)
    draw_points(right, gains, range(len(gains)))
    name_ticks(right, gains["stratum"].tolist())
    right.set_xlabel("third of \N{GREEK SMALL LETTER RHO}(\N{SQUARE ROOT}2)")
    right.set_ylabel("reduction of hallucination rate (pp)")
    right.set_title("P3: gain by autocorrelation")
    right.margins(y=0.15)
    footnote(figure, sizes(gains, "questions about absent objects in a third"))
    return finish(figure)
