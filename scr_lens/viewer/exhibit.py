"""An inspection with what the viewer can show beyond it: more credit estimators, the picture as cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from PIL import Image

from scr_lens.comparison import baseline_pass, full_capture, treatment
from scr_lens.errors import DataError
from scr_lens.inspection import Inspection
from scr_lens.trace import Batch, Lens, Sample, credit_maps
from scr_lens.viewer.picture import from_pixels

CreditPair = tuple[Float[np.ndarray, "layer patch"], Float[np.ndarray, "layer patch"]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exhibit:
    """What the viewer shows of one image.

    Args:
        inspection: Norms, attention, answers and plan.
        credit: Further credit maps before and after the method, by estimator.
        seen: The picture as the model saw it, where the processor cut it; None takes the inspection's.

    Raises:
        DataError: If a credit map does not have the shape of the norms.
    """

    inspection: Inspection
    credit: Mapping[str, CreditPair] = field(default_factory=dict)
    seen: Image.Image | None = None

    def __post_init__(self) -> None:
        expected = self.inspection.before.resid_norm.shape
        for name, pair in self.credit.items():
            for values in pair:
                if values.shape != expected:
                    raise DataError(
                        f"credit {name!r} has shape {values.shape}; expected {expected}, a value per block "
                        "and patch"
                    )

    @property
    def picture(self) -> Image.Image:
        """The picture under the maps."""
        return self.seen or self.inspection.image


def exhibit(
    lens: Lens,
    inspection: Inspection,
    estimators: Iterable[str] = (),
    *,
    progress: bool = False,
) -> Exhibit:
    """Measures what the viewer can show beyond an inspection.

    Credit before and after explains the same token, the untouched model's own answer, so that the two differ
    by the method and not by the question.

    Args:
        lens: The model of the inspection.
        inspection: The inspection.
        estimators: Credit estimators besides the norm and the attention, such as "grad_norm".
        progress: Whether a slow estimator shows a progress bar.

    Returns:
        The exhibit.

    Raises:
        ConfigError: If an estimator is unknown.
    """
    sample = Sample(inspection.image, prompt=inspection.prompt, image_id=inspection.title)
    batch = lens.prepare(sample)
    seen = None if inspection.grid.covers(*inspection.image.size) else seen_picture(lens, batch)
    names = list(dict.fromkeys(estimators))
    credit = {name: _pair(lens, batch, inspection, name, progress=progress) for name in names}
    return Exhibit(inspection=inspection, credit=credit, seen=seen)


def seen_picture(lens: Lens, batch: Batch) -> Image.Image | None:
    """The picture of a batch's first sample as its processor cut it.

    Args:
        lens: The model.
        batch: A batch of it.

    Returns:
        The model's input turned back into a picture; None for a processor whose input is no picture, or of
        other proportions than the patch grid.
    """
    processor = getattr(lens.processor, "image_processor", None)
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    pixels = batch.encoding.get("pixel_values")
    if pixels is None or pixels.ndim != 4 or not mean or not std:
        return None
    picture = from_pixels(pixels[0].double().cpu().numpy(), list(mean), list(std))
    return picture if batch.layouts[0].grid.covers(*picture.size) else None


def _pair(lens: Lens, batch: Batch, inspection: Inspection, name: str, *, progress: bool) -> CreditPair:
    target = (inspection.before.answer.greedy_token_id,)
    config = inspection.config
    key = inspection.title or batch.samples[0].image_digest
    baseline = baseline_pass(lens, batch, (key,), full_capture(lens, config.diagnostic))
    method = treatment(baseline, inspection.method, config)
    before = credit_maps(
        lens, batch, name, target=target, queries=config.diagnostic.queries, progress=progress
    )
    after = credit_maps(
        lens,
        batch,
        name,
        target=target,
        queries=config.diagnostic.queries,
        intervention=method,
        progress=progress,
    )
    return before[0].numpy(), after[0].numpy()
