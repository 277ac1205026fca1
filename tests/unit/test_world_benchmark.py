from collections import Counter
from types import SimpleNamespace

import pytest
from PIL import Image

from scr_lens.benchmarks import PopeQuestion
from scr_lens.errors import DataError
from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.recipe import SHAPES
from scr_lens.organisms.render import render_scene
from scr_lens.organisms.world import sample_scene
from scr_lens.world_benchmark import canvases_of, to_questions, world_pope


def test_pope_on_the_world(tmp_path):
    questions = world_pope("test", 20, tmp_path)
    assert len({(q.image_id, q.object) for q in questions}) == len(questions)
    asked = Counter(split for q in questions for split in q.splits)
    assert asked == {"random": 120, "popular": 120, "adversarial": 120}
    for question in questions:
        index = int(question.image_id.removeprefix("test_").removesuffix(".png"))
        present = question.object in render_scene(sample_scene("test", index)).names
        assert question.label == ("yes" if present else "no")
        assert question.image.is_file()
    assert {q.splits for q in questions if q.label == "yes"} == {("random", "popular", "adversarial")}
    assert world_pope("test", 20, tmp_path) == questions


def test_an_organism_has_the_canvases_of_its_recipe_and_other_models_square_ones():
    def model(**config):
        return SimpleNamespace(config=SimpleNamespace(**config))

    assert canvases_of(model(scr_lens_organism="qwen2-vl-small")) == SHAPES and len(SHAPES) == 5
    assert canvases_of(model(scr_lens_organism="llava-small")) == (SQUARE,)
    assert canvases_of(model(scr_lens_organism="of-a-later-version")) == (SQUARE,)
    assert canvases_of(model()) == (SQUARE,)


def test_pictures_take_turns_through_the_canvases(tmp_path):
    canvases = (Canvas(96, 96), Canvas(72, 128))
    questions = world_pope("test", 8, tmp_path, canvases=canvases)
    assert len({q.image for q in questions}) == 8
    for question in questions:
        index = int(question.image_id.removeprefix("test_").removesuffix(".png"))
        with Image.open(question.image) as picture:
            assert picture.size == ((96, 96), (128, 72))[index % 2]
        present = question.object in render_scene(sample_scene("test", index), canvases[index % 2]).names
        assert question.label == ("yes" if present else "no")


def test_an_image_outside_its_folder_is_refused(tmp_path):
    asked = PopeQuestion(
        question_id=1,
        image="../x.png",
        text="Is there a dog in the image?",
        label="no",
        object="dog",
        split="random",
    )
    with pytest.raises(DataError, match=r"x\.png"):
        to_questions([asked], tmp_path)
