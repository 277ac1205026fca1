"""One-Pass SCR: a small network predicts the sources from block 0, so that no diagnostic pass is needed."""

from scr_lens.one_pass.files import STATE, find_predictor, load_predictor, save_predictor
from scr_lens.one_pass.intervention import OnePassRedistribution
from scr_lens.one_pass.predictor import PredictorConfig, SourcePredictor
from scr_lens.one_pass.training import Examples, TrainingReport, collect, train_predictor

__all__ = [
    "STATE",
    "Examples",
    "OnePassRedistribution",
    "PredictorConfig",
    "SourcePredictor",
    "TrainingReport",
    "collect",
    "find_predictor",
    "load_predictor",
    "save_predictor",
    "train_predictor",
]
