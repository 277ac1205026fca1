"""Every causal test by name: how it is run and how its records are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from scr_lens.analysis.causal import answer_direction, credit_agreement, dose_response, scene_prior
from scr_lens.analysis.verdict import PredictionResult
from scr_lens.causal.asked import Asked
from scr_lens.causal.credit import ESTIMATED, CreditSettings, run_credit
from scr_lens.causal.direction import DirectionSettings, run_direction
from scr_lens.causal.dose import DoseSettings, run_doses
from scr_lens.causal.prior import PriorSettings, run_prior
from scr_lens.config import ScrConfig
from scr_lens.errors import ConfigError, unknown_name
from scr_lens.trace import Lens


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a test found.

    Attributes:
        findings: Results with verdicts.
        tables: Plot-ready tables by name.
        results: The whole results of the analysis by name, which figures draw.
        remarks: What the findings say together, in sentences.
    """

    findings: tuple[PredictionResult, ...]
    tables: Mapping[str, pd.DataFrame]
    results: Mapping[str, Any]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CausalTest:
    """A causal test.

    Attributes:
        name: Name in commands and folders.
        title: What it asks, in a few words.
        settings: Its default settings.
        run: Makes or completes its records.
        analyze: Turns records into an outcome.
    """

    name: str
    title: str
    settings: Any
    run: Callable[..., pd.DataFrame]
    analyze: Callable[[pd.DataFrame], Outcome]

    def with_settings(self, *, n_images: int | None = None, scr: ScrConfig | None = None) -> Any:
        """The default settings with another size, or with settings chosen on validation scenes.

        Args:
            n_images: Images; None keeps the default.
            scr: Settings of SCR; None keeps the paper's. The credit test takes the diagnostic part.

        Returns:
            Settings to give to `run`.
        """
        changes: dict[str, Any] = {} if n_images is None else {"n_images": n_images}
        if scr is not None:
            changes |= {"diagnostic": scr.diagnostic} if self.name == "credit" else {"scr": scr}
        return replace(self.settings, **changes)

    def carry_out(self, lens: Lens, asked: Asked, run: str | Path, settings: Any | None = None) -> Outcome:
        """Run the test as far as it is not done, and analyze it."""
        return self.analyze(self.run(lens, asked, run, settings or self.settings))


def _credit(frame: pd.DataFrame) -> Outcome:
    n_patches = len(frame["ablation"].iloc[0])
    top_k = ScrConfig().resolved_n_sources(n_patches)
    found = credit_agreement(frame, estimators=ESTIMATED, top_k=top_k)
    tables = {"agreement": found.table, "contrasts": found.contrasts, "effect": found.effect}
    remarks = [
        f"best estimator of ablation at block {layer}: {name}" for layer, name in sorted(found.best.items())
    ]
    return Outcome(found.findings, tables, {"credit": found}, tuple(remarks))


def _dose(frame: pd.DataFrame) -> Outcome:
    found = {name: dose_response(frame, entropy=name) for name in ("attention", "norm")}
    tables: dict[str, pd.DataFrame] = {}
    for name, result in found.items():
        tables |= {f"doses-{name}": result.doses, f"slopes-{name}": result.slopes}
        tables[f"links-{name}"] = pd.DataFrame(
            [
                {"quantity": quantity, **mean.to_row()}
                for quantity, mean in {
                    "association per sd": result.association,
                    **result.disagreement,
                }.items()
            ]
        )
    findings = tuple(finding for result in found.values() for finding in result.findings)
    remarks = [f"{r.entropy} entropy as a cause of yes: {r.overall} ({r.reason})" for r in found.values()]
    return Outcome(findings, tables, found, tuple(remarks))


def _prior(frame: pd.DataFrame) -> Outcome:
    found = scene_prior(frame)
    return Outcome(found.findings, {"prior": found.table, "interaction": found.interaction}, {"prior": found})


def _direction(frame: pd.DataFrame) -> Outcome:
    found = answer_direction(frame)
    tables = {"profiles": found.profiles, "changes": found.changes, "decided": found.decided}
    remarks = [
        f"{objects} objects: yes and no lie apart from depth {depth:.0f} on (block {depth - 1:.0f})"
        for objects, depth in zip(found.decided["objects"], found.decided["depth"], strict=True)
        if depth == depth
    ]
    return Outcome(found.findings, tables, {"direction": found}, tuple(remarks))


_ALL = (
    CausalTest(
        name="credit",
        title="which cheap estimator finds the patches that the answer depends on",
        settings=CreditSettings(),
        run=run_credit,
        analyze=_credit,
    ),
    CausalTest(
        name="dose",
        title="does hallucination follow when entropy is set from outside",
        settings=DoseSettings(),
        run=run_doses,
        analyze=_dose,
    ),
    CausalTest(
        name="prior",
        title="is a false yes driven by the background, and does SCR act on that",
        settings=PriorSettings(),
        run=run_prior,
        analyze=_prior,
    ),
    CausalTest(
        name="direction",
        title="where in depth the answer is decided, before and after",
        settings=DirectionSettings(),
        run=run_direction,
        analyze=_direction,
    ),
)
TESTS: Mapping[str, CausalTest] = MappingProxyType({test.name: test for test in _ALL})


def find_test(name: str) -> CausalTest:
    """Look up a test by name.

    Args:
        name: A key of `TESTS`.

    Returns:
        The test.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in TESTS:
        raise ConfigError(unknown_name("causal test", name, TESTS))
    return TESTS[name]
