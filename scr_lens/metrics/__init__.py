"""Pure scorers of answers: text in, numbers out, no model.

An *answer* is what a model wrote; a *rule* turns it into yes, no or unparsed; *metrics* count the outcome.
"""

from scr_lens.metrics.answers import ParsedAnswer, ParseRule, parse_answer
from scr_lens.metrics.pope import (
    PopeMetrics,
    pope_metrics,
    pope_metrics_from_probabilities,
    score_answers,
    score_files,
)

__all__ = [
    "ParseRule",
    "ParsedAnswer",
    "PopeMetrics",
    "parse_answer",
    "pope_metrics",
    "pope_metrics_from_probabilities",
    "score_answers",
    "score_files",
]
