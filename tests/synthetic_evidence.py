"""Evidence with known answers, shared by the tests of figures, reports and claims; no model is run."""

import json
from itertools import product

import numpy as np
import pandas as pd

from scr_lens.analysis.proposition import norm_step
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.evidence import Evidence
from scr_lens.evidence.evidence import MAP_ESTIMATOR
from scr_lens.grid import PatchGrid
from scr_lens.serialization import to_dict

N_LAYERS, N_PATCHES = 6, 36

CONFIGS = {
    "vanilla": ("vanilla", ScrConfig()),
    "scr": ("scr", ScrConfig()),
    "uniform-smooth": ("uniform-smooth", ScrConfig()),
    "gaussian-noise": ("gaussian-noise", ScrConfig()),
    "norm-only": ("norm-only", ScrConfig()),
    "identity": ("identity", ScrConfig()),
    "scr-topology-4": ("scr", ScrConfig(topology="4")),
    "scr-radius-2": ("scr", ScrConfig(topology="radius-2")),
    "scr-scrambled": ("scr", ScrConfig(topology="scrambled")),
    "scr-once": ("scr", ScrConfig(schedule="once")),
    "scr-heads-20": ("scr", ScrConfig(diagnostic=DiagnosticConfig(head_share=0.2))),
    "scr-K-4": ("scr", ScrConfig(n_sources=4)),
    "scr-layers-0-1": ("scr", ScrConfig(layers=LayerRange(0, 1))),
    **{f"scr-lambda-{level}": ("scr", ScrConfig(lambda_=level)) for level in (1.02, 1.05, 1.3, 1.6)},
}
RATES = {
    "vanilla": 0.30, "identity": 0.30, "scr": 0.15, "uniform-smooth": 0.22, "gaussian-noise": 0.38,
    "norm-only": 0.25, "scr-topology-4": 0.2, "scr-radius-2": 0.22, "scr-scrambled": 0.28, "scr-once": 0.2,
    "scr-heads-20": 0.155, "scr-K-4": 0.2, "scr-layers-0-1": 0.2, "scr-lambda-1.02": 0.27,
    "scr-lambda-1.05": 0.22, "scr-lambda-1.3": 0.22, "scr-lambda-1.6": 0.30,
}  # fmt: skip
"""True hallucination rate of every condition; all share one draw per question, so changes are one-sided."""


def make_answers(n_images=40, conditions=tuple(CONFIGS), seed=0):
    """Yes/no records of POPE's shape with entropies, norms, times and the truth above."""
    generator = np.random.default_rng(seed)
    rows = []
    for image, question in product(range(n_images), range(6)):
        label = "yes" if question < 3 else "no"
        share, draw, smooth = generator.uniform(0.6, 0.95), generator.random(), generator.uniform(0.1, 0.9)
        base = 30 + generator.random((N_LAYERS, 1)) + np.arange(N_LAYERS)[:, None]
        for name in conditions:
            method, config = CONFIGS[name]
            rate = 0.85 if label == "yes" else RATES[name]
            gain = 1.5 if name == "scr" else 1.0
            rows.append(
                {
                    "key": f"{image:04d}-{question}-{name}",
                    "model_id": "tiny",
                    "model_revision": "r1",
                    "benchmark": "pope",
                    "splits": ("adversarial",) if question % 2 else ("adversarial", "popular", "random"),
                    "image_id": f"im{image:03d}.png",
                    "grid_h": 6,
                    "grid_w": 6,
                    "question": f"Is there a thing{question} in the image?",
                    "object": f"thing{question}",
                    "label": label,
                    "condition": name,
                    "config_digest": f"digest of {name}",
                    "config_json": json.dumps({"method": method, **to_dict(config)}),
                    "status": "ok",
                    "answer": "yes" if draw < rate else "no",
                    "p_yes": 0.5,
                    "p_no": 0.5,
                    "n_layers": N_LAYERS,
                    "neighbors_per_source": 6.0 if method == "scr" else np.nan,
                    "entropy_norm_nats": np.full(N_LAYERS, share) * np.log(N_PATCHES),
                    "entropy_attention_nats": share * np.log(N_PATCHES) + 0.1 * (name == "gaussian-noise"),
                    "wall_ms": 10.0 if name == "vanilla" else 25.0,
                    "norm_sum": (base * gain).ravel(),
                    "autocorrelation": smooth if question == 0 else np.nan,
                }
            )
    frame = pd.DataFrame(rows)
    frame["autocorrelation"] = frame.groupby("image_id")["autocorrelation"].transform("max")
    return frame


def make_credit(answers, r=0.6, seed=1):
    """Correlations around r for every estimator, layer and question of the untouched condition."""
    generator = np.random.default_rng(seed)
    rows = answers[answers["condition"] == "vanilla"]
    return pd.DataFrame(
        [
            {
                "image_id": image,
                "question": question,
                "estimator": estimator,
                "layer": layer,
                "pearson": np.tanh(np.arctanh(r) + 0.05 * generator.standard_normal()),
                "spearman": r,
                "entropy_nats": 3.0,
            }
            for image, question in zip(rows["image_id"], rows["question"], strict=True)
            for estimator in ("grad_norm", "grad_dot", "attention", MAP_ESTIMATOR)
            for layer in range(N_LAYERS)
        ]
    )


def make_captions(n_images=40, seed=2):
    """Scored captions: every fourth one loses its absent object under SCR."""
    generator = np.random.default_rng(seed)
    rows = []
    for image in range(n_images):
        cider = generator.uniform(50, 150)
        for name in ("vanilla", "scr"):
            absent = int(image % 2 == 0 and not (name == "scr" and image % 4 == 0))
            cells = {"n_words": 9, "n_mentions": 3, "n_hallucinated": absent, "cider": cider}
            rows.append({"condition": name, "image_id": str(image), "caption": "a dog", **cells})
    return pd.DataFrame(rows)


def make_boxes(n_images=40):
    """One box per present object: sizes and places cycle."""
    rows = []
    for image, thing in product(range(n_images), range(3)):
        side = (8, 30, 60)[(image + thing) % 3]
        corner = 0 if image % 4 == 0 else 20
        cells = {"x": corner, "y": corner, "width": side, "height": side}
        size = {"image_width": 100, "image_height": 100}
        rows.append({"image_id": f"im{image:03d}.png", "object": f"thing{thing}", **cells, **size})
    return pd.DataFrame(rows)


def make_profile(answers):
    """Autocorrelation at three distances; that at sqrt 2 is the one in the records."""
    known = answers.drop_duplicates("image_id")[["image_id", "autocorrelation"]]
    parts = [
        known.assign(measure="pixels", distance=distance, rho=known["autocorrelation"] / distance * 2**0.5)
        for distance in (1.0, 2**0.5, 2.0)
    ]
    return pd.concat(parts)[["image_id", "measure", "distance", "rho"]]


def make_steps(n_images=12, strength=1.1, seed=3):
    """Norms before and after one application with two sources, whose vectors are parallel."""
    generator = np.random.default_rng(seed)
    grid, sources, rows = PatchGrid(6, 6), [8, 27], []
    for image in range(n_images):
        before = generator.gamma(4.0, size=N_PATCHES) + 1.0
        before[sources] += 6.0
        cells = {"image_id": f"im{image:03d}.png", "question": "Is there a thing3 in the image?"}
        after = norm_step(before, sources, grid, strength)
        rows.append({**cells, "grid_h": 6, "grid_w": 6, "sources": sources, "before": before, "after": after})
    return pd.DataFrame(rows)


def make_times(n_questions=5):
    """Times of methods alone: SCR adds 10, 20, 30, ... ms to vanilla's 20; one caption is timed too."""
    rows = [
        ("question", f"im{item}.png Is there a thing?", name, 20.0 + added * (item + 1), 0)
        for item in range(n_questions)
        for name, added in {"vanilla": 0, "scr": 10, "uniform-smooth": 1}.items()
    ]
    rows += [("caption", "im0.png Describe.", name, 5000.0, 9) for name in ("vanilla", "scr")]
    return pd.DataFrame(rows, columns=["task", "item", "condition", "ms", "n_tokens"])


def make_evidence(n_images=40, name="tiny", **parts):
    """All of the above as evidence."""
    answers = parts.pop("answers", None)
    answers = make_answers(n_images) if answers is None else answers
    made = {
        "credit": make_credit(answers),
        "captions": make_captions(n_images),
        "boxes": make_boxes(n_images),
        "autocorrelation": make_profile(answers),
        "scr_layers": LayerRange(0, 2),
        "steps": make_steps(),
        "times": make_times(),
    }
    return Evidence(name=name, answers=answers, **made | parts)
