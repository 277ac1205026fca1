"""Reports: every claim of the paper next to what was measured, as HTML and Markdown.

A claim is a sentence with the paper's number (`claims/claims.csv`) and one function from evidence to a
result; renderers know nothing of claims.
"""

from scr_lens.report.across import build_index, corrected
from scr_lens.report.build import build_report
from scr_lens.report.claim import Claim, ClaimResult
from scr_lens.report.claims.registry import assess, claims
from scr_lens.report.rows import results_table
from scr_lens.report.writing import Reported, write_index, write_report

__all__ = [
    "Claim",
    "ClaimResult",
    "Reported",
    "assess",
    "build_index",
    "build_report",
    "claims",
    "corrected",
    "results_table",
    "write_index",
    "write_report",
]
