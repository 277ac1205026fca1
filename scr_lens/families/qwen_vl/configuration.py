"""Qwen-VL's configuration: the original `config.json` translated into text and vision parts."""

from collections.abc import Mapping
from math import isqrt
from typing import Any

from transformers import PreTrainedConfig
from transformers.models.qwen2.configuration_qwen2 import Qwen2Config

from scr_lens.errors import ContractError

# Settings of the original format that the port computes in exactly one way, the published checkpoints' own.
FIXED = {
    "rotary_pct": 1.0,
    "no_bias": True,
    "scale_attn_weights": True,
    "tie_word_embeddings": False,
    "quantization_config": None,
}


class QwenVLVisionConfig(PreTrainedConfig):
    """Sizes of the image tower and the resampler, under the names the original `visual` section uses.

    Attributes:
        image_size: Side of the square input in pixels.
        patch_size: Side of a patch in pixels.
        width: Width of the tower.
        layers: Blocks of the tower.
        heads: Attention heads per block.
        mlp_ratio: Hidden width of a block's MLP over `width`.
        n_positions: Rows of the tower's position table; a square number.
        n_queries: Learned queries of the resampler, the number of image tokens; a square number.
        output_dim: Width of an image token; that of the language model.
    """

    model_type = "qwen_vision"
    base_config_key = "vision_config"

    image_size: int = 448
    patch_size: int = 14
    width: int = 1664
    layers: int = 48
    heads: int = 16
    mlp_ratio: float = 4.9231
    n_positions: int = 256
    n_queries: int = 256
    output_dim: int = 4096

    @property
    def mlp_width(self) -> int:
        """Hidden width of a block's MLP."""
        return int(self.width * self.mlp_ratio)

    @property
    def resampler_heads(self) -> int:
        """Heads of the resampler's cross-attention, 128 channels each."""
        return max(1, self.output_dim // 128)

    @property
    def grid_size(self) -> int:
        """Side of the nominal square grid of queries.

        Raises:
            ContractError: If the queries do not form a square.
        """
        side = isqrt(self.n_queries)
        if side * side != self.n_queries:
            raise ContractError(
                f"n_queries is {self.n_queries}, not a square number, so the image tokens have no grid; "
                "use a checkpoint with a square number of queries (Qwen-VL has 256)"
            )
        return side


class QwenVLConfig(PreTrainedConfig):
    """Qwen-VL as a Qwen2 language model behind an image tower with a resampler.

    Attributes:
        text_config: The language model, a `Qwen2Config`.
        vision_config: Image tower and resampler.
        image_token_id: Id that fills an image's place in the prompt ("<imgpad>").
    """

    # The original checkpoints' own name, so that their config.json is recognized as it is.
    model_type = "qwen"
    sub_configs_defaults = {"text_config": Qwen2Config, "vision_config": QwenVLVisionConfig}  # noqa: RUF012

    text_config: Any = None
    vision_config: Any = None
    image_token_id: int = 151859
    tie_word_embeddings: bool = False

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Read a config in the original format or in the one `save_pretrained` writes.

        Args:
            config_dict: Content of `config.json`.
            **kwargs: Passed on to transformers.

        Returns:
            The config.

        Raises:
            ContractError: If the original config is of a text-only model or differs where the port is fixed.
        """
        if "text_config" not in config_dict and "hidden_size" in config_dict:
            config_dict = translate(config_dict)
        return super().from_dict(config_dict, **kwargs)


def translate(original: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the original flat settings into those of the two parts.

    Only half of `intermediate_size` is one matrix of the gated MLP. `seq_length` becomes the longest row:
    beyond it the original rescales its rotary base and its queries, which the port does not.

    Args:
        original: Content of an original `config.json`.

    Returns:
        Content of a `config.json` of this package.

    Raises:
        ContractError: If there is no `visual` section, or a setting differs from the published ones.

    Source: the config.json of Qwen/Qwen-VL and Qwen/Qwen-VL-Chat.
    """
    if "visual" not in original:
        raise ContractError(
            "config.json with model_type 'qwen' has no 'visual' section: a text-only Qwen model, which sees "
            "no image; use Qwen-VL or Qwen-VL-Chat"
        )
    for name, expected in FIXED.items():
        if original.get(name, expected) != expected:
            raise ContractError(
                f"config.json sets {name}={original[name]!r}, this port computes only {expected!r}; "
                "use an unmodified Qwen-VL checkpoint"
            )
    visual = dict(original["visual"])
    image_start = int(visual.pop("image_start_id"))
    return {
        "architectures": ["QwenVLForConditionalGeneration"],
        "dtype": original.get("torch_dtype"),
        "image_token_id": image_start + 2,
        "text_config": _text_settings(original),
        "vision_config": visual,
    }


def _text_settings(original: Mapping[str, Any]) -> dict[str, Any]:
    heads = original["num_attention_heads"]
    return {
        "vocab_size": original["vocab_size"],
        "hidden_size": original["hidden_size"],
        "intermediate_size": original["intermediate_size"] // 2,
        "num_hidden_layers": original["num_hidden_layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": original.get("kv_channels", original["hidden_size"] // heads),
        "rms_norm_eps": original["layer_norm_epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": float(original["rotary_emb_base"])},
        "max_position_embeddings": original["seq_length"],
        "initializer_range": original.get("initializer_range", 0.02),
        "tie_word_embeddings": False,
    }
