"""Arithmetic on the paper's own numbers: what fits together and what does not.

Everything here follows from the transcribed tables (`scr_lens.paper`) and closed formulas; the table in
docs/paper-audit.md is the output of `audit_markdown`, kept equal by a test.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import optimize, special

from scr_lens.analysis.norm_gain import nominal_gain
from scr_lens.analysis.proposition import peak_lower_bound
from scr_lens.paper import PaperData

Finding = Literal["fits", "does not fit", "open"]
A100_TFLOPS = 312.0


@dataclass(frozen=True)
class AuditRow:
    """One computed number about the paper.

    Attributes:
        topic: What is checked.
        quantity: What is computed.
        value: The number.
        paper: What the paper says about it, in words or a number.
        finding: Whether the two fit; "open" when the paper leaves the meaning open.
        digits: Decimals shown.
    """

    topic: str
    quantity: str
    value: float
    paper: str
    finding: Finding
    digits: int = 1


def implied_points(r: float, p_value: float) -> float:
    """Number of independent points for which a Pearson r has a given two-sided p-value.

    Args:
        r: Correlation, 0 < |r| < 1.
        p_value: Two-sided p-value.

    Returns:
        The (fractional) number of points n with p(r, n) = p_value.
    """

    def gap(points: float) -> float:
        t_value = abs(r) * np.sqrt((points - 2) / (1 - r * r))
        return float(np.log(max(2 * special.stdtr(points - 2, -t_value), 1e-300)) - np.log(p_value))

    return float(optimize.brentq(gap, 2.5, 5000.0))


def two_group_correlation(rate_below: float, rate_above: float, overall: float) -> tuple[float, float]:
    """What two group rates and the overall rate say about single questions.

    share below = (overall - above) / (below - above); phi = -(below - above) sqrt(s (1 - s)) / sqrt(p (1 -
    p)).

    Args:
        rate_below: Rate in the group below the threshold.
        rate_above: Rate in the group above it.
        overall: Overall rate.

    Returns:
        Share of questions below the threshold, and the correlation of the outcome with being above it.
    """
    share = (overall - rate_above) / (rate_below - rate_above)
    phi = -(rate_below - rate_above) * np.sqrt(share * (1 - share) / (overall * (1 - overall)))
    return share, float(phi)


def whole_map_gain(lambda_: float, neighbors: float, sources: int, patches: int, applications: int) -> float:
    """Aggregate norm of all image tokens after repeated applications, if all norms start equal and parallel.

    Each application divides a source by lambda and hands (lambda - 1) times it to each neighbor; nothing else
    acts.

    Args:
        lambda_: Strength.
        neighbors: Neighbors per source.
        sources: Number of sources.
        patches: Number of image tokens.
        applications: Number of layers in the range.

    Returns:
        Sum of norms after, divided by the sum before.
    """
    left = lambda_**-applications
    handed = neighbors * (lambda_ - 1) * (1 - left) / (1 - 1 / lambda_)
    return 1 + sources * (left - 1 + handed) / patches


def diagnostic_floor_ms(
    tokens: int, width: int, key_width: int, feed_forward: int, layers: int, tflops: float = A100_TFLOPS
) -> float:
    """Least time of the diagnostic pass: full blocks before the last diagnostic layer at peak throughput.

    Per block 2 n (2 d^2 + 2 d d_kv + 3 d d_ff) for the projections and 2 n^2 d for causal attention.

    Args:
        tokens: Sequence length n.
        width: Model width d.
        key_width: Width of keys (and of values).
        feed_forward: Width of the gated feed-forward layer.
        layers: Number of full blocks.
        tflops: Peak throughput in TFLOP/s.

    Returns:
        Milliseconds.
    """
    weights = 2 * width**2 + 2 * width * key_width + 3 * width * feed_forward
    operations = layers * (2 * tokens * weights + 2 * tokens**2 * width)
    return operations / (tflops * 1e12) * 1e3


def _accuracy_rows(paper: PaperData) -> Iterable[AuditRow]:
    pope = paper.pope_adversarial
    total = pope["accuracy"] + pope["hr"]
    gap = 2 * (100 - pope["accuracy"]) - 2 * pope["hr"]
    topic, said = "accuracy + HR, Tables 1-2", "not discussed"
    yield AuditRow(topic, "rows", len(pope), said, "open", 0)
    yield AuditRow(topic, "smallest sum (percent)", total.min(), said, "open")
    yield AuditRow(topic, "largest sum (percent)", total.max(), said, "open")
    yield AuditRow(topic, "smallest FNR - HR on a balanced split (points)", gap.min(), said, "open")
    yield AuditRow(topic, "largest FNR - HR on a balanced split (points)", gap.max(), said, "open")
    vanilla = pope[pope["method"] == "Vanilla"].set_index("model")["hr"]
    printed = pope.dropna(subset=["hr_reduction"])
    error = (printed["model"].map(vanilla) - printed["hr"] - printed["hr_reduction"]).abs().max()
    yield AuditRow("HR reduction column", "largest deviation (points)", error, "HR vanilla - HR", "fits")


def _size_rows(paper: PaperData) -> Iterable[AuditRow]:
    pope = paper.pope_adversarial
    vanilla = pope[pope["method"] == "Vanilla"]
    absent = paper.stated["pope_questions_per_split"] / 2
    errors = np.sqrt(vanilla["hr"] * (100 - vanilla["hr"]) / absent)
    implied = vanilla["hr"] * (100 - vanilla["hr"]) / vanilla["hr_pm"] ** 2
    topic, said = "POPE size", "1,000 per split"
    yield AuditRow(topic, "questions per split in the benchmark", 3000, said, "does not fit", 0)
    yield AuditRow(
        topic, "smallest binomial error of HR, 500 negatives", errors.min(), "+-0.5 to 0.8", "open"
    )
    yield AuditRow(
        topic, "fewest negatives that give the printed +-", implied.min(), "500 of 1,000", "open", 0
    )
    yield AuditRow(topic, "most negatives that give the printed +-", implied.max(), "500 of 1,000", "open", 0)


def _norm_rows(paper: PaperData) -> Iterable[AuditRow]:
    strength, sources = paper.stated["lambda"], int(paper.stated["n_sources"])
    topic = "norm amplification"
    for name, share in (("51", 0.51), ("48", 0.48), ("56", 0.56)):
        need = (1 + share - 1 / strength) / (strength - 1)
        yield AuditRow(topic, f"neighbors per source for a nominal +{name}%", need, "up to 8", "open", 2)
    six = nominal_gain(strength, 6)
    yield AuditRow(topic, "nominal gain of one application, 6 neighbors", six, "1.51", "fits", 3)
    for patches, layers in ((576, 12), (1024, 16), (256, 16)):
        for times, said in ((1, "1.51"), (layers, "1.48-1.56")):
            gain = whole_map_gain(strength, 6, sources, patches, times)
            quantity = f"sum of norms over {patches} tokens, {times} application(s)"
            yield AuditRow(topic, quantity, gain, said, "open", 3)


def _one_pass_rows(paper: PaperData) -> Iterable[AuditRow]:
    hidden, said = paper.stated["one_pass_hidden"], "120K"
    parameters = 4096 * hidden + hidden + hidden + 1
    width = (paper.stated["one_pass_parameters"] - 2 * hidden - 1) / hidden
    topic = "One-Pass parameters"
    yield AuditRow(topic, "parameters of 4096 -> 256 -> 1", parameters, said, "does not fit", 0)
    yield AuditRow(topic, "input width that gives 120K", width, "layer-0 hidden states", "does not fit", 0)


def _latency_rows(paper: PaperData) -> Iterable[AuditRow]:
    printed = (
        paper.tables[4].query("model == 'Chameleon-30B' and variant == 'Two-Pass SCR'")["latency_ms"].item()
    )
    floor = diagnostic_floor_ms(tokens=1057, width=8192, key_width=1024, feed_forward=22016, layers=16)
    topic = "Chameleon-30B latency"
    yield AuditRow(
        topic, "floor of the diagnostic pass, A100 at peak (ms)", floor, f"+{printed} ms", "does not fit", 0
    )


def _correlation_rows(paper: PaperData) -> Iterable[AuditRow]:
    models = paper.tables[6].dropna(subset=["p_value"])
    points = [implied_points(r, p) for r, p in zip(models["pearson_r"], models["p_value"], strict=True)]
    pope = paper.pope_adversarial
    overall = pope[pope["method"] == "Vanilla"]["hr"].mean() / 100
    below, above = paper.stated["p1_hr_below"] / 100, paper.stated["p1_hr_above"] / 100
    share, phi = two_group_correlation(below, above, overall)
    topic = "P1: r, p and n"
    yield AuditRow(topic, "fewest points that give r and p", min(points), "500 negatives", "does not fit")
    yield AuditRow(topic, "most points that give r and p", max(points), "500 negatives", "does not fit")
    yield AuditRow(
        topic, "share of questions with H < 4.0, from the rates (percent)", 100 * share, "not given", "open"
    )
    mean_r = float(paper.tables[6].set_index("model")["pearson_r"]["Average"])
    yield AuditRow(
        topic, "per-question correlation with H >= 4.0, from the rates", phi, f"{mean_r:g}", "does not fit", 2
    )
    for patches in (256, 576, 1024):
        ratio = paper.stated["p1_threshold_nats"] / np.log(patches)
        yield AuditRow(
            "entropy thresholds", f"4.0 nats as a share of ln {patches}", ratio, "normalized", "open", 3
        )


def _effect_rows(paper: PaperData) -> Iterable[AuditRow]:
    wide = paper.pope_adversarial.pivot(index="model", columns="method", values="hr")
    factor = (wide["Vanilla"] - wide["SCR"]) / (wide["Vanilla"] - wide["Uniform-Smooth"])
    topic = "attention guidance"
    yield AuditRow(
        topic, "smallest ratio of reductions, SCR / Uniform-Smooth", factor.min(), "1.7", "open", 2
    )
    yield AuditRow(topic, "largest ratio of reductions, SCR / Uniform-Smooth", factor.max(), "1.7", "open", 2)
    stated = paper.stated
    net = stated["share_changed"] * (stated["share_corrections"] - stated["share_new_errors"]) / 100
    accuracy = paper.pope_adversarial.pivot(index="model", columns="method", values="accuracy")
    gain = float((accuracy["SCR"] - accuracy["Vanilla"]).mean())
    yield AuditRow(
        "flips", "net accuracy from 15% x (70% - 30%) (points)", net, f"{gain:.1f} (mean, Tables 1-2)", "fits"
    )
    shares = stated["errors_small"] + stated["errors_edge"] + stated["errors_ambiguous"]
    yield AuditRow("failure modes", "sum of the three shares (percent)", shares, "may overlap", "open", 0)


def _caption_rows(paper: PaperData) -> Iterable[AuditRow]:
    chair = paper.tables[5].set_index("model")
    models = chair.drop("Average")
    error = float(np.abs(models.mean().to_numpy() - chair.loc[["Average"]].to_numpy()).max())
    yield AuditRow("CHAIR", "largest deviation of the average row (points)", error, "Table 5", "fits", 2)
    for kind, said in (("s", "42-51"), ("i", "44-53")):
        cut = 100 * (1 - models[f"chair_{kind}_scr"] / models[f"chair_{kind}_vanilla"])
        for name, number in (("smallest", cut.min()), ("largest", cut.max())):
            yield AuditRow("CHAIR", f"{name} relative cut of CHAIR-{kind} (percent)", number, said, "fits", 0)


def _proposition_rows(paper: PaperData) -> Iterable[AuditRow]:
    strength = paper.stated["lambda"]
    said = f"at least {1 / strength:.4f}"
    bound = peak_lower_bound(strength)
    yield AuditRow("Proposition", "smallest peak after / before, lambda 1.1", bound, said, "does not fit", 4)


def audit_rows(paper: PaperData) -> list[AuditRow]:
    """All checks of the paper against itself.

    Args:
        paper: The transcribed numbers (`scr_lens.paper.load()`).

    Returns:
        One row per computed number, grouped by topic.
    """
    claims = (_accuracy_rows, _size_rows, _correlation_rows, _norm_rows, _proposition_rows)
    parts = (*claims, _one_pass_rows, _latency_rows, _effect_rows, _caption_rows)
    return [row for part in parts for row in part(paper)]


def audit_table(paper: PaperData) -> pd.DataFrame:
    """The checks as a frame.

    Args:
        paper: The transcribed numbers.

    Returns:
        Columns topic, quantity, value, paper, finding.
    """
    rows = [(row.topic, row.quantity, float(row.value), row.paper, row.finding) for row in audit_rows(paper)]
    return pd.DataFrame(rows, columns=["topic", "quantity", "value", "paper", "finding"])


def audit_markdown(paper: PaperData) -> str:
    """The checks as the Markdown table of docs/paper-audit.md.

    Args:
        paper: The transcribed numbers.

    Returns:
        A table with one line per number.
    """
    lines = ["| topic | computed | value | the paper | finding |", "|---|---|---:|---|---|"]
    for row in audit_rows(paper):
        shown = f"{row.value:,.{row.digits}f}"
        lines.append(f"| {row.topic} | {row.quantity} | {shown} | {row.paper} | {row.finding} |")
    return "\n".join(lines)
