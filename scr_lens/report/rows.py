"""Results of claims as rows of a CSV file."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from scr_lens.report.claim import ClaimResult
from scr_lens.report.claims.registry import claims


def results_table(results: Mapping[str, ClaimResult]) -> pd.DataFrame:
    """Every claim with the paper's number and ours.

    Args:
        results: Result per claim.

    Returns:
        One row per claim; numbers in natural units (rates in [0, 1]), `measured` as printed.
    """
    sections = {claim.id: claim.section for claim in claims()}
    rows = [
        {
            "id": name,
            "section": sections[name],
            "claim": found.claim,
            "paper": found.paper,
            "measured": found.measured,
            "estimate": found.estimate,
            "ci_low": found.low,
            "ci_high": found.high,
            "p_value": float("nan") if found.prediction is None else found.prediction.p_value,
            "detectable": found.detectable,
            "n_images": found.n_images,
            "n_questions": found.n_questions,
            "verdict": found.outcome,
            "how": found.how,
            "rule": found.rule,
            "caveats": "; ".join(found.caveats),
        }
        for name, found in results.items()
    ]
    return pd.DataFrame(rows)
