"""Causal tests as pure statistics: record frames in, clustered estimates and verdicts out.

A *record* here is one row of a causal test (`scr_lens.causal` computes them); what each test needs is said at
its function. Verdicts follow `rules.CAUSAL_RULES`, fixed before any data.
"""

from scr_lens.analysis.causal.answer_direction import AnswerDirection, answer_direction
from scr_lens.analysis.causal.choice import Choice, choose_setting
from scr_lens.analysis.causal.credit_agreement import CreditAgreement, credit_agreement
from scr_lens.analysis.causal.dose_response import DoseResponse, dose_response
from scr_lens.analysis.causal.rules import CAUSAL_RULES
from scr_lens.analysis.causal.scene_prior import ScenePrior, scene_prior

__all__ = [
    "CAUSAL_RULES",
    "AnswerDirection",
    "Choice",
    "CreditAgreement",
    "DoseResponse",
    "ScenePrior",
    "answer_direction",
    "choose_setting",
    "credit_agreement",
    "dose_response",
    "scene_prior",
]
