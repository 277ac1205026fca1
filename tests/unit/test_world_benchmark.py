from collections import Counter

import pytest

from scr_lens.benchmarks import PopeQuestion
from scr_lens.errors import DataError
from scr_lens.organisms.render import render_scene
from scr_lens.organisms.world import sample_scene
from scr_lens.world_benchmark import to_questions, world_pope


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
