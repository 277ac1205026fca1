"""The paper's figures and tables by id."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import pandas as pd
from matplotlib.figure import Figure

from scr_lens.errors import ConfigError, unknown_name
from scr_lens.evidence import Evidence
from scr_lens.figures.paper.ablations import (
    collect_conditions,
    collect_heads,
    collect_noise,
    collect_topology,
    draw_conditions,
    draw_heads,
    draw_noise,
    draw_topology,
)
from scr_lens.figures.paper.cost import collect_cost, collect_variants
from scr_lens.figures.paper.entropy import collect_entropy, draw_entropy
from scr_lens.figures.paper.failures import collect_failures, draw_failures
from scr_lens.figures.paper.layers import (
    collect_norm_credit,
    collect_norm_gain,
    draw_norm_credit,
    draw_norm_gain,
)
from scr_lens.figures.paper.strata import (
    collect_autocorrelation,
    collect_entropy_gain,
    draw_autocorrelation,
    draw_entropy_gain,
)
from scr_lens.figures.paper.strength import collect_strength, draw_strength
from scr_lens.figures.paper.tables import (
    collect_chair,
    collect_correlations,
    collect_main,
    collect_splits,
)
from scr_lens.figures.paper.trade_off import collect_trade_off, draw_trade_off
from scr_lens.figures.paper.trends import collect_trends, draw_trends


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """A figure with the paper's numbers next to ours.

    Attributes:
        id: Name on the command line and of the files.
        description: One line on what it shows.
        collect: Makes the numbers from evidence.
        draw: Makes the figure from the numbers alone.
    """

    id: str
    description: str
    collect: Callable[[Evidence], pd.DataFrame] = field(repr=False)
    draw: Callable[[pd.DataFrame], Figure] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of the paper with our rows.

    Attributes:
        id: Name on the command line and of the files.
        description: One line on what it shows.
        collect: Makes the numbers from evidence.
        headings: Heading of every column shown, in order.
    """

    id: str
    description: str
    collect: Callable[[Evidence], pd.DataFrame] = field(repr=False)
    headings: Mapping[str, str] = field(repr=False)


_FIGURES = (
    PaperFigure(
        id="figure-2",
        description="Hallucination rates of all models and splits.",
        collect=collect_trends,
        draw=draw_trends,
    ),
    PaperFigure(
        id="figure-3",
        description="P2: gain by entropy before SCR.",
        collect=collect_entropy_gain,
        draw=draw_entropy_gain,
    ),
    PaperFigure(
        id="figure-4a",
        description="Topology of the neighborhood.",
        collect=collect_topology,
        draw=draw_topology,
    ),
    PaperFigure(id="figure-4b", description="Signal against noise.", collect=collect_noise, draw=draw_noise),
    PaperFigure(
        id="figure-4c",
        description="Share of heads that guide the selection.",
        collect=collect_heads,
        draw=draw_heads,
    ),
    PaperFigure(
        id="c1-norm-credit",
        description="EF1: norm against credit, layer by layer.",
        collect=collect_norm_credit,
        draw=draw_norm_credit,
    ),
    PaperFigure(
        id="c2-norm-gain",
        description="Growth of the total norm, layer by layer.",
        collect=collect_norm_gain,
        draw=draw_norm_gain,
    ),
    PaperFigure(
        id="proposition",
        description="The Proposition: entropy gained against change of the norms, and SCR's step.",
        collect=collect_trade_off,
        draw=draw_trade_off,
    ),
    PaperFigure(
        id="p1-entropy",
        description="P1: hallucination rate by entropy, groups and bins.",
        collect=collect_entropy,
        draw=draw_entropy,
    ),
    PaperFigure(
        id="p3-autocorrelation",
        description="P3: gain by spatial autocorrelation.",
        collect=collect_autocorrelation,
        draw=draw_autocorrelation,
    ),
    PaperFigure(
        id="p4-strength", description="P4: gain against lambda.", collect=collect_strength, draw=draw_strength
    ),
    PaperFigure(
        id="all-conditions",
        description="Every condition against the untouched model.",
        collect=collect_conditions,
        draw=draw_conditions,
    ),
    PaperFigure(
        id="failures",
        description="Failure modes and misses by size.",
        collect=collect_failures,
        draw=draw_failures,
    ),
)

_SIZES = {"n_images": "images", "n_questions": "questions"}
_MAIN = {
    "source": "",
    "model": "model",
    "method": "method",
    "hr": "HR %",
    "accuracy": "accuracy %",
    "cider": "CIDEr",
    "hr_reduction": "HR reduction, pp",
    **_SIZES,
}

_TABLES = (
    PaperTable(
        id="table-1",
        description="Table 1: four models of 7B on the adversarial split.",
        collect=partial(collect_main, number=1),
        headings=_MAIN,
    ),
    PaperTable(
        id="table-2",
        description="Table 2: two large models on the adversarial split.",
        collect=partial(collect_main, number=2),
        headings=_MAIN,
    ),
    PaperTable(
        id="table-3",
        description="Table 3: all splits.",
        collect=collect_splits,
        headings={
            "source": "",
            "model": "model",
            "split": "split",
            "hr_vanilla": "HR % vanilla",
            "hr_scr": "HR % SCR",
            "hr_reduction": "HR reduction, pp",
            **_SIZES,
        },
    ),
    PaperTable(
        id="table-4",
        description="Table 4: two-pass and One-Pass SCR.",
        collect=collect_variants,
        headings={
            "source": "",
            "model": "model",
            "variant": "variant",
            "hr": "HR %",
            "accuracy": "accuracy %",
            "latency_ms": "added time, ms",
            **_SIZES,
            "timing": "timing",
        },
    ),
    PaperTable(
        id="table-5",
        description="Table 5: CHAIR of captions.",
        collect=collect_chair,
        headings={
            "source": "",
            "model": "model",
            "chair_s_vanilla": "CHAIR-s % vanilla",
            "chair_s_scr": "CHAIR-s % SCR",
            "chair_i_vanilla": "CHAIR-i % vanilla",
            "chair_i_scr": "CHAIR-i % SCR",
            "n_images": "captions",
        },
    ),
    PaperTable(
        id="table-6",
        description="Table 6: entropy against hallucination.",
        collect=collect_correlations,
        headings={"source": "", "model": "model", "pearson_r": "Pearson r", "p_value": "p", **_SIZES},
    ),
    PaperTable(
        id="table-cost",
        description="Cost: time per question of every method alone, as `scr-lens compare` measures it.",
        collect=collect_cost,
        headings={
            "source": "",
            "model": "model",
            "method": "method",
            "added_ms": "added, ms",
            "alone_ms": "alone, ms",
            "ratio": "ratio to vanilla [quartiles]",
            "n_questions": "questions timed",
            "timing": "timing",
        },
    ),
)

PAPER_FIGURES: Mapping[str, PaperFigure] = MappingProxyType({entry.id: entry for entry in _FIGURES})
"""All figures by id, in the order to draw them."""

PAPER_TABLES: Mapping[str, PaperTable] = MappingProxyType({entry.id: entry for entry in _TABLES})
"""All tables by id."""


def find_entry(entry_id: str) -> PaperFigure | PaperTable:
    """Look up a figure or table.

    Args:
        entry_id: Its id.

    Returns:
        The entry.

    Raises:
        ConfigError: If there is none of that id; the message names the closest one.
    """
    known: dict[str, PaperFigure | PaperTable] = {**PAPER_FIGURES, **PAPER_TABLES}
    if entry_id not in known:
        raise ConfigError(unknown_name("figure or table", entry_id, known))
    return known[entry_id]
