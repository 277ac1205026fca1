"""The paper's number for every claim, as text, computed from its tables and stated values."""

from functools import cache

import pandas as pd

from scr_lens.paper import load, stated, table, value
from scr_lens.report.claim import DASH, MINUS

_BASELINES = {
    "opera": "OPERA",
    "vcd": "VCD",
    "avcd": "OA-VCD",
    "vli": "VLI",
    "crops": "CRoPS",
    "sid": "SID",
}
_MODEL = "Chameleon-7B"


@cache
def paper_numbers() -> dict[str, str]:
    """The paper's numbers.

    Returns:
        Text per claim id, in the unit of the claim; claims without a number are left out.
    """
    return {**_mechanism(), **_benefit(), **_captions(), **_ablations(), **_rest()}


def paper_number(claim_id: str) -> str:
    """The paper's number for a claim, an en dash when it gives none."""
    return paper_numbers().get(claim_id, DASH)


def baselines() -> tuple[str, ...]:
    """Conditions of the paper's baselines; they are not part of every run."""
    return tuple(_BASELINES)


def _number(number: float, unit: str = "", *, digits: int = 1, signed: bool = True) -> str:
    text = f"{number:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)
    return f"{text} {unit}".rstrip()


def _span(values: pd.Series, unit: str = "pp") -> str:
    return f"{_number(values.min())} to {_number(values.max(), unit)}"


def _wide(column: str) -> pd.DataFrame:
    return load().pope_adversarial.pivot(index="model", columns="method", values=column)


def _mechanism() -> dict[str, str]:
    r = _number(stated("norm_credit_r"), digits=2, signed=False)
    mean = float(table(6).set_index("model")["pearson_r"]["Average"])
    binned = _number(mean, digits=2)
    return {
        **dict.fromkeys(("EF1-grad_norm", "EF1-grad_dot", "EF1-attention", "EF1-map"), r),
        **dict.fromkeys(("P1", "P1-norm"), f"{binned} over bins"),
        "P1-binned": binned,
        "P1-groups": _number(stated("p1_hr_below") - stated("p1_hr_above"), "pp"),
        "P2": _number(stated("p2_gain_low") - stated("p2_gain_high"), "pp"),
        "rho": _number(stated("autocorrelation_sqrt2"), digits=2, signed=False),
        "P3": "confirmed, no number",
        "P4": "confirmed, no number",
    }


def _benefit() -> dict[str, str]:
    hr, splits = _wide("hr"), table(3)
    splits["gain"] = splits["hr_vanilla"] - splits["hr_scr"]
    one_pass = table(4).query("variant == 'One-Pass SCR'").set_index("model")["hr"]
    adversarial = _span(hr["Vanilla"] - hr["SCR"])
    return {
        "SCR": adversarial,
        "SCR-chosen": adversarial,
        "SCR-popular": _span(splits.query("split == 'popular'")["gain"]),
        "SCR-random": _span(splits.query("split == 'random'")["gain"]),
        "accuracy": _span(_wide("accuracy")["SCR"] - _wide("accuracy")["Vanilla"]),
        "uniform": _span(hr["Vanilla"] - hr["Uniform-Smooth"]),
        "guidance": _span(hr["Uniform-Smooth"] - hr["SCR"]),
        "one-pass": _span(hr["Vanilla"] - one_pass),
        **{f"against-{name}": _span(hr[printed] - hr["SCR"]) for name, printed in _BASELINES.items()},
    }


def _captions() -> dict[str, str]:
    chair = table(5).query("model != 'Average'")
    cuts = {kind: _span(chair[f"chair_{kind}_vanilla"] - chair[f"chair_{kind}_scr"]) for kind in "si"}
    cider = _span(_wide("cider")["SCR"] - _wide("cider")["Vanilla"], "points")
    return {"CIDEr": cider, "CHAIR-s": cuts["s"], "CHAIR-i": cuts["i"]}


def _ablations() -> dict[str, str]:
    eight = stated("hr_topology_8")
    vanilla = value(1, "hr", model=_MODEL, method="Vanilla")
    return {
        "topology-4": _number(stated("hr_topology_4") - eight, "pp"),
        "topology-radius-2": _number(stated("hr_topology_radius_2") - eight, "pp"),
        "noise": _number(stated("noise_hr") - vanilla, "pp"),
        "noise-signal": _number(stated("noise_hr") - eight, "pp"),
        "noise-entropy": f"up, to {stated('noise_entropy_nats'):g} nats",
        "heads": f"{stated('head_share_benefit'):g}% kept",
        **dict.fromkeys(("best-lambda", "best-K", "best-layers"), "best of those tested"),
    }


def _rest() -> dict[str, str]:
    two = table(4).query("variant == 'Two-Pass SCR'")["latency_ms"]
    return {
        "norm-gain": f"+{stated('norm_increase_low'):g} to +{stated('norm_increase_high'):g} %",
        "nominal-gain": f"+{stated('norm_amplification'):g} %",
        "peak": f"at least {1 / stated('lambda'):.4f}",
        **{
            f"errors-{name}": f"{stated(f'errors_{name}'):g}% of the errors"
            for name in ("small", "edge", "ambiguous")
        },
        "changed": f"{stated('share_changed'):g} %",
        "corrections": f"{stated('share_corrections'):g} %",
        "cost": f"+{two.min():.0f} to +{two.max():.0f} ms on an A100",
    }
