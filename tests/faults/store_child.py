"""A process that appends numbered batches to a run, for the kill tests; also the maker of their rows.

Called as `python store_child.py RUN WRITER FIRST STEP GATE`: stores those of the batches FIRST, FIRST + STEP,
... that are not stored, and says so after each. With GATE "gated" it waits for a line of input before each.
"""

import sys
from typing import Any

import numpy as np

from scr_lens.store import RunStore, row_key

N_BATCHES = 40
ROWS_PER_BATCH = 3
CONFIG = {"purpose": "kill test"}
CONSTANT = {
    "model_id": "m",
    "model_revision": "r",
    "processor_digest": "p",
    "dtype": "float32",
    "attn_implementation": "sdpa",
    "benchmark": "pope",
    "splits": ["random"],
    "grid_h": 8,
    "grid_w": 8,
    "prompt": "q",
    "condition": "vanilla",
    "config_digest": "c",
    "config_json": "{}",
    "status": "ok",
    "n_layers": 4,
}


def batch(number: int) -> list[dict[str, Any]]:
    """The rows of one batch; they depend on its number only, except for their time."""
    return [row(number * ROWS_PER_BATCH + i) for i in range(ROWS_PER_BATCH)]


def row(number: int) -> dict[str, Any]:
    generator = np.random.default_rng(number)
    return {
        **CONSTANT,
        "image_id": f"{number}.jpg",
        "image_sha256": f"{number:064x}",
        "p_yes": generator.random(),
        "attention": generator.random(64),
        "resid_norm": generator.random((4, 64)),
        "wall_ms": float(np.random.default_rng().random()),
    }


def main(path: str, writer: str, first: str, step: str, gate: str) -> None:
    with RunStore.create(path, config=CONFIG, writer=writer, exist_ok=True) as store:
        done = store.completed_keys()
        for number in range(int(first), N_BATCHES, int(step)):
            pending = [r for r in batch(number) if row_key(r) not in done]
            if not pending:
                continue
            if gate == "gated":
                sys.stdin.readline()
            store.append(pending)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
