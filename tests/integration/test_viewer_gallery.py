"""The gallery of a stored run in a real browser, with 300 images."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.serialization import to_dict
from scr_lens.store import RunStore, read_run
from scr_lens.viewer import gallery, write_page
from scr_lens.viewer.picture_folder import PictureFolder

N, LAYERS, GRID, SIZE = 300, 3, (4, 6), 24
NASTY = "</script><script>window.broken = 1</script>.png"


def stored_rows(folder):
    """A run made up from a seed: names, answers and maps that differ in every row."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(N):
        name = NASTY if k == 7 else f"image{k:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 12, 3), dtype=np.uint8)).save(folder / name)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        p_yes = rng.uniform()
        changed = float(np.clip(p_yes + rng.normal(0, 0.2), 0, 1))
        norms = rng.uniform(10, 30, (LAYERS, SIZE)).astype(np.float16)
        asked = _asked(k) | {"image_id": name, "image_sha256": digest}
        rows.append(asked | _measured("vanilla", p_yes, norms, rng))
        rows.append(asked | _measured("scr", changed, norms * np.float16(1.5), rng))
    return rows


def _asked(k):
    return {
        **dict.fromkeys(("model_id", "model_revision", "processor_digest", "benchmark"), "made-up"),
        **{"dtype": "float32", "attn_implementation": "a", "splits": ["random"], "status": "ok"},
        **{"grid_h": GRID[0], "grid_w": GRID[1], "n_layers": LAYERS, "label": "yes" if k % 3 else "no"},
        **{"question": f"Is there a thing{k % 10}?", "prompt": f"<image> thing{k % 10}"},
        **{"object": f"thing{k % 10}"},
    }


def _measured(condition, p_yes, norms, rng):
    settings = {"method": condition, **to_dict(ScrConfig(lambda_=1.2, layers=LayerRange(0, 1)))}
    attention = rng.dirichlet(np.full(SIZE, rng.uniform(0.2, 3))).astype(np.float32)
    return {
        **{"condition": condition, "config_digest": condition, "config_json": json.dumps(settings)},
        **{"answer": "yes" if p_yes > 0.5 else "no", "p_yes": p_yes, "p_no": 1 - p_yes},
        **{"attention": attention, "resid_norm": norms, "entropy_norm_nats": rng.uniform(2, 3, LAYERS)},
        **{"entropy_attention_nats": rng.uniform(1, 3), "sources": [7, 8], "neighbors": [1, 2, 13, 14]},
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "images").mkdir()
    with RunStore.create(folder / "run") as store:
        store.append(stored_rows(folder / "images"))
    return folder


@pytest.fixture(scope="module")
def frame(run):
    rows = read_run(run / "run").sort_values(["image_id", "prompt"]).reset_index(drop=True)
    before, after = (rows[rows.condition == name].reset_index(drop=True) for name in ("vanilla", "scr"))
    return before.assign(after_answer=after.answer, after_p=after.p_yes, after_norm=after.resid_norm)


@pytest.fixture(scope="module")
def built(run):
    return gallery(run / "run", pictures=[run / "images"])


@pytest.fixture(scope="module")
def file(run, built):
    assert built.missing == () and built.uncovered == () and built.n_cards == N
    return write_page(run / "gallery.html", built.payload)


def shown(page):
    """Numbers of the cards that exist as elements, in order."""
    items = page.locator(".sl-item").evaluate_all(
        "items => items.map(i => [Number(i.getAttribute('aria-posinset')), Number(i.dataset.card)])"
    )
    return [number for _, number in sorted(items)]


def pick(page, label, value):
    page.get_by_label(label, exact=True).first.select_option(value)


def total(page):
    return (
        int(page.locator(".sl-item").first.get_attribute("aria-setsize"))
        if page.locator(".sl-item").count()
        else 0
    )


def test_only_cards_in_sight_exist(visit, file):
    page = visit(file)
    top = shown(page)
    assert 10 < len(top) < 80 and top == list(range(len(top))) and total(page) == N
    page.locator(".sl-scroller").evaluate("e => { e.scrollTop = e.scrollHeight }")
    page.wait_for_selector(f'[data-card="{N - 1}"]')
    assert len(shown(page)) < 80 and 0 not in shown(page)
    blocks = page.locator("script[id^=scr-lens-card-]").count()
    assert blocks == N


def test_cards_sort(visit, file, frame):
    page = visit(file)
    keys = {
        "p_yes": frame.p_yes,
        "size": (frame.after_p - frame.p_yes).abs(),
        "entropy": frame.entropy_norm_nats.map(np.mean),
    }
    for name, values in keys.items():
        pick(page, "Sort by", name)
        expected = np.argsort(values.to_numpy(), kind="stable").tolist()
        assert shown(page) == expected[: len(shown(page))]
        page.locator(".sl-direction").click()
        assert shown(page) == expected[::-1][: len(shown(page))]
        page.locator(".sl-direction").click()
    pick(page, "Entropy of", "attention_map")
    expected = np.argsort(frame.entropy_attention_nats.to_numpy()).tolist()
    assert shown(page) == expected[: len(shown(page))]


def test_cards_filter(visit, file, frame):
    page = visit(file)
    false_yes = (frame.label == "no") & (frame.answer == "yes")
    after_false_yes = (frame.label == "no") & (frame.after_answer == "yes")
    flipped = frame.answer != frame.after_answer
    text = page.locator(".sl-count").inner_text()
    assert f"false yes {false_yes.sum()} before, {after_false_yes.sum()} with scr" in text
    assert f"{flipped.sum()} answers flipped" in text
    pick(page, "Answer before", "false-yes")
    assert total(page) == false_yes.sum() and shown(page)[0] == np.flatnonzero(false_yes)[0]
    pick(page, "Effect", "removed")
    assert total(page) == (false_yes & ~after_false_yes).sum()
    pick(page, "Answer before", "any")
    pick(page, "Effect", "flip")
    assert total(page) == flipped.sum()
    pick(page, "Effect", "made")
    assert total(page) == (~false_yes & after_false_yes).sum()
    pick(page, "Effect", "any")
    page.locator("input[type=search]").fill("THING3 image1")
    wanted = frame.question.str.contains("thing3") & frame.image_id.str.contains("image1")
    assert total(page) == wanted.sum() > 0
    page.locator("input[type=search]").fill("no such image")
    assert page.locator(".sl-item").count() == 0 and "0 of 300" in page.locator(".sl-count").inner_text()
    page.locator("input[type=search]").fill("")
    normalized = frame.entropy_norm_nats.map(np.mean) / np.log(24)
    page.get_by_label("entropy at least").fill("0.78")
    page.get_by_label("entropy at most").fill("0.8")
    assert total(page) == ((normalized >= 0.78) & (normalized <= 0.8)).sum() > 0


def test_a_card_opens_with_its_own_maps(visit, file, frame):
    page = visit(file)
    page.locator("input[type=search]").fill("image123")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    assert page.locator(".sl-title").first.inner_text() == "image123.png"
    row = frame[frame.image_id == "image123.png"].iloc[0]
    page.locator(".sl-controls input[type=range]").first.fill("2")
    box = page.locator(".sl-canvas").first.bounding_box()
    page.mouse.move(box["x"] + 2.5 / 6 * box["width"], box["y"] + 1.5 / 4 * box["height"])
    value = page.locator('[data-field="value"]').first
    assert float(value.get_attribute("data-value")) == row.resid_norm[2, 8]
    page.keyboard.press("3")
    change = page.locator('[data-field="change"]').first
    assert float(change.get_attribute("data-value")) == row.after_norm[2, 8] - row.resid_norm[2, 8]
    pick(page, "Map", "attention_map")
    page.keyboard.press("1")
    assert float(value.get_attribute("data-value")) == row.attention[8]
    assert page.locator('[data-answer="before-yes"]').first.inner_text() == f"{row.p_yes:.3f}"
    assert "λ = 1.2, blocks 0\N{EN DASH}1" in page.locator(".sl-facts").first.inner_text()


def test_keys_in_the_gallery(visit, file):
    page = visit(file)
    page.keyboard.press("ArrowRight")
    active = "Number(document.activeElement.parentElement.dataset.card)"
    assert page.evaluate(active) == 0
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    columns = page.evaluate(active) - 1
    assert columns > 2
    page.keyboard.press("End")
    assert page.evaluate(active) == N - 1
    page.keyboard.press("Enter")
    assert "300 of 300" in page.locator(".sl-nav").inner_text()
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    assert page.evaluate(active) == N - 2
    page.keyboard.press("/")
    page.keyboard.type("jk1")
    assert page.locator("input[type=search]").input_value() == "jk1"


def test_card_maps_share_a_scale(visit, file, built):
    page = visit(file)
    assert page.locator(".sl-small-legend").is_hidden()
    pick(page, "Cards show", "attention_map")
    highs = sorted(card["ranges"]["attention_map"][1][0] for card in built.payload.index["cards"])
    text = page.locator(".sl-small-legend").inner_text()
    assert f"{highs[int(np.ceil(0.95 * (N - 1)))]:.3g}" in text and "probability" in text


def test_a_name_that_is_a_script_stays_text(visit, file):
    page = visit(file)
    page.locator("input[type=search]").fill("window.broken")
    assert total(page) == 1 and page.locator(".sl-card-title").inner_text() == NASTY
    page.locator(".sl-card").click()
    assert page.locator(".sl-title").first.inner_text() == NASTY
    assert page.evaluate("window.broken") is None


def test_pictures_may_lie_beside_the_page(visit, run, built):
    folder = PictureFolder.of(built.payload, "beside-images")
    file = write_page(run / "beside.html", built.payload, folder=folder)
    assert len(list((run / "beside-images").iterdir())) == N
    page = visit(file)
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector(".sl-thumb");
          try { return !canvas.getContext("2d").getImageData(0, 0, 1, 1) } catch { return true }
        }"""
    )  # a picture of another file taints the canvas: it was drawn
    page.locator(".sl-card").first.click()
    assert page.get_by_label("Opacity").is_enabled()
