"""Rows for the store's tests."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

RowMaker = Callable[..., dict[str, Any]]


@pytest.fixture
def make_row() -> RowMaker:
    """A maker of valid rows on a 2 x 3 grid with 2 layers; the number decides image, prompt and values."""

    def make(number: int = 0, **changes: Any) -> dict[str, Any]:
        generator = np.random.default_rng(number)
        row = {
            "model_id": "org/model",
            "model_revision": "abc123",
            "processor_digest": "p" * 64,
            "dtype": "float32",
            "attn_implementation": "sdpa",
            "benchmark": "pope",
            "splits": ["random", "popular"],
            "image_id": f"{number}.jpg",
            "image_sha256": f"{number:064x}",
            "grid_h": 2,
            "grid_w": 3,
            "question": "Is there a dog in the image?",
            "prompt": "USER: <image>\nIs there a dog in the image? ASSISTANT:",
            "object": "dog",
            "label": "yes",
            "condition": "scr",
            "config_digest": "c" * 64,
            "config_json": '{"lambda":1.1}',
            "status": "ok",
            "answer": "no",
            "answer_text": "No",
            "p_yes": generator.random() / 2,
            "p_no": generator.random() / 2,
            "n_layers": 2,
            "sources": np.array([4]),
            "neighbors": [0, 1, 2, 3, 5],
            "neighbors_per_source": 5.0,
            "attention": generator.random((2, 3)).astype(np.float32),
            "resid_norm": generator.random((2, 2, 3)) * 100,
            "entropy_norm_nats": generator.random(2),
            "entropy_attention_nats": 1.5,
            "wall_ms": 12.5,
        }
        return {**row, **changes}

    return make
