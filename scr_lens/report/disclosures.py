"""What was decided or changed after data had been seen: said wherever a verdict depends on it."""

from collections.abc import Mapping
from types import MappingProxyType

AFTER_DATA = "(rule partly set after first data)"
"""What follows a verdict in a summary that a disclosure concerns."""

CAUSAL_DISCLOSURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "dose": (
            "Decided after first results had been seen: doses count as an instrument only if they move "
            "mean entropy by at least 0.05 standard deviations, beyond chance, and in one direction below "
            "and above no intervention.",
            "Added after first results had been seen: the instrument that acts at all blocks, and the doses "
            "0.9 and 1.1.",
        ),
        "direction": (
            "Defined after first results had been seen: the depth from which on yes and no lie apart.",
        ),
    }
)
"""Disclosures by causal test."""

CLAIM_DISCLOSURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SCR-chosen": (
            "the grid of settings to choose from was changed after first results had been seen, and is no "
            "part of a plan fixed before the data",
        ),
        "cost": (
            "the measure was replaced after first results had been seen: it was the ratio of a run's own "
            "wall times, whose conditions share work",
        ),
    }
)
"""Disclosures by claim."""

GENERAL_DISCLOSURES: tuple[str, ...] = (
    "Where not a single image changed, the interval was a point at first. It was replaced by the bound above "
    'after such a result had been seen; a verdict "not supported" became "inconclusive" where the bound '
    "reaches the smallest relevant value.",
    "Methods that a run does not hold are read from the comparison of all methods of the same revision. This "
    "was decided after a first comparison had been seen; the rules are those fixed before.",
    "The experiment was made smaller, to finish six organisms within an hour, after results of a larger "
    "one had been seen on some of them, first on llava-small: ablations from 300 images and questions of "
    "both kinds to 200 and questions about absent objects, the choice of settings from 80 validation "
    "images to 40, Uniform-Smooth from all splits to the adversarial one, and chosen settings to its "
    "questions about absent objects. What these sizes can detect stands beside each claim.",
)
"""Disclosures that concern every claim."""


def mark(test: str) -> str:
    """What follows a causal test's verdict in a summary; empty where no disclosure concerns it."""
    return f" {AFTER_DATA}" if test in CAUSAL_DISCLOSURES else ""


def all_disclosures() -> tuple[str, ...]:
    """Every disclosure with what it concerns, for the rules of a report."""
    causal = (f"Causal test {name}: {text}" for name, texts in CAUSAL_DISCLOSURES.items() for text in texts)
    claims = (f"Claim {name}: {text}." for name, texts in CLAIM_DISCLOSURES.items() for text in texts)
    return (*GENERAL_DISCLOSURES, *claims, *causal)
