"""A named method as an intervention for one batch, with its diagnostic pass: for a user's own trace."""

from scr_lens.config import ScrConfig
from scr_lens.interventions import Intervention, find_method
from scr_lens.trace.diagnosis import diagnose
from scr_lens.trace.model import Lens
from scr_lens.trace.sample import Batch


def build_intervention(
    lens: Lens,
    batch: Batch,
    method: str = "scr",
    config: ScrConfig = ScrConfig(),  # noqa: B008 - frozen
) -> Intervention:
    """Build what a method does to a batch: the diagnostic pass if it needs one, then one plan per sample.

    The result goes into `run_pass`, `apply`, `walk`, `generate` or `Lens.edited`. A run or an inspection
    builds the same from the untouched pass that it makes anyway.

    Args:
        lens: The model.
        batch: Samples prepared by `lens.prepare`; the intervention fits this batch only.
        method: A name from `METHODS`, or "module:Class" of one's own.
        config: Settings of the redistribution.

    Returns:
        The intervention. Random controls are drawn from `config.seed` and each sample's `image_id`, or its
        pixels where it has none, so that a sample gets the same draw in every batch.

    Raises:
        ConfigError: If the method is unknown, or the settings do not fit the model or the grid.
        LayoutError: If "question" queries are asked for and a question is empty.
    """
    chosen = find_method(method)
    attention = diagnose(lens, batch, config.diagnostic) if chosen.needs_attention else None
    keys = tuple(sample.image_id or sample.image_digest for sample in batch.samples)
    return chosen.build(attention, batch.layouts, lens.n_layers, lens.model_type, config, keys)
