"""Edits of the residual stream as pure tensor code: the method, its controls and their registry."""

from scr_lens.interventions.base import Identity, Intervention
from scr_lens.interventions.controls import GaussianNoise, ScaleNeighbors, uniform_plan
from scr_lens.interventions.plan import RedistributionPlan, dense_operator
from scr_lens.interventions.redistribution import Redistribution, redistribute
from scr_lens.interventions.registry import METHODS, Method, find_method
from scr_lens.interventions.selection import scramble, select

__all__ = [
    "METHODS",
    "GaussianNoise",
    "Identity",
    "Intervention",
    "Method",
    "Redistribution",
    "RedistributionPlan",
    "ScaleNeighbors",
    "dense_operator",
    "find_method",
    "redistribute",
    "scramble",
    "select",
    "uniform_plan",
]
