"""The published models' facts with small widths and depths: true grids and processors at little cost."""

import json
from dataclasses import replace
from typing import Any

from scr_lens.families.published import PublishedModel, read_published

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 9000,
}
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def small_published(name: str) -> PublishedModel:
    """The facts with small widths and depths; grid and image processor stay as published."""
    facts = read_published(name)
    config: dict[str, Any] = json.loads(json.dumps(dict(facts.config)))
    if facts.model_type == "llava":
        config["text_config"] |= TEXT | {"vocab_size": 32064}
        config["vision_config"] |= TOWER
    elif facts.model_type == "chameleon":
        config |= TEXT
        config["vq_config"] |= {
            "base_channels": 32,
            "latent_channels": 8,
            "embed_dim": 8,
            "num_res_blocks": 1,
        }
        config["vq_config"] |= {"channel_multiplier": [1] * 5, "num_res_blocks": 1}
    elif facts.model_type == "qwen":
        config |= {key: value for key, value in TEXT.items() if key != "vocab_size"} | {"kv_channels": 8}
        config["visual"] |= {"width": 32, "layers": 2, "heads": 4, "output_dim": 32}
    else:
        rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]}}
        config["text_config"] |= TEXT | {"vocab_size": 152064} | rope
        config["vision_config"] |= {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4}
    return replace(facts, config=config)
