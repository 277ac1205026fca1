"""Qwen-VL for transformers 5: the image tower in front of a Qwen2 language model, without remote code.

Up to 2048 tokens the original language model computes what Qwen2 computes. Beyond, it rescales its rotary
base and its queries, so a longer row is refused instead of being answered by another model.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel, Qwen2Model
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling, ModelOutput

from scr_lens.errors import DataError
from scr_lens.families.qwen_vl.configuration import QwenVLConfig
from scr_lens.families.qwen_vl.resampler import Resampler, sincos_table
from scr_lens.families.qwen_vl.vision import VisionTower


@dataclass
class QwenVLOutput(ModelOutput):
    """What one forward pass returns.

    Attributes:
        loss: Mean cross-entropy of the labels, if there were any.
        logits: Next-token scores.
        past_key_values: The cache, if one was used.
        hidden_states: The residual streams, if asked for.
        attentions: The attention probabilities, if asked for and computed.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class QwenVLPreTrainedModel(PreTrainedModel):
    """What the model with and without its output layer share."""

    config: QwenVLConfig
    config_class = QwenVLConfig
    base_model_prefix = "model"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = ["Qwen2DecoderLayer", "PatchBlock", "Resampler"]  # noqa: RUF012
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _keys_to_ignore_on_load_unexpected = [r"\.masked_bias$", r"\.inv_freq$"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, VisionTower):
            init.normal_(module.positional_embedding, std=module.positional_embedding.shape[1] ** -0.5)
            init.normal_(module.proj, std=len(module.proj) ** -0.5)
        elif isinstance(module, Resampler):
            init.normal_(module.query, std=0.02)
            side = self.config.vision_config.grid_size
            init.copy_(module.pos_embed, sincos_table(side, module.pos_embed.shape[1]))


class QwenVLModel(QwenVLPreTrainedModel):
    """Image tower and language model without the output layer.

    Args:
        config: Sizes of both parts.
    """

    def __init__(self, config: QwenVLConfig) -> None:
        super().__init__(config)
        self.visual = VisionTower(config.vision_config)
        self.language_model = Qwen2Model(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token embeddings."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the token embeddings."""
        self.language_model.set_input_embeddings(value)

    def get_image_features(
        self, pixel_values: Float[Tensor, "image 3 height width"], **kwargs: Any
    ) -> BaseModelOutputWithPooling:
        """Image tokens of every image; `pooler_output` is a list with one `[query, d_model]` per image.

        Args:
            pixel_values: Normalized images.
            **kwargs: Accepted for transformers' callers, unused.
        """
        del kwargs
        pixel_values = pixel_values.to(self.visual.conv1.weight.device, self.visual.conv1.weight.dtype)
        return BaseModelOutputWithPooling(pooler_output=list(self.visual(pixel_values)))

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"] | None = None,
        pixel_values: Float[Tensor, "image 3 height width"] | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Float[Tensor, "batch seq d_model"] | None = None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Run the language model with image tokens in the places that hold `image_token_id`.

        Args:
            input_ids: Token ids; give these or `inputs_embeds`.
            pixel_values: Normalized images in the order of their places in the batch.
            attention_mask: 1 for tokens, 0 for padding.
            position_ids: Positions; None counts columns.
            past_key_values: The cache of earlier columns.
            inputs_embeds: Embeddings instead of ids, already with image tokens.
            mm_encoder_outputs: Output of `get_image_features` under "image", instead of pixels.
            **kwargs: Passed on to the language model.

        Returns:
            The language model's output.

        Raises:
            DataError: If the row, with the cache, is longer than the model takes, or image tokens and their
                places differ in number.
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        self._check_length(inputs_embeds.shape[1], past_key_values)
        images = (mm_encoder_outputs or {}).get("image")
        if images is None and pixel_values is not None:
            images = self.get_image_features(pixel_values)
        if images is not None and input_ids is not None:
            inputs_embeds = self._splice(input_ids, inputs_embeds, torch.cat(list(images.pooler_output)))
        return self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )

    def _splice(self, input_ids: Tensor, embeddings: Tensor, tokens: Tensor) -> Tensor:
        places = input_ids == self.config.image_token_id
        if tokens.shape[0] != places.sum():
            raise DataError(
                f"the prompts hold {int(places.sum())} image places (id {self.config.image_token_id}), the "
                f"images give {tokens.shape[0]} tokens; build the inputs with the checkpoint's processor"
            )
        tokens = tokens.to(embeddings.device, embeddings.dtype)
        return embeddings.masked_scatter(places[..., None].to(embeddings.device), tokens)

    def _check_length(self, new: int, cache: Cache | None) -> None:
        limit = self.config.text_config.max_position_embeddings
        total = new + (0 if cache is None else int(cache.get_seq_length()))
        if total > limit:
            raise DataError(
                f"a row of {total} tokens, Qwen-VL as computed here takes {limit} (beyond, the original "
                "rescales rotary base and queries); shorten the prompt or max_new_tokens"
            )


class QwenVLForConditionalGeneration(QwenVLPreTrainedModel, GenerationMixin):
    """Qwen-VL or Qwen-VL-Chat with its output layer.

    Args:
        config: Sizes of both parts.
    """

    def __init__(self, config: QwenVLConfig) -> None:
        super().__init__(config)
        self.model = QwenVLModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint; a ChatML checkpoint also ends its answers at the end of a turn.

        Args:
            *args: As in transformers.
            **kwargs: As in transformers.

        Returns:
            The model, or model and loading report with `output_loading_info=True`.
        """
        loaded = super().from_pretrained(*args, **kwargs)
        settings = (loaded[0] if isinstance(loaded, tuple) else loaded).generation_config
        if getattr(settings, "chat_format", None) == "chatml" and isinstance(settings.eos_token_id, int):
            end_of_text = settings.eos_token_id
            # The turn marks follow the end of text in the vocabulary: im_start, then im_end.
            settings.eos_token_id = [end_of_text, end_of_text + 2, end_of_text + 1]
        return loaded

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:
        """Save under the names of this package's modules, which `from_pretrained` reads as well.

        Args:
            save_directory: A folder.
            **kwargs: As in transformers.
        """
        super().save_pretrained(save_directory, **{"save_original_format": False, **kwargs})

    def get_image_features(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See `QwenVLModel.get_image_features`."""
        return self.model.get_image_features(pixel_values, **kwargs)

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"] | None = None,
        pixel_values: Float[Tensor, "image 3 height width"] | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Float[Tensor, "batch seq d_model"] | None = None,
        labels: Int[Tensor, "batch seq"] | None = None,
        logits_to_keep: int | Tensor = 0,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Any,
    ) -> QwenVLOutput:
        """Next-token scores.

        Args:
            input_ids: Token ids; give these or `inputs_embeds`.
            pixel_values: Normalized images in the order of their places in the batch.
            attention_mask: 1 for tokens, 0 for padding.
            position_ids: Positions; None counts columns.
            past_key_values: The cache of earlier columns.
            inputs_embeds: Embeddings instead of ids, already with image tokens.
            labels: Target ids, -100 where there is none.
            logits_to_keep: Number of last columns to score (0 = all), or their indices.
            mm_encoder_outputs: Output of `get_image_features` under "image", instead of pixels.
            **kwargs: Passed on to the language model.

        Returns:
            Logits and whatever else was asked for.

        Raises:
            DataError: See `QwenVLModel.forward`.
        """
        kwargs.pop("return_dict", None)
        output = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(output.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.text_config.vocab_size)
        return QwenVLOutput(
            loss=loss,
            logits=logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )
