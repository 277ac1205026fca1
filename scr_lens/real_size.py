"""The published models at true size with random weights: does the whole path run, and what does it cost?"""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from scr_lens.analysis.paired_ratio import Ratio, paired_ratio
from scr_lens.config import DiagnosticConfig, ScrConfig
from scr_lens.errors import ConfigError
from scr_lens.families.published import read_published
from scr_lens.interventions import find_method
from scr_lens.random_weights import published_depth, published_lens, shortcuts
from scr_lens.trace import Batch, CaptureSpec, Lens, Sample, diagnose, encode_images, run_pass
from scr_lens.trace.device import find_device

PHOTO = (640, 480)
"""Width and height of the picture, as photographs of COCO have them."""
QUESTION = "Is there a dog in the image? Answer yes or no."
LOGITS = CaptureSpec(resid_norms=False)


@dataclass(frozen=True, kw_only=True)
class RealSizeBenchmark:
    """Result of `real_size_benchmark`.

    Attributes:
        name: The published model.
        checkpoint: Its name on the hub.
        n_layers: Decoder blocks that were built.
        published_layers: Decoder blocks of the published model.
        distinct_blocks: Blocks with weights of their own; the others repeat them.
        parameters: Parameters of all blocks, repeated ones counted every time.
        held_parameters: Parameters in memory.
        dtype: Their type.
        device: Where they were.
        image_tokens: Tokens of the picture.
        grid: Height and width of their grid.
        seq_len: Tokens of the whole prompt.
        peak_gib: Peak memory in GiB: allocated on the GPU, or resident in this process on a CPU.
        rounds: Timed rounds.
        build_s: Seconds to make the model.
        features_s: Seconds of the image tower, which runs once per picture.
        plain_s: Median seconds of the plain forward pass from image features.
        ratios: Per variant, its seconds over those of the plain pass: "capture" (norms of every block and
            attention of the diagnostic blocks), "diagnose", "scr" (one pass with the intervention).
    """

    name: str
    checkpoint: str
    n_layers: int
    published_layers: int
    distinct_blocks: int
    parameters: int
    held_parameters: int
    dtype: str
    device: str
    image_tokens: int
    grid: tuple[int, int]
    seq_len: int
    peak_gib: float
    rounds: int
    build_s: float
    features_s: float
    plain_s: float
    ratios: Mapping[str, Ratio]

    def __str__(self) -> str:
        short = shortcuts(self.n_layers, self.published_layers, self.distinct_blocks)
        held = "" if self.held_parameters == self.parameters else f", {self.held_parameters:,} in memory"
        height, width = self.grid
        rows = [
            ("model", f"{self.name} ({self.checkpoint}), random weights{short}"),
            (
                "parameters",
                f"{self.parameters:,}{held} in {self.dtype} on {self.device}, made in {self.build_s:.1f} s",
            ),
            ("image tokens", f"{self.image_tokens} ({height} x {width}) of {self.seq_len} tokens"),
            ("peak memory", f"{self.peak_gib:.1f} GiB"),
            ("image tower", f"{1000 * self.features_s:.1f} ms, once per picture"),
            ("plain pass", f"{1000 * self.plain_s:.1f} ms, median of {self.rounds} rounds = 1"),
            *(
                (name, f"{ratio.median:.3f} (quartiles {ratio.low:.3f} to {ratio.high:.3f})")
                for name, ratio in self.ratios.items()
            ),
        ]
        return "\n".join(f"{name:<14}{text}" for name, text in rows)


def real_size_benchmark(
    name: str,
    *,
    dtype: str = "bfloat16",
    device: str | None = None,
    n_layers: int | None = None,
    distinct_blocks: int | None = None,
    rounds: int = 5,
) -> RealSizeBenchmark:
    """Build a published model with random weights and run the whole path on one picture of noise.

    The picture is prepared with the published processor settings; its features are computed once. Then every
    round runs the plain pass, a capture, the diagnostic pass and a pass with SCR, starting one further each
    time. The first round is dropped.

    Args:
        name: One of `families.published.PUBLISHED`.
        dtype: "float32", "bfloat16" or "float16".
        device: Where to run; None takes a CUDA device if there is one.
        n_layers: Decoder blocks to keep, for machines that cannot hold the model; None keeps all.
        distinct_blocks: Blocks with weights of their own, which the others repeat: the depth and the
            arithmetic of the model in the memory of a few blocks; None gives every block its own.
        rounds: Timed rounds, at least 2.

    Returns:
        Sizes, memory and ratios.

    Raises:
        ConfigError: If the model, number type or device is unknown, or blocks or rounds are out of range.
    """
    if rounds < 2:
        raise ConfigError(f"rounds is {rounds}; give at least 2 for a spread")
    facts = read_published(name)
    place = find_device(device)
    if torch.device(place).type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    started = time.perf_counter()
    lens = published_lens(name, dtype=dtype, device=place, n_layers=n_layers, distinct_blocks=distinct_blocks)
    built = time.perf_counter() - started
    prepared = lens.prepare(Sample(noise_photo(), question=QUESTION))
    encode_images(lens, prepared)  # the first call on a device is never a measurement
    features_s, batch = seconds(lambda: encode_images(lens, prepared), place)
    timed = _timed_rounds(_variants(lens, batch), rounds, place)
    plain = timed.pop("plain")
    grid = batch.layouts[0].grid
    return RealSizeBenchmark(
        name=facts.name,
        checkpoint=facts.checkpoint,
        n_layers=lens.n_layers,
        published_layers=published_depth(facts),
        distinct_blocks=lens.n_layers if distinct_blocks is None else distinct_blocks,
        parameters=sum(value.numel() for _, value in lens.hf_model.named_parameters(remove_duplicate=False)),
        held_parameters=sum(parameter.numel() for parameter in lens.hf_model.parameters()),
        dtype=dtype,
        device=describe(place),
        image_tokens=grid.size,
        grid=(grid.height, grid.width),
        seq_len=batch.seq_len,
        peak_gib=peak_bytes(place) / 2**30,
        rounds=rounds,
        build_s=built,
        features_s=features_s,
        plain_s=statistics.median(plain),
        ratios={variant: paired_ratio(times, plain) for variant, times in timed.items()},
    )


def _variants(lens: Lens, batch: Batch) -> dict[str, Callable[[], Any]]:
    """What is timed; building it runs the diagnosis once."""
    scr = find_method("scr").build(
        diagnose(lens, batch), batch.layouts, lens.n_layers, lens.model_type, ScrConfig(), ("noise",)
    )
    capture = CaptureSpec(attention=DiagnosticConfig().resolved_layers(lens.n_layers))
    inputs = batch.inputs_on(lens.device)

    def plain() -> None:
        with torch.no_grad():
            lens.hf_model(**inputs, use_cache=False, logits_to_keep=1)

    return {
        "plain": plain,
        "capture": lambda: run_pass(lens, batch, capture),
        "diagnose": lambda: diagnose(lens, batch),
        "scr": lambda: run_pass(lens, batch, LOGITS, scr),
    }


def _timed_rounds(
    variants: Mapping[str, Callable[[], Any]], rounds: int, device: str
) -> dict[str, list[float]]:
    names = list(variants)
    times: dict[str, list[float]] = {name: [] for name in names}
    with tqdm(total=(1 + rounds) * len(names), desc="bench", unit="pass") as bar:
        for index in range(1 + rounds):
            shift = index % len(names)
            for name in names[shift:] + names[:shift]:
                elapsed, _ = seconds(variants[name], device)
                bar.update()
                if index:
                    times[name].append(elapsed)
    return times


def seconds(run: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Seconds that something takes, work queued on a GPU included, and its result."""
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    result = run()
    if on_gpu:
        torch.cuda.synchronize(device)
    return time.perf_counter() - started, result


def noise_photo() -> Image.Image:
    """A picture of random pixels in the size of a photograph."""
    width, height = PHOTO
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def describe(device: str) -> str:
    """A device in words: the GPU's name, or the number of CPU threads."""
    if torch.device(device).type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"


def peak_bytes(device: str) -> int:
    """Most memory used so far: allocated on a GPU, else resident in this process."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
