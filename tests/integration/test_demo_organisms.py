"""The demo's whole path on an untrained organism of every architecture, with pictures of its own canvases."""

import json

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from tiny_organism import save_organism

from scr_lens import organism_card
from scr_lens.demo import CONDITIONS, demo_config, run_demo
from scr_lens.execute import execute
from scr_lens.figures import inspection_figure
from scr_lens.inspection import inspect_image
from scr_lens.models import load
from scr_lens.organisms.canvas import canvas_of
from scr_lens.organisms.shipped import NOTE
from scr_lens.pictures import read_image
from scr_lens.questions import standard_conditions
from scr_lens.run_config import RunConfig
from scr_lens.store import read_run
from scr_lens.tasks import PopeWorld
from scr_lens.trace import Sample
from scr_lens.world_benchmark import canvases_of

OTHERS = ("chameleon", "qwen", "qwen2_vl")
"""LLaVA's path is in test_demo."""


@pytest.fixture(scope="module", params=OTHERS)
def organism(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("organisms") / request.param
    return save_organism(request.param, folder), folder


@pytest.fixture(scope="module")
def demo(organism, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    return run_demo(str(organism[1]), work / "figures", work=work, n_images=10, jobs=1), work


def test_every_question_is_about_a_picture_of_the_organism_s_own_canvases(organism, demo):
    (recipe, folder), (made, work) = organism, demo
    frame = read_run(made.run)
    assert set(frame.condition) == set(CONDITIONS) and (frame.status == "ok").all()
    assert made.summary.done == len(frame) and made.note == NOTE
    questions = demo_config(str(folder), 10, work, recipe.canvases).benchmark.questions(0)
    assert {q.image_id for q in questions} == set(frame.image_id)
    for question in questions:
        canvas = canvas_of(int(question.image_id[5:11]), recipe.canvases)
        with Image.open(question.image) as picture:
            assert picture.size == (canvas.width, canvas.height)
        rows = frame[frame.image_id == question.image_id]
        grid = recipe.grid(canvas)
        assert set(zip(rows.grid_h, rows.grid_w, strict=True)) == {(grid.height, grid.width)}
    settings = json.loads((made.run / "run.json").read_text())
    assert [str(canvas) for canvas in recipe.canvases] == settings["config"]["benchmark"]["canvases"]


def test_scr_changes_the_answers_and_identity_does_not(demo):
    frame = read_run(demo[0].run)
    vanilla, scr, _, identity = (
        frame[frame.condition == name].set_index(["image_id", "object"]).sort_index().p_yes
        for name in CONDITIONS
    )
    noise = np.abs(vanilla - identity).max()  # of sharing the picture between questions
    assert noise < 1e-6 and np.abs(vanilla - scr).max() > max(1e-6, 20 * noise)


def test_tables_and_figures_are_written(demo):
    names = {file.name for file in demo[0].files}
    assert {"pope.md", "conditions.png", "conditions.pdf", "provenance.json"} <= names
    assert [name for name in names if name.startswith("inspect-") and name.endswith(".png")]
    assert all(file.stat().st_size > 0 for file in demo[0].files)


def test_maps_are_drawn_in_the_grid_s_own_shape(organism, demo):
    recipe, folder = organism
    questions = demo_config(str(folder), 10, demo[1], recipe.canvases).benchmark.questions(0)
    lens = load(folder)
    assert canvases_of(lens) == recipe.canvases
    shapes = set()
    for question in {q.image_id: q for q in questions}.values():
        grid = recipe.grid(canvas_of(int(question.image_id[5:11]), recipe.canvases))
        if (grid.height, grid.width) in shapes:
            continue
        shapes.add((grid.height, grid.width))
        seen = inspect_image(lens, Sample(read_image(question.image)[0], question=question.text))
        figure = inspection_figure(seen)
        maps = [image.get_array() for axes in figure.axes for image in axes.images]
        grids = [np.asarray(drawn) for drawn in maps if drawn.shape == (grid.height, grid.width)]
        assert any(np.allclose(drawn, seen.grid.as_map(seen.attention_map)) for drawn in grids)
        assert any(np.allclose(drawn, seen.grid.as_map(seen.before.resid_norm[0])) for drawn in grids)
        plt.close(figure)
    assert shapes == {(g.height, g.width) for g in map(recipe.grid, recipe.canvases)}


def test_a_run_that_names_no_canvases_takes_the_organism_s(organism, tmp_path):
    recipe, folder = organism
    task = PopeWorld(n_images=4, negatives=("adversarial",), folder=str(tmp_path / "world"))
    config = RunConfig(model=str(folder), benchmark=task, conditions=standard_conditions(["vanilla"]))
    execute(config, tmp_path / "run")
    grids = {(grid.height, grid.width) for grid in map(recipe.grid, recipe.canvases)}
    frame = read_run(tmp_path / "run")
    asked = set(zip(frame.grid_h, frame.grid_w, strict=True))
    assert asked <= grids and (len(asked) > 1) == (len(grids) > 1)


def test_an_organism_is_measured_on_its_own_canvases(organism, tmp_path, monkeypatch):
    recipe, folder = organism
    monkeypatch.setattr(organism_card, "POPE_IMAGES", 4)
    monkeypatch.setattr(organism_card, "CAPTION_IMAGES", 3)
    organism_card.describe(recipe, folder, tmp_path)
    card = (folder / "README.md").read_text()
    assert ", ".join(f"{g.height}x{g.width}" for g in map(recipe.grid, recipe.canvases)) in card
    names = {path.name for path in (tmp_path / "world").iterdir() if path.is_dir()}
    turns = "-".join(map(str, recipe.canvases))
    assert len(names) == 2 and all(name.endswith(turns) for name in names)
