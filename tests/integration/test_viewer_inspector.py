"""The page of inspected images in a real browser: what it shows is what was measured."""

import matplotlib
import numpy as np
import pytest
from PIL import Image
from tiny import noise_image

from scr_lens.config import ScrConfig
from scr_lens.inspection import inspect_image
from scr_lens.trace import Sample
from scr_lens.viewer import Exhibit, exhibit, inspection_payload, write_page

NASTY = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
BLOCKS = np.random.default_rng(7).integers(0, 255, (6, 6, 3), dtype=np.uint8)
CONFIG = ScrConfig(lambda_=1.5, n_sources=3)


@pytest.fixture(scope="module")
def inspections(lens):
    blocks = Image.fromarray(np.kron(BLOCKS, np.ones((10, 10, 1), dtype=np.uint8)))  # a color per patch
    samples = [
        Sample(blocks, question="is there a dog ?", image_id=NASTY),
        Sample(noise_image(8, 60, 60), question="what color is the red ball ?", image_id="second.png"),
        Sample(noise_image(9, 90, 40), question="describe .", image_id="wide.png"),
    ]
    return [inspect_image(lens, sample, config=CONFIG) for sample in samples]


@pytest.fixture(scope="module")
def single(lens, inspections, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "one.html"
    return write_page(file, inspection_payload(exhibit(lens, inspections[0], ["grad_norm"])))


@pytest.fixture(scope="module")
def several(inspections, tmp_path_factory):
    file = tmp_path_factory.mktemp("pages") / "several.html"
    return write_page(file, inspection_payload(inspections))


def point_at(page, row, column, grid=6, slot=0):
    box = page.locator(f'.sl-canvas[data-slot="{slot}"]').bounding_box()
    page.mouse.move(
        box["x"] + (column + 0.5) / grid * box["width"], box["y"] + (row + 0.5) / grid * box["height"]
    )


def read(page, name):
    return float(page.locator(f'.sl-readout >> nth=0 >> [data-field="{name}"]').get_attribute("data-value"))


def choose(page, view):
    page.keyboard.press({"Before": "1", "After": "2", "Difference": "3"}[view])


def set_layer(page, layer):
    page.locator(".sl-controls input[type=range]").first.fill(str(layer))


CELLS = [(0, 0), (5, 3)]


@pytest.mark.parametrize(("name", "layer"), [("norm", 0), ("attention", 3)])
def test_values_under_the_pointer_are_the_arrays(visit, single, inspections, layer, name):
    page, found = visit(single), inspections[0]
    page.locator(".sl-controls select").first.select_option(name)
    set_layer(page, layer)
    before, after = (
        (view.resid_norm if name == "norm" else view.attention)[layer].astype(np.float64)
        for view in (found.before, found.after)
    )
    expected = {"Before": before, "After": after, "Difference": after - before}
    for view, values in expected.items():
        choose(page, view)
        size = np.abs(values) if view == "Difference" else values
        for row, column in CELLS:
            place = 6 * row + column
            point_at(page, row, column)
            assert (read(page, "row"), read(page, "column")) == (row, column)
            assert read(page, "change" if view == "Difference" else "value") == values[place]
            assert read(page, "rank") == 1 + np.count_nonzero(size > size[place])
            if view != "Before":
                assert read(page, "before") == before[place]


def test_further_estimators_can_be_chosen(visit, single, lens, inspections):
    page = visit(single)
    page.locator(".sl-controls select").first.select_option("grad_norm")
    set_layer(page, 2)
    point_at(page, 1, 1)
    before, _ = exhibit(lens, inspections[0], ["grad_norm"]).credit["grad_norm"]
    assert read(page, "value") == before[2, 7]
    page.locator(".sl-controls select").first.select_option("attention_map")
    assert page.locator(".sl-controls input[type=range]").first.is_disabled()
    assert page.locator(".sl-controls input[type=radio]").nth(2).is_disabled()
    point_at(page, 1, 2)
    assert read(page, "value") == inspections[0].attention_map[8]


def test_before_and_after_share_a_scale_and_differences_center_on_zero(visit, single, inspections):
    page, found = visit(single), inspections[0]
    before, after = found.before.resid_norm[1], found.after.resid_norm[1]
    set_layer(page, 1)

    def ends():
        legend = page.locator(".sl-legend").first
        return float(legend.get_attribute("data-low")), float(legend.get_attribute("data-high"))

    shared = min(before.min(), after.min()), max(before.max(), after.max())
    for view in ("Before", "After"):
        choose(page, view)
        assert ends() == shared
    choose(page, "Difference")
    peak = np.abs(after.astype(np.float64) - before).max()
    assert ends() == (-peak, peak)
    page.locator(".sl-controls select", has_text="all blocks").select_option("all")
    peaks = found.after.resid_norm.astype(np.float64) - found.before.resid_norm
    assert ends() == (-np.abs(peaks).max(), np.abs(peaks).max())
    choose(page, "Before")
    page.get_by_label("cut outliers").check()
    pooled = np.concatenate([found.before.resid_norm, found.after.resid_norm]).astype(np.float64)
    assert ends() == pytest.approx(tuple(np.quantile(pooled, [0.02, 0.98])), rel=1e-12)
    assert "beyond the ends" in page.locator(".sl-legend-title").first.inner_text()


def pixel(page, row, column, grid=6):
    return page.evaluate(
        """([row, column, grid]) => {
          const canvas = document.querySelector(".sl-canvas");
          const [x, y] = [(column + 0.5) / grid * canvas.width, (row + 0.5) / grid * canvas.height];
          return Array.from(canvas.getContext("2d").getImageData(x, y, 1, 1).data);
        }""",
        [row, column, grid],
    )


def test_colors_are_those_of_the_color_map(visit, single, inspections):
    page, found = visit(single), inspections[0]
    page.get_by_label("outlines").uncheck()
    page.get_by_label("Opacity").fill("100")
    set_layer(page, 0)
    before, after = (
        found.before.resid_norm[0].astype(np.float64),
        found.after.resid_norm[0].astype(np.float64),
    )
    low, high = min(before.min(), after.min()), max(before.max(), after.max())
    peak = np.abs(after - before).max()
    shown = {
        "After": matplotlib.colormaps["viridis"]((after - low) / (high - low)),
        "Difference": matplotlib.colormaps["RdBu_r"]((after - before + peak) / (2 * peak)),
    }
    for view, colors in shown.items():
        choose(page, view)
        for row, column in CELLS:
            assert np.abs(np.array(pixel(page, row, column)) - 255 * colors[6 * row + column]).max() < 5


def test_without_opacity_the_picture_shows(visit, single, inspections):
    page = visit(single)
    page.get_by_label("outlines").uncheck()
    page.get_by_label("Opacity").fill("0")
    page.wait_for_function(
        "document.querySelector('.sl-canvas').getContext('2d').getImageData(9, 9, 1, 1).data[3]"
    )
    for row, column in CELLS:
        assert np.abs(np.array(pixel(page, row, column)[:3]) - BLOCKS[row, column]).max() <= 1


def test_sources_are_outlined(visit, single, inspections):
    page = visit(single)
    source = int(inspections[0].plan.sources[0])
    row, column = divmod(source, 6)
    edge = (row, column - 0.5)
    with_outline = pixel(page, *edge)
    page.keyboard.press("o")
    assert pixel(page, *edge) != with_outline and with_outline[:3] == [255, 149, 0]
    page.keyboard.press("o")
    point_at(page, row, column)
    assert "source" in page.locator(".sl-readout").first.inner_text()
    point_at(page, *divmod(int(inspections[0].plan.neighbors[0]), 6))
    assert "neighbor" in page.locator(".sl-readout").first.inner_text()


def test_answers_and_entropies_are_the_measured_ones_whatever_is_clicked(visit, single, inspections):
    page, found = visit(single), inspections[0]
    for kind, view in (("before", found.before), ("after", found.after)):
        for name, value in (("yes", view.answer.p_yes), ("no", view.answer.p_no)):
            assert page.locator(f'[data-answer="{kind}-{name}"]').first.inner_text() == f"{value:.3f}"
    for view in ("After", "Difference", "Before"):
        page.locator(".sl-controls .sl-segmented label", has_text=view).click()
        assert page.locator(".sl-controls input[type=radio]:checked").get_attribute("value") == view.lower()
    set_layer(page, 2)
    text = page.locator(".sl-entropy .sl-caption").first.inner_text()
    assert (
        f"block 2: before {found.before.norm_entropy[2]:.4f}, after {found.after.norm_entropy[2]:.4f}" in text
    )
    box = page.locator(".sl-spark").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    assert "block 0:" in page.locator(".sl-entropy .sl-caption").first.inner_text()


def test_keys(visit, several, inspections):
    page = visit(several)
    checked = ".sl-controls input[type=radio]:checked"
    for key, view in (("3", "difference"), ("2", "after"), ("1", "before")):
        page.keyboard.press(key)
        assert page.locator(checked).get_attribute("value") == view
    layer = page.locator(".sl-controls input[type=range]").first
    start = int(layer.input_value())
    page.keyboard.press("ArrowLeft")
    assert int(layer.input_value()) == start - 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert int(layer.input_value()) == start + 1
    page.keyboard.press("m")
    assert page.locator(".sl-controls select").first.input_value() == "attention"
    page.keyboard.press("j")
    assert page.locator(".sl-title").first.inner_text() == "second.png"
    page.keyboard.press("k")
    assert page.locator(".sl-title").first.inner_text() == NASTY
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.keyboard.press("g")
    assert page.locator(".sl-card").count() == 3
    assert page.evaluate("document.activeElement.className") == "sl-card"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator(".sl-title").first.inner_text() == "second.png"


def test_keys_work_at_once_after_the_help_closes(visit, several):
    page = visit(several)
    page.keyboard.press("?")
    page.evaluate("""() => {
      document.querySelector("dialog").close();  // the browser moves the focus out of it a frame later
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "g", bubbles: true }));
    }""")
    assert page.locator(".sl-card").count() == 3


def test_the_map_is_read_with_the_keyboard_alone(visit, single, inspections):
    page = visit(single)
    page.locator(".sl-canvas").first.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    row, column = int(read(page, "row")), int(read(page, "column"))
    layer = int(page.locator(".sl-controls input[type=range]").first.input_value())
    assert read(page, "value") == inspections[0].before.resid_norm[layer, 6 * row + column] and row >= 1
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_two_images_side_by_side_share_controls_and_scale(visit, several, inspections):
    page = visit(several)
    page.keyboard.press("c")
    titles = page.locator(".sl-column:visible .sl-title").all_inner_texts()
    assert titles == [NASTY, "second.png"]
    set_layer(page, 1)
    pooled = np.concatenate([v.resid_norm[1] for i in inspections[:2] for v in (i.before, i.after)])
    for legend in page.locator(".sl-legend").all()[:2]:
        assert float(legend.get_attribute("data-low")) == pooled.min()
        assert float(legend.get_attribute("data-high")) == pooled.max()
    point_at(page, 2, 4, slot=1)
    second = page.locator('.sl-readout >> nth=1 >> [data-field="value"]')
    assert float(second.get_attribute("data-value")) == inspections[1].before.resid_norm[1, 16]
    assert read(page, "value") == inspections[0].before.resid_norm[1, 16]
    page.keyboard.press("c")
    assert page.locator(".sl-column:visible").count() == 1


def test_a_title_that_is_a_script_stays_text(visit, several, single):
    for file in (single, several):
        page = visit(file)
        assert page.evaluate("window.broken") is None
        assert NASTY in page.locator(".scr-lens").inner_text()
        assert page.locator("img[src=x]").count() == 0
        assert NASTY in page.title() or file == several


def test_the_policy_forbids_foreign_scripts_styles_and_pictures(chromium, single):
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.add_init_script(
        "window.refused = []; document.addEventListener('securitypolicyviolation', "
        "(event) => window.refused.push(event.effectiveDirective));"
    )
    page.goto(single.as_uri())
    page.wait_for_selector(".sl-header")
    assert page.evaluate("window.refused") == []
    page.evaluate(
        """() => {
          for (const tag of ["script", "style"]) {
            const element = document.createElement(tag);
            element.textContent = tag === "script" ? "window.broken = 1" : "body { display: none }";
            document.head.append(element);
          }
          document.body.append(Object.assign(new Image(), { src: "https://example.invalid/x.png" }));
          return fetch("https://example.invalid/").catch(() => null);
        }"""
    )
    page.wait_for_function("window.refused.length >= 4")
    refused = set(page.evaluate("window.refused"))
    assert {"script-src-elem", "style-src-elem", "img-src", "connect-src"} <= refused
    assert page.evaluate("window.broken") is None
    context.close()


def test_a_picture_that_the_grid_does_not_cover_lies_beside_the_map(
    visit, several, lens, inspections, tmp_path
):
    page = visit(several)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator(".sl-aside:visible").count() == 1
    assert page.get_by_label("Opacity").is_disabled()
    cut = exhibit(lens, inspections[2])
    assert isinstance(cut, Exhibit) and cut.seen is not None and cut.seen.width == cut.seen.height
    page = visit(write_page(tmp_path / "cut.html", inspection_payload(cut)))
    assert page.locator(".sl-aside:visible").count() == 0
    assert page.get_by_label("Opacity").is_enabled()


@pytest.mark.parametrize(
    ("width", "height", "color_scheme"), [(390, 800, "light"), (800, 600, "dark"), (1500, 900, "light")]
)
def test_nothing_runs_out_of_the_page(visit, several, width, height, color_scheme):
    page = visit(several, width=width, height=height, color_scheme=color_scheme)
    for key in ("", "c", "g"):
        if key:
            page.keyboard.press(key)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    ink, paper = page.evaluate(
        "(({ color, backgroundColor }) => [color, backgroundColor])"
        "(getComputedStyle(document.querySelector('.scr-lens')))"
    )
    light = [sum(map(int, color[4:-1].split(","))) for color in (ink, paper)]
    assert (light[0] > light[1]) == (color_scheme == "dark")
