"""Settings chosen on validation scenes by a rule fixed in code, and frozen in a file for the test scenes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scr_lens.analysis.causal.choice import Choice, choose_setting, refuse_test_images
from scr_lens.causal.asked import Asked
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.errors import ConfigError, DataError, StoreError
from scr_lens.pictures import read_image
from scr_lens.questions import Condition
from scr_lens.run import run_questions
from scr_lens.serialization import from_dict, to_dict
from scr_lens.store import RunStore, read_run
from scr_lens.store.atomic import write_bytes
from scr_lens.trace import Lens, Sample

BASELINE = "vanilla"
FORMAT = "scr_lens choice 1"
N_IMAGES = 150
_MOST_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One point of the grid.

    Attributes:
        name: Name in tables, made of everything that the grid varies.
        config: The setting, with nothing left to defaults that depend on the model.
    """

    name: str
    config: ScrConfig

    @classmethod
    def of(cls, config: ScrConfig) -> Setting:
        """Name a setting."""
        return cls(
            name=f"lambda={config.lambda_:g} K={config.n_sources} layers={config.layers} "
            f"topology={config.topology}",
            config=config,
        )


@dataclass(frozen=True, eq=False)
class Grid:
    """The settings to choose from.

    Attributes:
        settings: Distinct settings, in the order in which ties are broken.
        default: The paper's setting, one of them.
    """

    settings: tuple[Setting, ...]
    default: Setting

    def __post_init__(self) -> None:
        names = [setting.name for setting in self.settings]
        if len(set(names)) != len(names) or self.default.name not in names:
            raise ConfigError(f"grid {names}: names must differ and hold the default {self.default.name!r}")


def default_grid(lens: Lens, n_patches: int, diagnostic: DiagnosticConfig | None = None) -> Grid:
    """The grid around the paper's setting: strengths, numbers of sources, blocks, neighborhoods.

    Args:
        lens: The model, for its depth.
        n_patches: Patches of a picture.
        diagnostic: Settings of the diagnostic map, shared by all settings; the paper's if None.

    Returns:
        About 15 settings: one thing changed at a time, and a few together. Settings that fall together in a
        small model are listed once.
    """
    start = ScrConfig(diagnostic=diagnostic or DiagnosticConfig())
    paper = replace(
        start,
        n_sources=start.resolved_n_sources(n_patches),
        layers=start.resolved_layers(lens.n_layers, lens.model_type),
    )
    k = int(paper.n_sources or 1)
    quarter = LayerRange(0, max(0, lens.n_layers // 4 - 1))
    deep = LayerRange(0, max(0, lens.n_layers - 2))
    strengths = [replace(paper, lambda_=value) for value in (1.05, 1.1, 1.15, 1.2, 1.4, 2.0)]
    others = [
        replace(paper, n_sources=max(1, k // 2)),
        replace(paper, n_sources=2 * k),
        replace(paper, layers=quarter),
        replace(paper, layers=deep),
        replace(paper, topology="4"),
        replace(paper, topology="radius-2"),
        replace(paper, lambda_=1.2, n_sources=2 * k),
        replace(paper, lambda_=1.2, layers=deep),
        replace(paper, lambda_=1.4, layers=quarter),
    ]
    settings = {setting.name: setting for setting in map(Setting.of, (*strengths, *others))}
    return Grid(tuple(settings.values()), Setting.of(paper))


def choose(
    lens: Lens, asked: Asked, run: str | Path, *, grid: Grid | None = None, n_images: int = N_IMAGES
) -> tuple[Choice, Setting]:
    """Run the grid on validation questions and apply the rule.

    All settings share the untouched pass and its diagnostic map. What is stored is not computed again.

    Args:
        lens: The model.
        asked: Adversarial questions about validation scenes.
        run: Run directory of the grid.
        grid: Settings; `default_grid` if None.
        n_images: Images, drawn at random from those asked about.

    Returns:
        The choice with the whole grid, and the chosen setting.

    Raises:
        DataError: If a question is about a test scene or there is no question.
        StoreError: If the directory holds another run.
    """
    require_validation(asked.split)
    refuse_test_images([question.image_id for question in asked.questions])
    questions = asked.images(n_images, "choice")
    if not questions:
        raise DataError("there is no validation question; give a pool of at least one image")
    if grid is None:
        first = Sample(read_image(questions[0].image)[0], question=questions[0].text)
        grid = default_grid(lens, lens.prepare(first).layouts[0].grid.size)
    conditions = (
        Condition(name=BASELINE, method=BASELINE, config=grid.default.config),
        *(Condition(name=setting.name, method="scr", config=setting.config) for setting in grid.settings),
    )
    about = {
        "model_revision": lens.revision,
        "questions": [f"{question.image_id}/{question.text}" for question in questions],
        "conditions": [condition.settings for condition in conditions],
    }
    with RunStore.create(
        run, config=about, seeds={"draw": asked.seed}, device=str(lens.device), exist_ok=True
    ) as store:
        summary = run_questions(lens, questions, conditions, store, benchmark="choice")
    if summary.failed:
        raise DataError(
            f"{len(summary.failed)} images failed ({next(iter(summary.failed.values()))}); mend them"
        )
    names = [setting.name for setting in grid.settings]
    choice = choose_setting(read_run(run), names, default=grid.default.name, baseline=BASELINE)
    return choice, next(setting for setting in grid.settings if setting.name == choice.chosen)


def require_validation(split: str) -> None:
    """Refuse any other split than the validation scenes.

    Args:
        split: Name of a split.

    Raises:
        DataError: If it is not "validation".
    """
    if split != "validation":
        raise DataError(
            f"split {split!r}: settings are chosen on validation scenes only, so that test scenes stay "
            "unseen; use split 'validation'"
        )


def write_choice(path: str | Path, choice: Choice, setting: Setting, lens: Lens, asked: Asked) -> None:
    """Freeze a choice in a JSON file.

    Args:
        path: File; its folder is made.
        choice: The choice.
        setting: The chosen setting.
        lens: The model.
        asked: What it was chosen on.

    Raises:
        StoreError: If the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "model": {"id": lens.model_id, "revision": lens.revision, "dtype": lens.dtype},
        "settings": to_dict(setting.config),
        "setting": setting.name,
        "split": asked.split,
        "n_images": int(choice.grid["n_images"].max()),
        "n_questions": int(choice.grid["n_questions"].max()),
        "seed": asked.seed,
        "rule": choice.rule,
        "reason": choice.reason,
        "summary": choice.summary,
        "differs_from_vanilla": choice.differs,
        "grid": [_plain(row) for row in choice.grid.to_dict(orient="records")],
    }
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(target, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    except OSError as error:
        raise StoreError(f"cannot write {target} ({error.strerror}); give a writable path") from error


def read_choice(path: str | Path, lens: Lens | None = None) -> ScrConfig:
    """Read the settings frozen in a file.

    Args:
        path: File written by `write_choice`.
        lens: The model they will be used on; None skips the check.

    Returns:
        The settings.

    Raises:
        DataError: If the file is no choice.
        ConfigError: If it was made for another model, or on other than validation scenes.
    """
    try:
        content: dict[str, Any] = json.loads(Path(path).read_bytes())
        known, model, split, settings = (content[key] for key in ("format", "model", "split", "settings"))
        revision = model["revision"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a file of chosen settings ({error}); make one with `scr-lens choose`"
        ) from error
    if known != FORMAT or split != "validation":
        raise ConfigError(
            f"{path}: format {known!r}, chosen on {split!r} scenes; make it again on validation"
        )
    if lens is not None and revision != lens.revision:
        raise ConfigError(
            f"{path}: chosen for revision {revision[:12]} of {model['id']!r}, the model is "
            f"{lens.revision[:12]}; choose again for this model"
        )
    return from_dict(ScrConfig, settings)


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """A table row as JSON values, with numbers rounded and NaN as null."""

    def value(cell: Any) -> Any:
        if hasattr(cell, "item"):
            cell = cell.item()
        if isinstance(cell, float):
            return None if math.isnan(cell) else round(cell, _MOST_DIGITS)
        return cell

    return {str(name): value(cell) for name, cell in row.items()}
