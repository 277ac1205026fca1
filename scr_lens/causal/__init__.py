"""Causal tests: set something from outside, see what the answer does.

A *test* asks a model under its own interventions and keeps one small record per question and setting in a
*ledger*; `scr_lens.analysis.causal` turns records into estimates with intervals and verdicts. Every test can
be stopped at any time and gone on with by the same call.

    from scr_lens.causal import TESTS, Asked
    records = TESTS["dose"].run(lens, Asked.of_world(lens, "test", 50, folder), "runs/causal")
    outcome = TESTS["dose"].analyze(records)
"""

from scr_lens.causal.asked import Asked
from scr_lens.causal.choice import (
    Grid,
    Setting,
    choose,
    default_grid,
    read_choice,
    require_validation,
    write_choice,
)
from scr_lens.causal.credit import CreditSettings, run_credit
from scr_lens.causal.direction import DirectionSettings, run_direction
from scr_lens.causal.dose import DoseSettings, run_doses
from scr_lens.causal.ledger import Ledger, read_ledger
from scr_lens.causal.prior import PriorSettings, run_prior
from scr_lens.causal.registry import TESTS, CausalTest, Outcome, find_test

__all__ = [
    "TESTS",
    "Asked",
    "CausalTest",
    "CreditSettings",
    "DirectionSettings",
    "DoseSettings",
    "Grid",
    "Ledger",
    "Outcome",
    "PriorSettings",
    "Setting",
    "choose",
    "default_grid",
    "find_test",
    "read_choice",
    "read_ledger",
    "require_validation",
    "run_credit",
    "run_direction",
    "run_doses",
    "run_prior",
    "write_choice",
]
