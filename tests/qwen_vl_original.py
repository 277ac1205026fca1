"""A tiny Qwen-VL checkpoint folder in the original format, and the model computed straight in numpy.

Names, shapes and formulas are stated here a second time, from the published description of the model and in
float64 numpy, so that the port and this file can only agree by both being right.
"""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

Array = np.ndarray
State = dict[str, torch.Tensor]

WORDS = (
    "is",
    " there",
    " a",
    " dog",
    " cat",
    "yes",
    "no",
    " Yes",
    " No",
    " Answer",
    " image",
    "Describe",
    "?",
)
N_SPECIAL = 217
HIDDEN, HEADS, LAYERS, MLP = 256, 4, 3, 192
WIDTH, V_HEADS, V_LAYERS, V_MLP, PATCH, IMAGE = 48, 2, 2, 100, 14, 112
QUERIES = 256


def ranks() -> dict[bytes, int]:
    """Bytes in an order of their own, then every prefix of the words that has at least two bytes."""
    order = [bytes([(i * 7 + 13) % 256]) for i in range(256)]
    prefixes = [word.encode()[:end] for word in WORDS for end in range(2, len(word) + 1)]
    return {token: rank for rank, token in enumerate(dict.fromkeys([*order, *prefixes]))}


IMAGE_START = len(ranks()) + 214
VOCABULARY = len(ranks()) + N_SPECIAL + 3  # the published table is padded as well


def config() -> dict[str, Any]:
    visual = {
        "heads": V_HEADS,
        "image_size": IMAGE,
        "image_start_id": IMAGE_START,
        "layers": V_LAYERS,
        "mlp_ratio": 2.1,
        "output_dim": HIDDEN,
        "patch_size": PATCH,
        "width": WIDTH,
    }
    return {
        "architectures": ["QWenLMHeadModel"],
        "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
        "attn_dropout_prob": 0.0,
        "bf16": False,
        "emb_dropout_prob": 0.0,
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": 2 * MLP,
        "kv_channels": HIDDEN // HEADS,
        "layer_norm_epsilon": 1e-6,
        "max_position_embeddings": 8192,
        "model_type": "qwen",
        "no_bias": True,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "rotary_emb_base": 10000,
        "rotary_pct": 1.0,
        "scale_attn_weights": True,
        "seq_length": 2048,
        "tie_word_embeddings": False,
        "tokenizer_type": "QWenTokenizer",
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_dynamic_ntk": True,
        "use_logn_attn": True,
        "visual": visual,
        "vocab_size": VOCABULARY,
    }


def shapes(settings: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every parameter of an original checkpoint; norms are the one-dimensional weights named ln_*."""
    d, f = settings["hidden_size"], settings["intermediate_size"] // 2
    v = settings["visual"]
    w, o = v["width"], v["output_dim"]
    m = int(w * v["mlp_ratio"])
    named: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (settings["vocab_size"], d)}
    for i in range(settings["num_hidden_layers"]):
        block = {
            "ln_1.weight": (d,),
            "ln_2.weight": (d,),
            "attn.c_attn.weight": (3 * d, d),
            "attn.c_attn.bias": (3 * d,),
            "attn.c_proj.weight": (d, d),
            "mlp.w1.weight": (f, d),
            "mlp.w2.weight": (f, d),
            "mlp.c_proj.weight": (d, f),
        }
        named |= {f"transformer.h.{i}.{name}": shape for name, shape in block.items()}
    named |= {"transformer.ln_f.weight": (d,), "lm_head.weight": (settings["vocab_size"], d)}
    visual = {
        "positional_embedding": (256, w),
        "conv1.weight": (w, 3, v["patch_size"], v["patch_size"]),
        "attn_pool.pos_embed": (QUERIES, o),
        "attn_pool.query": (QUERIES, o),
        "attn_pool.kv_proj.weight": (o, w),
        "attn_pool.attn.in_proj_weight": (3 * o, o),
        "attn_pool.attn.in_proj_bias": (3 * o,),
        "attn_pool.attn.out_proj.weight": (o, o),
        "attn_pool.attn.out_proj.bias": (o,),
        "proj": (o, o),
    }
    for name, size in {"ln_pre": w, "attn_pool.ln_q": o, "attn_pool.ln_kv": o, "ln_post": o}.items():
        visual |= {f"{name}.weight": (size,), f"{name}.bias": (size,)}
    for i in range(v["layers"]):
        for name, shape in {
            "ln_1": (w,),
            "ln_2": (w,),
            "attn.in_proj": (3 * w, w),
            "attn.out_proj": (w, w),
            "mlp.c_fc": (m, w),
            "mlp.c_proj": (w, m),
        }.items():
            visual |= {f"transformer.resblocks.{i}.{name}.weight": shape}
            visual |= {f"transformer.resblocks.{i}.{name}.bias": shape[:1]}
    return named | {f"transformer.visual.{name}": shape for name, shape in visual.items()}


def state(seed: int = 0) -> State:
    """Random float32 parameters, norms around one, large enough that every part shows in the logits."""
    generator = torch.Generator().manual_seed(seed)
    made = {name: 0.08 * torch.randn(shape, generator=generator) for name, shape in shapes(config()).items()}
    for name, value in made.items():
        if ".ln_" in name and name.endswith("weight"):
            value += 1
        elif name.startswith("transformer.h."):
            value *= 2
    return made


def write(folder: Path, parameters: State, *, chat: bool = False) -> Path:
    """The files of an original checkpoint, in two shards."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(parameters)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, content in shards.items():
        save_file({n: parameters[n].contiguous() for n in content}, folder / shard, metadata={"format": "pt"})
    index = {name: shard for shard, content in shards.items() for name in content}
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": index})
    write_json(folder / "config.json", config())
    tokenizer = {"model_max_length": 8192, "tokenizer_class": "QWenTokenizer"}
    auto_map = {"AutoTokenizer": ["tokenization_qwen.QWenTokenizer", None]}
    write_json(folder / "tokenizer_config.json", tokenizer | {"auto_map": auto_map})
    end = len(ranks())
    generation = {"do_sample": True, "eos_token_id": end, "pad_token_id": end, "top_k": 0, "top_p": 0.3}
    chat_settings = {"chat_format": "chatml", "max_window_size": 6144} if chat else {"chat_format": "raw"}
    write_json(folder / "generation_config.json", generation | chat_settings)
    lines = [f"{base64.b64encode(token).decode()} {rank}" for token, rank in ranks().items()]
    (folder / "qwen.tiktoken").write_text("\n".join(lines) + "\n")
    return folder


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))


# ---------------------------------------------------------------------- the model, once more, in plain numpy


def layer_norm(x: Array, p: dict[str, Array], name: str) -> Array:
    centered = x - x.mean(-1, keepdims=True)
    scaled = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-6)
    return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]


def linear(x: Array, p: dict[str, Array], name: str) -> Array:
    """x W^T + b, with or without a bias."""
    return x @ p[f"{name}.weight"].T + p.get(f"{name}.bias", 0.0)


def rms_norm(x: Array, weight: Array) -> Array:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight


def softmax(scores: Array) -> Array:
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def cubic(t: float) -> float:
    """Keys' kernel with a = -0.75."""
    a, t = -0.75, abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def resize_line(old: int, new: int) -> Array:
    """Weights of old cells (columns) for each new cell, half-pixel centers, clamped at the border."""
    weights = np.zeros((new, old))
    for i in range(new):
        center = (i + 0.5) * old / new - 0.5
        for j in range(math.floor(center) - 1, math.floor(center) + 3):
            weights[i, min(max(j, 0), old - 1)] += cubic(center - j)
    return weights


def resize(table: Array, side: int) -> Array:
    old = math.isqrt(len(table))
    line = resize_line(old, side)
    grid = np.einsum("ij,kl,jlc->ikc", line, line, table.reshape(old, old, -1))
    return grid.reshape(side * side, -1)


def image_tokens(p: dict[str, Array], pixels: Array) -> Array:
    """One image [3, height, width] to [256, hidden]."""
    p = {name.removeprefix("transformer.visual."): value for name, value in p.items()}
    side = pixels.shape[1] // PATCH
    rows = []
    for r in range(side):
        for c in range(side):
            window = pixels[:, r * PATCH : (r + 1) * PATCH, c * PATCH : (c + 1) * PATCH]
            rows.append((p["conv1.weight"] * window).sum((1, 2, 3)))
    x = layer_norm(np.stack(rows) + resize(p["positional_embedding"], side), p, "ln_pre")
    for i in range(V_LAYERS):
        x = vision_block(p, f"transformer.resblocks.{i}.", x)
    return layer_norm(resample(p, x, side), p, "ln_post") @ p["proj"]


def resample(p: dict[str, Array], x: Array, side: int) -> Array:
    kv = layer_norm(linear(x, p, "attn_pool.kv_proj"), p, "attn_pool.ln_kv")
    q = layer_norm(p["attn_pool.query"], p, "attn_pool.ln_q") + p["attn_pool.pos_embed"]
    k = kv + resize(p["attn_pool.pos_embed"], side)
    w, b = p["attn_pool.attn.in_proj_weight"], p["attn_pool.attn.in_proj_bias"]
    n = HIDDEN
    parts = [y @ w[s * n : (s + 1) * n].T + b[s * n : (s + 1) * n] for s, y in enumerate((q, k, kv))]
    mixed = [
        softmax(qh @ kh.T / math.sqrt(128)) @ vh
        for qh, kh, vh in zip(*(heads(y, 128) for y in parts), strict=True)
    ]
    return linear(np.concatenate(mixed, -1), p, "attn_pool.attn.out_proj")


def heads(x: Array, width: int) -> list[Array]:
    return [x[:, s : s + width] for s in range(0, x.shape[1], width)]


def vision_block(p: dict[str, Array], at: str, x: Array) -> Array:
    h = WIDTH // V_HEADS
    packed = linear(layer_norm(x, p, f"{at}ln_1"), p, f"{at}attn.in_proj")
    mixed = []
    for head in range(V_HEADS):
        q, k, v = (packed[:, head * 3 * h + part * h : head * 3 * h + (part + 1) * h] for part in range(3))
        mixed.append(softmax(q @ k.T / math.sqrt(h)) @ v)
    x = x + linear(np.concatenate(mixed, -1), p, f"{at}attn.out_proj")
    inner = gelu(linear(layer_norm(x, p, f"{at}ln_2"), p, f"{at}mlp.c_fc"))
    return x + linear(inner, p, f"{at}mlp.c_proj")


def rotate(x: Array, base: float = 10000.0) -> Array:
    """Rotary embedding of [position, width]: channels i and i + width / 2 turn as one complex number."""
    half = x.shape[1] // 2
    angles = np.arange(len(x))[:, None] * base ** (-2 * np.arange(half) / x.shape[1])
    turned = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], -1)


def logits(parameters: State, ids: list[int], images: list[Array]) -> Array:
    """Scores [seq, vocabulary] of one row; each image fills what lies between its two tags."""
    p = {name: value.double().numpy() for name, value in parameters.items()}
    x = p["transformer.wte.weight"][ids]
    starts = [i for i, token in enumerate(ids) if token == IMAGE_START]
    for start, pixels in zip(starts, images, strict=True):
        assert ids[start + QUERIES + 1] == IMAGE_START + 1
        x[start + 1 : start + QUERIES + 1] = image_tokens(p, pixels)
    future = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for i in range(LAYERS):
        at, h = f"transformer.h.{i}.", HIDDEN // HEADS
        fused = linear(rms_norm(x, p[f"{at}ln_1.weight"]), p, f"{at}attn.c_attn")
        q, k, v = (heads(part, h) for part in heads(fused, HIDDEN))
        mixed = [
            softmax(rotate(a) @ rotate(b).T / math.sqrt(h) + future) @ c
            for a, b, c in zip(q, k, v, strict=True)
        ]
        x = x + linear(np.concatenate(mixed, -1), p, f"{at}attn.c_proj")
        y = rms_norm(x, p[f"{at}ln_2.weight"])
        gate = linear(y, p, f"{at}mlp.w2")
        inner = linear(y, p, f"{at}mlp.w1") * gate / (1 + np.exp(-gate))
        x = x + linear(inner, p, f"{at}mlp.c_proj")
    return rms_norm(x, p["transformer.ln_f.weight"]) @ p["lm_head.weight"].T
