"""What looking inside costs: a capture against a plain forward pass of the same weights, in one process."""

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from scr_lens.analysis.paired_ratio import Ratio, paired_ratio
from scr_lens.config import DiagnosticConfig, LayerRange
from scr_lens.errors import ConfigError
from scr_lens.families import family_for
from scr_lens.trace import CaptureSpec, Sample, run_pass, wrap
from scr_lens.trace.synthetic import SyntheticLlava, build_llava

BENCHMARK_SIZES = SyntheticLlava(
    n_layers=16,
    d_model=1024,
    n_heads=16,
    n_kv_heads=16,
    d_mlp=2752,
    image_size=336,
    patch_size=14,
    vision_layers=2,
    vision_width=128,
    gain=1.0,
    vision_gain=1.0,
)
QUESTION = "is there a red dog on the left of the blue ball in this image ?"


@dataclass(frozen=True, kw_only=True)
class CaptureBenchmark:
    """Result of `capture_benchmark`.

    Attributes:
        sizes: The model.
        seq_len: Tokens per row, image included.
        device: Where it ran.
        n_threads: CPU threads torch used.
        rounds: Rounds that were timed; each runs every variant once.
        plain_s: Median seconds of the plain SDPA forward pass.
        ratios: Per variant: "norms", "diagnostic" (norms and the attention map of the diagnostic blocks),
            "all_layers" (norms and attention of every block) and "eager" (transformers with
            `output_attentions`).
    """

    sizes: SyntheticLlava
    seq_len: int
    device: str
    n_threads: int
    rounds: int
    plain_s: float
    ratios: Mapping[str, Ratio]

    def __str__(self) -> str:
        head = (
            f"{self.sizes.n_layers} blocks x {self.sizes.d_model}, {self.seq_len} tokens, {self.device}, "
            f"{self.n_threads} threads, {self.rounds} rounds; plain SDPA forward {self.plain_s:.3f} s = 1"
        )
        rows = [
            f"{name:<12}{ratio.median:.3f}  (quartiles {ratio.low:.3f} to {ratio.high:.3f})"
            for name, ratio in self.ratios.items()
        ]
        return "\n".join([head, *rows])


def capture_benchmark(
    *, rounds: int = 9, warmup: int = 1, sizes: SyntheticLlava = BENCHMARK_SIZES, device: str = "cpu"
) -> CaptureBenchmark:
    """Time captures against a plain forward pass of the same weights, interleaved in one process.

    Every round runs all variants, starting one further each time, so that a slow moment of the machine hits
    all of them; ratios are formed within a round.

    Args:
        rounds: Timed rounds, at least 2.
        warmup: Rounds that are run first and dropped.
        sizes: The random-weight model; by default 16 blocks of width 1024 with 576 image tokens.
        device: Where to run.

    Returns:
        Median ratios with quartiles.

    Raises:
        ConfigError: If `rounds` is below 2.
    """
    if rounds < 2:
        raise ConfigError(f"rounds is {rounds}; give at least 2 for a spread")
    seq_len, variants = _variants(sizes, device)
    names = list(variants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for index in range(warmup + rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            elapsed = _seconds(variants[name], device)
            if index >= warmup:
                seconds[name].append(elapsed)
    plain = seconds.pop("plain")
    return CaptureBenchmark(
        sizes=sizes,
        seq_len=seq_len,
        device=device,
        n_threads=torch.get_num_threads(),
        rounds=rounds,
        plain_s=statistics.median(plain),
        ratios={name: paired_ratio(times, plain) for name, times in seconds.items()},
    )


def _variants(sizes: SyntheticLlava, device: str) -> tuple[int, dict[str, Callable[[], Any]]]:
    """The things to time; all models share one set of weights."""
    model, processor = build_llava(sizes)
    model.requires_grad_(False).to(device)
    plain, eager = _twin(model, "sdpa"), _twin(model, "eager")
    lens = wrap(model, processor, model_id="synthetic-llava")
    image = Image.effect_noise((sizes.image_size, sizes.image_size), 80)
    batch = lens.prepare(Sample(image, question=QUESTION))
    inputs = batch.inputs_on(device)

    def forward(twin: Any, **options: Any) -> Callable[[], Any]:
        def run() -> None:
            with torch.no_grad():
                twin(**inputs, use_cache=False, logits_to_keep=1, **options)

        return run

    def capture(attention: LayerRange | None) -> Callable[[], Any]:
        spec = CaptureSpec(attention=attention)
        return lambda: run_pass(lens, batch, spec)

    return batch.seq_len, {
        "plain": forward(plain),
        "norms": capture(None),
        "diagnostic": capture(DiagnosticConfig().resolved_layers(lens.n_layers)),
        "all_layers": capture(LayerRange(0, lens.n_layers - 1)),
        "eager": forward(eager, output_attentions=True),
    }


def _twin(model: Any, attention: str) -> Any:
    """A second model on the same weights with another attention implementation."""
    twin = copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    twin.set_attn_implementation(family_for(model.config.model_type).attn_implementation(attention))
    return twin


def _seconds(run: Callable[[], Any], device: str) -> float:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
