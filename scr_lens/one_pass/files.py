"""Predictors on disk: weights and a card that names the model they belong to."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from scr_lens.errors import ConfigError, DataError
from scr_lens.one_pass.predictor import PredictorConfig, SourcePredictor
from scr_lens.one_pass.training import TrainingReport
from scr_lens.organisms.shipped import shipped_folder
from scr_lens.serialization import from_dict, to_dict
from scr_lens.store.atomic import write_bytes
from scr_lens.trace import Lens

WEIGHTS = "one_pass.safetensors"
CARD = "one_pass.json"
STATE = "one_pass_training.pt"
"""File in the folder of a predictor from which a stopped training resumes."""
BESIDE_MODEL = "one_pass"
"""Name of the folder in a checkpoint folder where a predictor is looked for."""


def save_predictor(
    predictor: SourcePredictor, report: TrainingReport, lens: Lens, folder: Path, **facts: Any
) -> Path:
    """Write a predictor and its card, and delete the state of its training, which is over.

    Each file is either complete or as it was before; the card comes last.

    Args:
        predictor: The trained network.
        report: How well it does.
        lens: The model it was trained on.
        folder: Where to write; made if missing.
        **facts: Further plain values for the card.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in predictor.state_dict().items()}
    write_bytes(folder / WEIGHTS, to_bytes(weights))
    card = {
        "model_id": lens.model_id,
        "model_revision": lens.revision,
        "predictor": to_dict(predictor.config),
        "trained_parameters": predictor.n_trained,
        "report": asdict(report),
        **facts,
    }
    write_bytes(folder / CARD, (json.dumps(card, indent=1) + "\n").encode())
    (folder / STATE).unlink(missing_ok=True)
    return folder


def load_predictor(folder: str | Path, lens: Lens) -> SourcePredictor:
    """Read a predictor and check that it belongs to the model.

    Args:
        folder: What `save_predictor` wrote.
        lens: The model it is to be used with.

    Returns:
        The network in evaluation mode.

    Raises:
        DataError: If the files are missing or damaged.
        ConfigError: If it was trained on other weights.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        predictor = SourcePredictor(from_dict(PredictorConfig, card["predictor"]))
        predictor.load_state_dict(load_file(folder / WEIGHTS))
    except FileNotFoundError as error:
        raise DataError(f"{folder} holds no predictor ({error.filename} is missing); {_how(lens)}") from error
    except (ValueError, KeyError, RuntimeError, OSError, SafetensorError) as error:
        raise DataError(
            f"{folder}: damaged predictor ({str(error).splitlines()[0]}); {_how(lens)}"
        ) from error
    if card["model_revision"] != lens.revision:
        raise ConfigError(
            f"the predictor in {folder} was trained on {card['model_id']!r} at revision "
            f"{card['model_revision'][:12]!r}, the model is {lens.model_id!r} at {lens.revision[:12]!r}; "
            f"{_how(lens)}"
        )
    return predictor.eval().requires_grad_(False)


def find_predictor(lens: Lens, folder: str | Path | None = None) -> SourcePredictor:
    """The predictor of a model: from a folder, or from "one_pass" in the checkpoint's own folder.

    Args:
        lens: The model.
        folder: Where it is; None looks beside the model.

    Returns:
        The network in evaluation mode.

    Raises:
        ConfigError: If there is none, or it was trained on other weights.
        DataError: If its files are damaged.
    """
    if folder is not None:
        return load_predictor(folder, lens)
    checkpoints = (shipped_folder(lens.model_id), Path(lens.model_id) if lens.model_id else None)
    for checkpoint in checkpoints:
        if checkpoint is not None and (checkpoint / BESIDE_MODEL / CARD).is_file():
            return load_predictor(checkpoint / BESIDE_MODEL, lens)
    raise ConfigError(f"no one-pass predictor for model {lens.model_id!r}; {_how(lens)}")


def _how(lens: Lens) -> str:
    return f"train one with: scr-lens one-pass train {lens.model_id or 'MODEL'} --out FOLDER"
