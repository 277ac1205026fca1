"""Every intervention that a run can name, and how to build it for a batch."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, LayoutError, unknown_name
from scr_lens.interventions import custom
from scr_lens.interventions.base import Identity, Intervention
from scr_lens.interventions.controls import GaussianNoise, ScaleNeighbors, uniform_plan
from scr_lens.interventions.plan import RedistributionPlan
from scr_lens.interventions.redistribution import Redistribution
from scr_lens.interventions.seeding import seeded_generator
from scr_lens.interventions.selection import scramble, select
from scr_lens.layout import TokenLayout


@dataclass(frozen=True, kw_only=True, eq=False)
class BuildContext:
    """What a method may use to build its intervention for one batch.

    Args:
        attention: The attention map of each sample; empty for methods that need none.
        layouts: The token layout of each sample.
        layers: The blocks of the redistribution range.
        config: The settings of the redistribution.
        sample_keys: The key of each sample, for seeding.
    """

    attention: tuple[Float[Tensor, "_"], ...]
    layouts: tuple[TokenLayout, ...]
    layers: LayerRange
    config: ScrConfig
    sample_keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A named intervention.

    Args:
        name: The name in configs, stores and figures.
        description: One line on what it does.
        needs_attention: Whether a diagnostic pass must come first.
        builder: Builds the intervention from a batch's context.
        is_custom: Whether the method is a user's own class.
    """

    name: str
    description: str
    needs_attention: bool
    builder: Callable[[BuildContext], Intervention] = dataclasses.field(repr=False)
    is_custom: bool = False

    @property
    def source_sha256(self) -> str:
        """SHA-256 of the source of a user's own class; "" for built-in methods."""
        return custom.source_sha256(self.name) if self.is_custom else ""

    def build(
        self,
        attention: tuple[Float[Tensor, "_"], ...] | None,
        layouts: tuple[TokenLayout, ...],
        n_layers: int,
        model_type: str,
        config: ScrConfig,
        sample_keys: tuple[str, ...],
    ) -> Intervention:
        """Build the intervention for one batch.

        Args:
            attention: The attention map of each sample; None if `needs_attention` is False.
            layouts: The token layout of each sample.
            n_layers: Number of decoder blocks of the model.
            model_type: The model's `config.model_type`, which decides the default blocks.
            config: The settings of the redistribution.
            sample_keys: A key per sample; equal keys get equal draws in every batch.

        Returns:
            The intervention, one row per sample.

        Raises:
            ConfigError: If a map is missing or the settings do not fit model or grid.
            LayoutError: If maps, layouts and keys disagree.
        """
        if self.needs_attention and attention is None:
            raise ConfigError(
                f"method {self.name!r} got no attention maps; run the diagnostic pass, one map per sample"
            )
        maps = (attention or ()) if self.needs_attention else ()
        counts = [len(layouts), len(sample_keys), *([len(maps)] if self.needs_attention else [])]
        if len(set(counts)) > 1:
            raise LayoutError(
                f"method {self.name!r} got {len(layouts)} layouts, {len(sample_keys)} sample keys "
                f"and {len(maps)} attention maps; give one of each per sample"
            )
        layers = config.resolved_layers(n_layers, model_type)
        return self.builder(
            BuildContext(
                attention=maps, layouts=layouts, layers=layers, config=config, sample_keys=sample_keys
            )
        )


def find_method(name: str) -> Method:
    """Look up a method by name.

    Args:
        name: A key of `METHODS`, or "module:Class" of one's own (see `interventions.custom`).

    Returns:
        The method.

    Raises:
        ConfigError: If the name is unknown (the message lists the known names and the closest one), or the
            class cannot be imported.
    """
    if custom.is_custom(name):
        own = custom.import_class(name)
        return Method(
            name=name,
            description=(own.__doc__ or "a user's own intervention").strip().splitlines()[0],
            needs_attention=bool(getattr(own, "needs_attention", True)),
            builder=custom.builder(name, own),
            is_custom=True,
        )
    if name not in METHODS:
        raise ConfigError(unknown_name("method", name, METHODS))
    return METHODS[name]


def _plans(context: BuildContext) -> list[RedistributionPlan]:
    """Select each sample's plan from its attention map."""
    samples = zip(context.attention, context.layouts, context.sample_keys, strict=True)
    return [
        select(
            attention,
            layout.grid,
            context.config,
            seeded_generator(context.config.seed, "scrambled", key),
        )
        for attention, layout, key in samples
    ]


def _uniform_plans(context: BuildContext) -> list[RedistributionPlan]:
    samples = zip(context.layouts, context.sample_keys, strict=True)
    seed = context.config.seed
    return [
        uniform_plan(layout.grid, context.config, seeded_generator(seed, "uniform-smooth", key))
        for layout, key in samples
    ]


def _scrambled_plans(context: BuildContext) -> list[RedistributionPlan]:
    if context.config.topology == "scrambled":
        return _plans(context)
    seed = context.config.seed
    pairs = zip(_plans(context), context.sample_keys, strict=True)
    return [scramble(plan, seeded_generator(seed, "scrambled", key)) for plan, key in pairs]


def _redistribution(context: BuildContext, plans: list[RedistributionPlan], lambda_: float) -> Redistribution:
    positions = [layout.image_positions for layout in context.layouts]
    return Redistribution(plans, positions, lambda_, context.layers, context.config.schedule)


def _build_scr(context: BuildContext) -> Intervention:
    return _redistribution(context, _plans(context), context.config.lambda_)


def _build_identity(context: BuildContext) -> Intervention:
    return _redistribution(context, _plans(context), 1.0)


def _build_uniform(context: BuildContext) -> Intervention:
    return _redistribution(context, _uniform_plans(context), context.config.lambda_)


def _build_scrambled(context: BuildContext) -> Intervention:
    return _redistribution(context, _scrambled_plans(context), context.config.lambda_)


def _build_noise(context: BuildContext) -> Intervention:
    return GaussianNoise(
        _plans(context),
        [layout.image_positions for layout in context.layouts],
        context.config.lambda_,
        context.layers,
        context.config.schedule,
        sample_keys=context.sample_keys,
        seed=context.config.seed,
    )


def _build_norm_only(context: BuildContext) -> Intervention:
    positions = [layout.image_positions for layout in context.layouts]
    config = context.config
    return ScaleNeighbors(_plans(context), positions, config.lambda_, context.layers, config.schedule)


def _build_vanilla(context: BuildContext) -> Intervention:
    del context
    return Identity()


def _method(
    name: str, needs_attention: bool, builder: Callable[[BuildContext], Intervention], description: str
) -> Method:
    return Method(name=name, description=description, needs_attention=needs_attention, builder=builder)


_ALL = (
    _method("vanilla", False, _build_vanilla, "no intervention"),
    _method("identity", True, _build_identity, "the edit of scr with lambda = 1: same code path, no change"),
    _method("scr", True, _build_scr, "the most attended patches give credit to their neighbors"),
    _method("uniform-smooth", False, _build_uniform, "scr with sources drawn at random"),
    _method("gaussian-noise", True, _build_noise, "scr with noise of equal norm in place of the source copy"),
    _method("scrambled", True, _build_scrambled, "scr with neighbors drawn at random far from their source"),
    _method("norm-only", True, _build_norm_only, "scr's norms with each neighbor's own direction"),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
"""Every method by name, in the order of tables and figures."""
