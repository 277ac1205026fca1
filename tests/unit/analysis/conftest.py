"""Simulated records with known truth, shared by the tests of the analysis."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


def simulate_answers(n_images=80, n_questions=6, seed=0, hr=(0.25, 0.15), spread=0.3):
    """Records of "vanilla" and "scr" on the same questions, with image effects."""
    generator = np.random.default_rng(seed)
    rows = []
    for image in range(n_images):
        effect = generator.normal(0, spread)
        for question in range(n_questions):
            label = "yes" if question % 2 == 0 else "no"
            draw = generator.random()
            for condition, rate in zip(("vanilla", "scr"), hr, strict=True):
                p_yes = 0.9 if label == "yes" else np.clip(rate + rate * effect, 0.01, 0.99)
                rows.append(
                    {
                        "image_id": f"im{image:03d}",
                        "question": f"Is there a thing {question}?",
                        "object": f"thing {question}",
                        "splits": ["adversarial"] if question < 4 else ["adversarial", "random"],
                        "label": label,
                        "condition": condition,
                        "answer": "yes" if draw < p_yes else "no",
                        "status": "ok",
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture
def answers() -> Callable[..., pd.DataFrame]:
    """The simulator above, as a fixture so that no test module imports another."""
    return simulate_answers
