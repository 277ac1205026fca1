"""One image before and after a method, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage

from scr_lens.errors import ConfigError
from scr_lens.figures.answer_bars import draw_answers
from scr_lens.figures.color_scale import ColorScale
from scr_lens.figures.header import HeaderLine, draw_header, header_height, header_lines
from scr_lens.figures.heatmap import (
    add_colorbar,
    add_inset_colorbar,
    draw_image,
    draw_map,
)
from scr_lens.figures.layer_curves import draw_entropies
from scr_lens.figures.outline import draw_neighbors, draw_sources, legend_handles, outline_width
from scr_lens.figures.style import (
    INK,
    MUTED,
    PAGE_WIDTH,
    SEQUENTIAL_ALTERNATIVE,
    SMALL_SIZE,
    TITLE_SIZE,
    finish,
    house_style,
    new_figure,
)

if TYPE_CHECKING:
    from scr_lens.inspection import Inspection

_OVERVIEW_HEIGHT, _CURVES_HEIGHT = 2.5, 1.75
_COLUMN_WIDTH, _BAR_WIDTH = 1.7, 0.5
_LARGEST_MAP, _MAP_GAPS = 1.5, 0.7
_LEAST_COLUMNS = 4
_ROW_LABELS = ("before", "after", "difference")
_INACTIVE = ("vanilla", "identity")


@house_style()
def inspection_figure(inspection: Inspection, layers: Sequence[int] | None = None) -> Figure:
    """Draw where the model looks, where its norms lie and what a method changes.

    From top to bottom: what was asked, of which model, with which method; the image, the attention map with
    sources and neighbors, the answer before and after; both entropies per layer; the norms of some layers
    before, after and their difference. Before and after share one color scale per layer, all differences
    share one.

    Args:
        inspection: What was measured.
        layers: Layers whose norms are drawn, 0-based; None takes first, middle and last layer of the method's
            range and the last layer of the model.

    Returns:
        The figure; it is a page wide and grows with more than four layers.

    Raises:
        ConfigError: If a layer is outside the model or no layer is asked for.
    """
    chosen = _checked(layers, inspection.n_layers) if layers is not None else default_layers(inspection)
    width = max(PAGE_WIDTH, 0.4 + _COLUMN_WIDTH * len(chosen))
    lines = header_lines(inspection.title or "untitled image", facts(inspection), _note(inspection), width)
    heights = [header_height(lines), _OVERVIEW_HEIGHT, _CURVES_HEIGHT, _maps_height(inspection, len(chosen))]
    figure = new_figure(width, sum(heights))
    places = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    parts = [figure.add_subfigure(places[row]) for row in range(len(heights))]
    for (
        part
    ) in parts:  # its background's edge lies at +-0 depending on what was drawn before: not the same bytes
        part.patch.set_visible(False)
    _fill(parts, inspection, chosen, lines, width)
    return finish(figure)


def default_layers(inspection: Inspection) -> tuple[int, ...]:
    """Choose the layers that show most.

    Args:
        inspection: What was measured.

    Returns:
        First, middle and last layer of the method's range and the last layer of the model, ascending.
    """
    first, last = inspection.layers.first, inspection.layers.last
    return tuple(sorted({first, (first + last) // 2, last, inspection.n_layers - 1}))


def facts(inspection: Inspection) -> tuple[str, ...]:
    """Say what is shown, in the lines under the title.

    Args:
        inspection: What was measured.

    Returns:
        Model, prompt and method with its parameters.
    """
    return (
        f"Model: {inspection.model_id} ({inspection.n_layers} layers, {inspection.tokens})",
        f"Prompt: {inspection.prompt}",
        f"Method: {inspection.method} ({_parameters(inspection)})",
    )


def _parameters(inspection: Inspection) -> str:
    if inspection.method in _INACTIVE:
        return "leaves the model as it is"
    config, plan = inspection.config, inspection.plan
    schedule = "" if config.schedule == "every_layer" else ", once after the last"
    parts = [f"\N{GREEK SMALL LETTER LAMDA} = {config.lambda_:g}"]
    if plan is not None:
        feeds = f"{len(plan.neighbors)} neighbors ({plan.neighbors_per_source:.1f} per source)"
        parts.append(f"{len(plan.sources)} sources and {feeds}, topology {config.topology}")
    parts.append(f"layers {inspection.layers}{schedule}")
    return "; ".join(parts)


def _note(inspection: Inspection) -> str:
    return f"Note: {inspection.note}" if inspection.note else ""


def _checked(layers: Sequence[int], n_layers: int) -> tuple[int, ...]:
    if not layers:
        raise ConfigError("layers is empty: expected at least one layer to draw, such as [0]")
    for layer in layers:
        if not 0 <= layer < n_layers:
            raise ConfigError(
                f"layer {layer} is outside the model: expected 0 to {n_layers - 1}; layers count from 0"
            )
    return tuple(int(layer) for layer in layers)


def _maps_height(inspection: Inspection, n_columns: int) -> float:
    grid = inspection.grid
    room = max(_COLUMN_WIDTH, PAGE_WIDTH / max(_LEAST_COLUMNS, n_columns)) - _BAR_WIDTH
    side = min(_LARGEST_MAP, room * grid.height / grid.width)
    return 3 * side + _MAP_GAPS


def _fill(
    parts: Sequence[SubFigure],
    inspection: Inspection,
    layers: Sequence[int],
    lines: Sequence[HeaderLine],
    width: float,
) -> None:
    draw_header(parts[0], lines, width)
    _draw_overview(parts[1], inspection)
    draw_entropies(parts[2], inspection, is_active=inspection.method not in _INACTIVE)
    _draw_norms(parts[3], inspection, layers)


def _draw_overview(part: SubFigure, inspection: Inspection) -> None:
    picture, attention, answers = part.subplots(1, 3, width_ratios=[1, 1.25, 1.15])
    _draw_picture(picture, inspection)
    _draw_attention(part, attention, inspection)
    draw_answers(answers, inspection.before.answer, inspection.after.answer)


def _draw_picture(axes: Axes, inspection: Inspection) -> None:
    """The image, with the sources on it where the grid is known to cover all of it."""
    draw_image(axes, inspection.image, inspection.grid)
    axes.set_title("image")
    axes.set_anchor("NW")
    if inspection.plan is None:
        return
    if inspection.grid.covers(*inspection.image.size):
        draw_sources(axes, inspection.plan.sources.tolist(), inspection.grid, outline_width(inspection.grid))
    else:
        axes.set_xlabel("no sources drawn: image and grid\ndiffer in shape", color=MUTED, fontsize=SMALL_SIZE)


def _draw_attention(part: SubFigure, axes: Axes, inspection: Inspection) -> None:
    label = "attention probability"
    scale = ColorScale.spanning([inspection.attention_map], label, colormap=SEQUENTIAL_ALTERNATIVE)
    drawn = draw_map(axes, inspection.attention_map, inspection.grid, scale)
    axes.set_title(f"attention map A (layers {inspection.diagnostic_layers})")
    axes.set_anchor("NW")
    add_inset_colorbar(part, drawn, axes, scale)
    if inspection.plan is None:
        return
    sources, width = inspection.plan.sources.tolist(), outline_width(inspection.grid)
    draw_neighbors(axes, inspection.plan.neighbors.tolist(), sources, inspection.grid, max(0.7, 0.8 * width))
    draw_sources(axes, sources, inspection.grid, width)
    axes.legend(
        handles=legend_handles(), loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, borderpad=0.2
    )


def _draw_norms(part: SubFigure, inspection: Inspection, layers: Sequence[int]) -> None:
    """Three rows of maps; a color bar spans before and after of a layer, another one all differences."""
    part.suptitle(
        "norm of the residual stream per patch; before and after share one color scale",
        x=0.012,
        ha="left",
        size=TITLE_SIZE,
        weight="bold",
    )
    rows = _map_axes(part, len(layers))
    after, before = inspection.after.resid_norm, inspection.before.resid_norm
    changes = [after[layer] - before[layer] for layer in layers]
    shared = ColorScale.symmetric(changes, "change of norm")
    for column, layer in enumerate(layers):
        rows[0, column].set_title(f"layer {layer}" + (" (method acts)" if _acts(inspection, layer) else ""))
        pair = [before[layer], after[layer]]
        scale = ColorScale.spanning(pair, "")
        for axes, norms in zip(rows[:2, column], pair, strict=True):
            drawn = draw_map(axes, norms, inspection.grid, scale)
        add_colorbar(part, drawn, rows[:2, column], scale)
        change = _draw_change(rows[2, column], changes[column], inspection, shared)
    for axes, text in zip(rows[:, 0], _ROW_LABELS, strict=True):
        axes.set_ylabel(text, color=INK)
    if any(values.any() for values in changes):
        add_colorbar(part, change, rows[2, -1], shared)


def _map_axes(part: SubFigure, n_layers: int) -> np.ndarray:
    """Axes [row, layer], each against the right side of its place, where the color bars stand."""
    rows = part.subplots(3, max(_LEAST_COLUMNS, n_layers), squeeze=False)
    for axes in rows[:, n_layers:].flat:
        axes.remove()
    for axes in rows[:, :n_layers].flat:
        axes.set_anchor("E")
    kept: np.ndarray = rows[:, :n_layers]
    return kept


def _draw_change(
    axes: Axes, values: Float[np.ndarray, " patch"], inspection: Inspection, scale: ColorScale
) -> AxesImage:
    drawn = draw_map(axes, values, inspection.grid, scale)
    if not values.any():
        axes.text(0.5, 0.5, "no change", transform=axes.transAxes, ha="center", va="center", color=MUTED)
    elif inspection.plan is not None:
        thin = 0.5 * outline_width(inspection.grid)
        draw_sources(axes, inspection.plan.sources.tolist(), inspection.grid, thin, color=INK)
    return drawn


def _acts(inspection: Inspection, layer: int) -> bool:
    return inspection.method not in _INACTIVE and layer in inspection.layers
