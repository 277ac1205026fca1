"""One image under the lens: where the model looks, where its norms lie, and what a method changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from scr_lens.analysis.entropy import credit_entropy
from scr_lens.comparison import attention_maps, baseline_pass, full_capture, treated_pass, treatment
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.grid import PatchGrid
from scr_lens.interventions.plan import RedistributionPlan
from scr_lens.serialization import to_dict
from scr_lens.trace import Lens, Sample, SampleRecord, YesNo
from scr_lens.trace.unknown_words import caution, unknown_words


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """The model's state over one image in one pass.

    Attributes:
        resid_norm: Euclidean norm of resid_post at every block and patch.
        attention: Attention from text to every patch at every block, mean over heads and text queries.
        norm_entropy: Normalized entropy of the norms per block, in [0, 1]; 1 when all patches are equal.
        attention_entropy: The same of the attention maps; 0 when one patch gets all the attention.
        answer: Probabilities of yes and no, and what the greedy token says.
    """

    resid_norm: Float[np.ndarray, "layer patch"]
    attention: Float[np.ndarray, "layer patch"]
    norm_entropy: Float[np.ndarray, " layer"]
    attention_entropy: Float[np.ndarray, " layer"]
    answer: YesNo


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """Everything that is shown of one image and one prompt, before and after a method.

    Attributes:
        image: The image as given.
        title: Name of the image.
        prompt: Complete prompt.
        model_id: Model.
        method: Name of the method.
        config: Its settings.
        grid: Grid of the image tokens.
        token_meaning: What one image token stands for, such as a patch or a query of a resampler.
        layers: Blocks at which the method acts.
        diagnostic_layers: Blocks over which `attention_map` is averaged.
        attention_map: Diagnostic map A.
        plan: Sources and neighbors; None for a method without one.
        before: Untouched pass.
        after: Pass with the method.
        note: What a reader has to know about the answers; empty for an ordinary model.
    """

    image: Image.Image
    title: str
    prompt: str
    model_id: str
    method: str
    config: ScrConfig
    grid: PatchGrid
    token_meaning: str
    layers: LayerRange
    diagnostic_layers: LayerRange
    attention_map: Float[np.ndarray, " patch"]
    plan: RedistributionPlan | None
    before: View
    after: View
    note: str = ""

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.before.resid_norm)

    @property
    def tokens(self) -> str:
        """The grid and what its cells are, such as "12 x 12 image tokens, each one patch of the image"."""
        size = f"{self.grid.height}\N{MULTIPLICATION SIGN}{self.grid.width}"
        return f"{size} image tokens, each {self.token_meaning}"

    def to_dict(self) -> dict[str, Any]:
        """Numbers for machines: answers, entropies per block, norm gain, plan, settings; no maps."""
        gain = self.after.resid_norm.sum(1) / self.before.resid_norm.sum(1)
        return {
            "image": self.title,
            "prompt": self.prompt,
            "model": self.model_id,
            "method": self.method,
            "config": to_dict(self.config),
            "grid": [self.grid.height, self.grid.width],
            "token_meaning": self.token_meaning,
            "layers": str(self.layers),
            "diagnostic_layers": str(self.diagnostic_layers),
            "neighbors_per_source": None if self.plan is None else self.plan.neighbors_per_source,
            "norm_gain_per_layer": gain.tolist(),
            "plan": None if self.plan is None else self.plan.to_dict(),
            "before": _numbers(self.before),
            "after": _numbers(self.after),
            "note": self.note,
        }


def inspect_image(
    lens: Lens, sample: Sample, *, method: str = "scr", config: ScrConfig | None = None, note: str = ""
) -> Inspection:
    """Looks at one image before and after a method.

    Args:
        lens: The model.
        sample: Image with its question or prompt; `image_id` becomes the title.
        method: Name of a built-in method.
        config: Settings; None takes the paper's.
        note: Caveat to carry along with the numbers.

    Returns:
        Maps, entropies and answers of both passes.

    Raises:
        ConfigError: If the method is unknown or the settings do not fit the model or the grid.
        DataError: If image or prompt are unusable.
    """
    settings = config or ScrConfig()
    capture = full_capture(lens, settings.diagnostic)
    batch = lens.prepare(sample)
    baseline = baseline_pass(lens, batch, (sample.image_id or sample.image_digest,), capture)
    attention_map = attention_maps(baseline, settings.diagnostic)[0]
    intervention = treatment(baseline, method, settings)
    after = treated_pass(baseline, intervention, capture)
    plans = getattr(intervention, "plans", (None,))
    return Inspection(
        image=sample.image,
        title=sample.image_id,
        prompt=batch.prompts[0],
        model_id=lens.model_id,
        method=method,
        config=settings,
        grid=batch.layouts[0].grid,
        token_meaning=lens.family.token_meaning,
        layers=settings.resolved_layers(lens.n_layers, lens.model_type),
        diagnostic_layers=settings.diagnostic.resolved_layers(lens.n_layers),
        attention_map=attention_map.numpy(),
        plan=plans[0],
        before=_view(baseline.record.samples[0], lens),
        after=_view(after.samples[0], lens),
        note=_remarks(lens, sample, note),
    )


def _remarks(lens: Lens, sample: Sample, note: str) -> str:
    unknown = caution(unknown_words(lens.processor.tokenizer, sample.question or ""))
    return " ".join(filter(None, (unknown, note)))


def _view(record: SampleRecord, lens: Lens) -> View:
    if record.resid_norm is None or record.attention is None:
        raise RuntimeError("an inspection captures norms and attention")
    norms, attention = record.resid_norm.numpy(), record.attention.numpy()
    return View(
        resid_norm=norms,
        attention=attention,
        norm_entropy=credit_entropy(norms, normalize=True),
        attention_entropy=credit_entropy(attention, normalize=True),
        answer=record.yes_no(lens),
    )


def _numbers(view: View) -> dict[str, Any]:
    return {
        "answer": view.answer.answer,
        "p_yes": view.answer.p_yes,
        "p_no": view.answer.p_no,
        "norm_entropy_per_layer": view.norm_entropy.tolist(),
        "attention_entropy_per_layer": view.attention_entropy.tolist(),
    }
