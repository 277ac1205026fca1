"""Do captions hallucinate less, and do they stay as good?"""

import pandas as pd

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.clusters import image_totals
from scr_lens.analysis.conditions import MissingEvidenceError
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.statistic import RATIO_DIFFERENCE
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.evidence import Evidence
from scr_lens.report.claims.common import judged, needed

_WHAT = "captions under vanilla and scr"


def paired_captions(evidence: Evidence, treated: str = "scr") -> pd.DataFrame:
    """Scores of the same images' captions before and after.

    Args:
        evidence: What is stored.
        treated: Condition of interest.

    Returns:
        One row per image; columns of the scored captions with `_before` and `_after`.

    Raises:
        MissingEvidenceError: If a condition has no captions.
    """
    table = needed(evidence.captions, _WHAT)
    before, after = (table[table["condition"] == name] for name in ("vanilla", treated))
    paired = before.merge(after, on="image_id", suffixes=("_before", "_after"), validate="one_to_one")
    if paired.empty:
        raise MissingEvidenceError(f"needs captions under vanilla and {treated} of the same images")
    return paired


def cider_change(evidence: Evidence) -> PredictionResult:
    """Change of CIDEr by SCR.

    Args:
        evidence: What is stored.

    Returns:
        CIDEr-D x 100 after minus before, with the verdict of rule CIDEr.
    """
    rows = paired_captions(evidence)
    images = rows["image_id"].tolist()
    change = mean_interval((rows["cider_after"] - rows["cider_before"]).to_numpy(), images)
    caveat = "document frequencies come from the captioned images only; levels differ from published ones"
    return judged("CIDEr", change, len(rows), "CIDEr-D x 100, paired", caveats=(caveat,), threshold=-0.8)


def chair_s(evidence: Evidence) -> PredictionResult:
    """Reduction of CHAIR-s: captions with an absent object.

    Args:
        evidence: What is stored.

    Returns:
        CHAIR-s before minus after, with the verdict of rule CHAIR.
    """
    rows = paired_captions(evidence)
    change = ((rows["n_hallucinated_before"] > 0) * 1.0 - (rows["n_hallucinated_after"] > 0)).to_numpy()
    found = mean_interval(change, rows["image_id"].tolist())
    p_value = sign_flip_test(change)
    return judged("CHAIR", found, len(rows), "share of captions, paired", p_value=p_value)


def chair_i(evidence: Evidence) -> PredictionResult:
    """Reduction of CHAIR-i: mentions of absent objects among all mentions.

    Args:
        evidence: What is stored.

    Returns:
        CHAIR-i before minus after, with the verdict of rule CHAIR.
    """
    rows = paired_captions(evidence)
    columns = ["n_hallucinated_before", "n_mentions_before", "n_hallucinated_after", "n_mentions_after"]
    totals = image_totals(rows[columns].to_numpy(), rows["image_id"].tolist())
    found = cluster_interval(totals, RATIO_DIFFERENCE)
    return judged("CHAIR", found, len(rows), "share of mentions, paired")
