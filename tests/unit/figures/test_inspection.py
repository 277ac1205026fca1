import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError
from scr_lens.figures.inspection import default_layers, facts, inspection_figure
from scr_lens.figures.outline import cell_edges


def flat_axes(figure):
    return [axes for part in figure.subfigs for axes in part.axes]


def texts(figure):
    return [text.get_text() for part in figure.subfigs for text in part.texts]


def maps(figure):
    """The norm maps by row and column."""
    drawn = [axes for axes in figure.subfigs[3].axes if axes.images]
    return np.array(drawn, dtype=object).reshape(3, -1)


@pytest.fixture(scope="module")
def shown(inspection):
    return inspection()


@pytest.fixture(scope="module")
def figure(shown):
    return inspection_figure(shown)


def test_default_layers(inspection):
    assert default_layers(inspection()) == (0, 1, 2, 5)
    assert default_layers(inspection(layers=LayerRange(4, 5))) == (4, 5)


def test_norm_maps_hold_the_norms(figure, shown):
    rows = maps(figure)
    before, after = shown.before.resid_norm, shown.after.resid_norm
    for column, layer in enumerate(default_layers(shown)):
        expected = (before[layer], after[layer], after[layer] - before[layer])
        for axes, values in zip(rows[:, column], expected, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), values.reshape(5, 7))


def test_before_and_after_share_a_scale_per_layer_and_differences_one(figure, shown):
    rows = maps(figure)
    before, after = shown.before.resid_norm, shown.after.resid_norm
    for column, layer in enumerate(default_layers(shown)):
        both = np.concatenate([before[layer], after[layer]])
        limits = [axes.images[0].get_clim() for axes in rows[:2, column]]
        assert limits == [(both.min(), both.max())] * 2
    largest = max(np.abs(after[layer] - before[layer]).max() for layer in default_layers(shown))
    assert {axes.images[0].get_clim() for axes in rows[2]} == {(-largest, largest)}


def test_attention_map_is_outlined_at_the_plan(figure, shown):
    axes = next(a for a in figure.subfigs[1].axes if a.get_title("left").startswith("attention map"))
    np.testing.assert_array_equal(axes.images[0].get_array(), shown.attention_map.reshape(5, 7))
    expected = cell_edges(shown.plan.sources.tolist(), shown.grid)
    assert np.allclose(axes.collections[-1].get_segments(), expected)


def test_sources_lie_on_the_image_only_where_the_shapes_agree(inspection):
    for size, is_outlined in (((70, 50), True), ((50, 70), False)):
        figure = inspection_figure(inspection(size=size), [0])
        picture = figure.subfigs[1].axes[0]
        assert bool(picture.collections) is is_outlined
        assert bool(picture.get_xlabel()) is not is_outlined


def test_entropy_curves_hold_the_entropies(figure, shown):
    norm, attention = figure.subfigs[2].axes
    for axes, name in ((norm, "norm_entropy"), (attention, "attention_entropy")):
        curves = {line.get_label(): line.get_ydata() for line in axes.lines}
        np.testing.assert_array_equal(curves["before"], getattr(shown.before, name))
        np.testing.assert_array_equal(curves["after"], getattr(shown.after, name))
        assert "axis starts at" in axes.get_title("left")
    assert norm.get_ylim() != attention.get_ylim()


def test_answers_are_bars_that_sum_to_one(figure):
    axes = next(a for a in figure.subfigs[1].axes if a.get_title("left").startswith("answer"))
    assert axes.get_title("left") == "answer: yes \N{RIGHTWARDS ARROW} no"
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    assert np.allclose(widths, [[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]])


def test_note_and_facts_are_printed_plainly(inspection):
    odd = "$x_1^{2$ <script> " + "very " * 60 + "long"
    shown = inspection(title=odd, note="answers mean $nothing$ here", prompt="a\n" + odd)
    figure = inspection_figure(shown, [0])
    header = list(figure.subfigs[0].texts)
    assert all(not text.get_parse_math() for text in header)
    assert any("$x_1^{2$ <script>" in text.get_text() for text in header)
    assert "Note: answers mean $nothing$ here" in texts(figure)


@pytest.fixture
def drawn_texts(monkeypatch):
    """The texts that a figure really draws (ticks beyond the limits are not), with their place."""
    boxes = {}
    plain = Text.draw

    def draw(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            boxes[f"{self.get_text()} ({id(self)})"] = self.get_window_extent(renderer)
        plain(self, renderer, *args, **kwargs)

    def collect(figure):
        monkeypatch.setattr(Text, "draw", draw)
        FigureCanvasAgg(figure).draw()
        return boxes

    return collect


@pytest.mark.parametrize(("height", "width"), [(24, 24), (16, 5)])
def test_no_text_overlaps_or_leaves_the_page(inspection, drawn_texts, height, width):
    long = {"title": "title " * 40, "prompt": "prompt_" * 80, "note": "note " * 60}
    figure = inspection_figure(inspection(height=height, width=width, size=(64, 48), **long))
    boxes = drawn_texts(figure)
    assert len(boxes) > 50
    pairs = itertools.combinations(boxes.items(), 2)
    assert [(a, b) for (a, one), (b, two) in pairs if one.padded(-0.5).overlaps(two.padded(-0.5))] == []
    page = figure.bbox.padded(1)
    assert [name for name, box in boxes.items() if not (box.x0 >= page.x0 and box.x1 <= page.x1)] == []
    pictures = [axes.bbox for axes in flat_axes(figure) if axes.images]
    covered = [n for n, box in boxes.items() for picture in pictures if box.padded(-1).overlaps(picture)]
    assert covered == []


def test_identity_says_that_nothing_changes(inspection):
    shown = inspection(changes=False)
    figure = inspection_figure(shown, [0])
    assert [axes.texts[0].get_text() for axes in maps(figure)[2]] == ["no change"]
    assert "leaves the model as it is" in facts(shown)[2]
    assert not any("method acts" in axes.get_title("left") for axes in flat_axes(figure))


def test_facts_name_the_parameters(inspection):
    model, prompt, method = facts(inspection(config=ScrConfig(lambda_=1.25, schedule="once")))
    assert model == "Model: tiny (6 layers, 5\N{MULTIPLICATION SIGN}7 image tokens, each one tile)"
    assert prompt.startswith("Prompt: USER: <image>")
    assert "\N{GREEK SMALL LETTER LAMDA} = 1.25" in method
    assert "1 sources and 4 neighbors (4.0 per source)" in method
    assert "layers 0-2, once after the last" in method


def test_bad_layers_are_refused(inspection):
    with pytest.raises(ConfigError, match="layer 6 is outside the model: expected 0 to 5"):
        inspection_figure(inspection(), [0, 6])
    with pytest.raises(ConfigError, match="layers is empty"):
        inspection_figure(inspection(), [])
