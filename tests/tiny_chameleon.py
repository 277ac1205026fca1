"""A tiny Chameleon with random weights and its processor: 6 x 6 cells of 8 pixels."""

from typing import Any

import torch
from tiny_decoder import decoder_sizes, random_model
from tiny_tokenizer import word_tokenizer
from transformers import ChameleonConfig, ChameleonForConditionalGeneration, ChameleonProcessor
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

SIDE = 48
LEVELS = 4
CODES = 64


def code_name(index: int) -> str:
    """How the vocabulary writes a code: its decimal digits as letters."""
    return "IMGIMG" + "".join(chr(ord("A") + int(digit)) for digit in str(index)) + "Z"


def build_chameleon(*, swin_norm: bool = False, n_kv_heads: int = 4, gain: float = 6.0) -> tuple[Any, Any]:
    tokenizer = word_tokenizer(
        ("<image>", "<racm3:break>", "<eoss>", "<reserved08706>"), [code_name(i) for i in range(CODES)]
    )
    tokenizer.sep_token = "<reserved08706>"
    config = ChameleonConfig(
        **decoder_sizes(tokenizer, n_kv_heads=n_kv_heads),
        swin_norm=swin_norm,
        vocabulary_map=tokenizer.get_vocab(),
        vq_config={
            "embed_dim": 8,
            "num_embeddings": CODES,
            "latent_channels": 8,
            "resolution": SIDE,
            "base_channels": 32,
            "channel_multiplier": [1] * LEVELS,
            "num_res_blocks": 1,
            "attn_type": "none",
        },
    )
    model = random_model(
        ChameleonForConditionalGeneration,
        config,
        tokenizer,
        lambda name: 1 if "vqmodel" in name or "_norm" in name else gain,
    )
    with torch.no_grad():
        _codes_of_noise(model.model.vqmodel)
    images = ChameleonImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    cells = (SIDE // 2 ** (LEVELS - 1)) ** 2
    return model, ChameleonProcessor(images, tokenizer, image_seq_length=cells)


def _codes_of_noise(tokenizer: Any) -> None:
    """Make a code depend on its own cell: no residual blocks, means of 2 x 2, codes of random pictures."""
    encoder, generator = tokenizer.encoder, torch.Generator().manual_seed(1)
    for name, module in encoder.named_modules():
        if name.endswith("conv2"):
            module.weight.zero_()
    _mix_channels(encoder.conv_in, [(1, 1)], generator)
    _mix_channels(encoder.conv_out, [(1, 1)], generator)
    for level in list(encoder.down)[:-1]:
        _mix_channels(level.downsample.conv, [(0, 0), (0, 1), (1, 0), (1, 1)], generator)
    torch.nn.init.eye_(tokenizer.quant_conv.weight[:, :, 0, 0])
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=generator) * 2 - 1
    latents = tokenizer.quant_conv(encoder(pixels)).permute(0, 2, 3, 1).flatten(0, 2)
    tokenizer.quantize.embedding.weight.copy_(latents[:CODES])


def _mix_channels(conv: Any, taps: list[tuple[int, int]], generator: torch.Generator) -> None:
    """A random map between channels, averaged over some taps of the kernel and 0 at the others."""
    mix = torch.randn(conv.weight.shape[:2], generator=generator) / conv.weight.shape[1] ** 0.5
    conv.weight.zero_()
    for row, col in taps:
        conv.weight[:, :, row, col] = mix / len(taps)
