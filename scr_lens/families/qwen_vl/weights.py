"""How the original checkpoints' parameter names map to this package's modules.

The fused attention projection is cut into query, key and value; of the MLP's two input matrices, the
original's w2 is behind the SiLU (the gate) and w1 is the plain factor.
"""

from typing import Any

from transformers.core_model_loading import Chunk, WeightConverter, WeightRenaming

BLOCK = {
    "ln_1": "input_layernorm",
    "ln_2": "post_attention_layernorm",
    "attn.c_proj": "self_attn.o_proj",
    "mlp.w1": "mlp.up_proj",
    "mlp.w2": "mlp.gate_proj",
    "mlp.c_proj": "mlp.down_proj",
}
WHOLE = {
    "transformer.wte": "model.language_model.embed_tokens",
    "transformer.ln_f": "model.language_model.norm",
    "transformer.visual": "model.visual",
}
LAYERS = "model.language_model.layers"


def conversion_mapping() -> list[Any]:
    """The rules transformers applies while it reads an original checkpoint; they match no other name.

    Returns:
        Renamings, then the cuts of the fused projection (transformers applies them in this order).
    """
    whole = [WeightRenaming(rf"^{_literal(old)}\.", f"{new}.") for old, new in WHOLE.items()]
    block = [
        WeightRenaming(rf"^transformer\.h\.(\d+)\.{_literal(old)}\.", rf"{LAYERS}.\1.{new}.")
        for old, new in BLOCK.items()
    ]
    fused = WeightRenaming(r"^transformer\.h\.(\d+)\.attn\.c_attn\.", rf"{LAYERS}.\1.self_attn.c_attn.")
    cuts = [
        WeightConverter(
            f"self_attn.c_attn.{kind}",
            [f"self_attn.{part}_proj.{kind}" for part in "qkv"],
            operations=[Chunk(dim=0)],
        )
        for kind in ("weight", "bias")
    ]
    return [*whole, *block, fused, *cuts]


def _literal(name: str) -> str:
    return name.replace(".", r"\.")
