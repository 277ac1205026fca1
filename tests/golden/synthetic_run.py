"""The 200-row run behind predictions.json; run this file as a module to write the numbers anew."""

import json
from pathlib import Path

import numpy as np

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.analysis.predictions.from_baseline import ef1, p1, p1_binned
from scr_lens.analysis.predictions.from_pairs import p2, p3, p4, scr_gain
from scr_lens.config import ScrConfig
from scr_lens.serialization import digest, to_dict
from scr_lens.store import RunStore, read_run

FILE = Path(__file__).with_name("predictions.json")
LEVELS = {1.02: "scr-1.02", 1.05: "scr-1.05", 1.1: "scr", 1.3: "scr-1.3"}
N_IMAGES, N_LAYERS, HEIGHT, WIDTH = 10, 4, 4, 5


def write_run(path):
    """10 images x 4 questions x 5 conditions: rows with maps, made from one seed."""
    generator = np.random.default_rng(20260226)
    conditions = {"vanilla": (ScrConfig(), 0.5), "scr-1.02": (ScrConfig(lambda_=1.02), 0.45)}
    conditions |= {"scr-1.05": (ScrConfig(lambda_=1.05), 0.35), "scr": (ScrConfig(), 0.2)}
    conditions |= {"scr-1.3": (ScrConfig(lambda_=1.3), 0.4)}
    rows = []
    for image in range(N_IMAGES):
        for question in range(4):
            attention = generator.random(HEIGHT * WIDTH) ** generator.uniform(0.5, 4)
            norms = 20 + 5 * generator.random((N_LAYERS, HEIGHT * WIDTH)) + 3 * attention
            draw, entropy = generator.random(), float(credit_entropy(attention, normalize=False))
            for name, (config, rate) in conditions.items():
                label = "yes" if question == 0 else "no"
                shifted = rate + 0.3 * (2.7 - entropy) if label == "no" else 0.8
                rows.append(
                    {
                        "model_id": "synthetic", "model_revision": "r1", "processor_digest": "p" * 64,
                        "dtype": "float32", "attn_implementation": "sdpa", "benchmark": "synthetic",
                        "splits": ["adversarial"], "image_id": f"{image}.png",
                        "image_sha256": f"{image:064x}", "grid_h": HEIGHT, "grid_w": WIDTH,
                        "question": f"Is there a thing{question}?", "prompt": f"<image> thing{question}",
                        "object": f"thing{question}", "label": label, "condition": name,
                        "config_digest": digest(config), "config_json": json.dumps(to_dict(config)),
                        "status": "ok", "answer": "yes" if draw < shifted else "no", "p_yes": 0.5,
                        "p_no": 0.5,
                        "n_layers": N_LAYERS, "attention": attention.astype(np.float32), "resid_norm": norms,
                        "entropy_norm_nats": credit_entropy(norms, normalize=False),
                        "entropy_attention_nats": entropy, "wall_ms": 1.0,
                    }
                )  # fmt: skip
    with RunStore.create(path) as store:
        store.append(rows)


def predictions(path):
    """Every prediction on the stored run, as plain numbers."""
    frame = read_run(path)
    rho = {f"{image}.png": (image * 7 % 10) / 10 for image in range(N_IMAGES)}
    found = {
        "EF1": ef1(frame, layers=range(2)),
        "P1": p1(frame),
        "P2": p2(frame, n_strata=2),
        "P3": p3(frame, rho, measure="made up", n_strata=2),
        "P4": p4(frame, LEVELS),
        "SCR": scr_gain(frame),
    }
    numbers = {
        name: {
            "estimate": r.estimate,
            "ci_low": r.ci_low,
            "ci_high": r.ci_high,
            "p_value": r.p_value,
            "detectable_effect": r.detectable_effect,
            "n_images": r.n_images,
            "n_questions": r.n_questions,
            "verdict": r.verdict,
        }
        for name, r in found.items()
    }
    binned = p1_binned(frame, n_bins=5)
    numbers["P1 binned"] = {"estimate": binned.r, "ci_low": binned.low, "ci_high": binned.high}
    return numbers


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder) / "run")
        made = predictions(Path(folder) / "run")
    FILE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
