"""Synthetic records and inspections with known numbers, shared by the tests of the figures."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.grid import PatchGrid
from scr_lens.inspection import Inspection, View
from scr_lens.interventions.plan import RedistributionPlan
from scr_lens.trace import YesNo

N_LAYERS = 6


def make_plan(grid):
    """One source at row 2, column 2 with its four side neighbors."""
    source = grid.index(2, 2)
    neighbors = grid.neighbors(source, "4")
    return RedistributionPlan(
        sources=torch.tensor([source]),
        neighbors=torch.tensor(neighbors),
        owners=torch.full((len(neighbors),), source),
        grid=grid,
    )


def make_view(norms, attention, p_yes, p_no, answer):
    return View(
        resid_norm=norms,
        attention=attention,
        norm_entropy=credit_entropy(norms, normalize=True),
        attention_entropy=credit_entropy(attention, normalize=True),
        answer=YesNo(p_yes=p_yes, p_no=p_no, answer=answer, greedy_token_id=1),
    )


def make_inspection(height=5, width=7, size=(70, 50), changes=True, **fields):
    """An inspection with random maps; `changes=False` gives the identity."""
    generator = np.random.default_rng(height * width)
    grid = PatchGrid(height, width)
    before = 10 + generator.random((N_LAYERS, grid.size))
    after = before * (1 + 0.1 * generator.standard_normal(before.shape)) if changes else before.copy()
    attention = generator.random((N_LAYERS, grid.size)) / grid.size
    given = {
        "image": Image.fromarray(generator.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)),
        "title": "scene 1",
        "prompt": "USER: <image>\nIs there a dog? ASSISTANT:",
        "model_id": "tiny",
        "method": "scr" if changes else "identity",
        "config": ScrConfig(lambda_=1.25),
        "grid": grid,
        "token_meaning": "one tile",
        "layers": LayerRange(0, 2),
        "diagnostic_layers": LayerRange(1, 3),
        "attention_map": attention[1:4].mean(0),
        "plan": make_plan(grid) if changes else None,
        "before": make_view(before, attention, 0.7, 0.2, "yes"),
        "after": make_view(after, attention, *((0.3, 0.6, "no") if changes else (0.7, 0.2, "yes"))),
    }
    return Inspection(**given | fields)


@pytest.fixture(scope="session")
def inspection() -> Callable[..., Inspection]:
    """The maker above, as a fixture so that no test module imports another."""
    return make_inspection


CONDITIONS = ("uniform-smooth", "scr", "vanilla", "identity")


def make_records(n_images=24, conditions=CONDITIONS, seed=0):
    """Records of POPE's shape: 6 questions per image, false yes more often at low attention entropy."""
    generator = np.random.default_rng(seed)
    rows = []
    for image in range(n_images):
        for question in range(6):
            label = "yes" if question < 2 else "no"
            share = generator.uniform(0.6, 0.9)
            draw = generator.random()
            for condition in conditions:
                rate = 0.9 if label == "yes" else 1.1 - share - 0.1 * (condition == "scr")
                rows.append(
                    {
                        "key": f"{image}-{question}-{condition}",
                        "model_id": "tiny",
                        "model_revision": "r1",
                        "benchmark": "pope",
                        "config_digest": f"digest of {condition}",
                        "condition": condition,
                        "status": "ok",
                        "splits": ("random", "adversarial") if question % 2 else ("random",),
                        "image_id": f"image {image}",
                        "question": f"Is there a thing {question}?",
                        "label": label,
                        "answer": "yes" if draw < rate else "no",
                        "grid_h": 4,
                        "grid_w": 5,
                        "entropy_attention_nats": share * np.log(20),
                        "entropy_norm_nats": np.array([share, 1.0], dtype=np.float32) * np.log(20),
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def records() -> Callable[..., pd.DataFrame]:
    """The simulator above."""
    return make_records
