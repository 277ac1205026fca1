import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image
from tiny import noise_image

from scr_lens.benchmarks import build_split, read_instances, to_json_lines
from scr_lens.benchmarks.coco import ImageObjects
from scr_lens.errors import ConfigError, DataError
from scr_lens.measurement import WrittenAnswers, YesNoAnswers
from scr_lens.organisms.canvas import SQUARE, Canvas
from scr_lens.organisms.export import export_world
from scr_lens.organisms.recipe import SHAPES
from scr_lens.serialization import to_dict
from scr_lens.tasks import TASKS, Captions, CaptionsWorld, Pope, PopeWorld, for_model, read_task
from scr_lens.world_benchmark import world_pope


@pytest.fixture
def pope(tmp_path):
    """Official-format question files and their images."""
    truth = [ImageObjects(f"i{k}.png", (f"a{k}", f"b{k}", "c", "d")[: 3 + k % 2]) for k in range(4)]
    files = []
    for split in ("random", "adversarial"):
        path = tmp_path / f"my_pope_{split}.json"
        path.write_text(to_json_lines(build_split(truth, split=split, seed=0)))
        files.append(str(path))
    (tmp_path / "images").mkdir()
    for entry in truth:
        noise_image(1).save(tmp_path / "images" / entry.image)
    return Pope(files=tuple(files), images=str(tmp_path / "images"), suffix=" Answer in one word.")


def test_pope_files(pope, tmp_path):
    questions = pope.questions(0)
    assert pope.measurement == YesNoAnswers()
    asked = Counter(split for q in questions for split in q.splits)
    assert asked == {"random": 24, "adversarial": 24}
    assert all(q.text.endswith("? Answer in one word.") and q.image.is_file() for q in questions)
    few = Pope(files=pope.files, images=pope.images, n_images=2).questions(0)
    assert {q.image_id for q in few} == {"i0.png", "i1.png"} and len(few) < len(questions)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "random.json:2: malformed JSON"),
        ('{"question_id": 9, "image": "i0.png", "text": "Is there a x in the image?"}', "'label' is missing"),
        (
            '{"question_id": 9, "image": "i0.png", "text": "Is there a x in the image?", "label": "maybe"}',
            "random.json:2: field 'label' is 'maybe'; expected 'yes' or 'no'",
        ),
        (
            '{"question_id": 9, "image": "../i0.png", "text": "Is there a x in the image?", "label": "no"}',
            "random.json:2: image '../i0.png' is not a path inside the image folder",
        ),
        (
            '{"question_id": 99, "image": "zz.png", "text": "Is there a x in the image?", "label": "no"}',
            "random.json:2: image 'zz.png' is not in",
        ),
    ],
)
def test_bad_pope_files(pope, tmp_path, line, message):
    path = tmp_path / "my_pope_random.json"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[2:]]))
    with pytest.raises(DataError) as caught:
        pope.questions(0)
    assert message in str(caught.value)


def test_pope_world_is_the_builder_s(tmp_path):
    task = PopeWorld(split="validation", n_images=6, negatives=("popular",), folder=str(tmp_path))
    questions = task.questions(3)
    assert questions == world_pope("validation", 6, tmp_path, seed=3, negatives=("popular",))
    assert {q.splits for q in questions} == {("popular",)}
    assert questions != task.questions(4)


def test_asking_about_fewer_images_leaves_their_questions_as_they_are(tmp_path):
    task = PopeWorld(split="validation", n_images=6, folder=str(tmp_path))
    asked = task.questions(0)
    first = sorted({question.image_id for question in asked})[:2]
    fewer = replace(task, asked_images=2).questions(0)
    assert fewer == tuple(question for question in asked if question.image_id in first)
    with pytest.raises(ConfigError, match="asked_images is 0; give a whole number from 1"):
        replace(task, asked_images=0)
    with pytest.raises(ConfigError, match="asked_images is 7 of n_images 6; give at most as many"):
        replace(task, asked_images=7)


def test_absent_objects_alone_are_asked_about(tmp_path):
    task = PopeWorld(split="validation", n_images=6, folder=str(tmp_path))
    asked = task.questions(0)
    absent = replace(task, labels=("no",)).questions(0)
    assert 0 < len(absent) < len(asked)
    assert absent == tuple(question for question in asked if question.label == "no")
    with pytest.raises(ConfigError, match=r"benchmark\.labels value"):
        replace(task, labels=("absent",))
    with pytest.raises(ConfigError, match="give a list of distinct names"):
        replace(task, labels=())


def test_captions_of_the_world(tmp_path):
    task = CaptionsWorld(n_images=5, max_new_tokens=9, folder=str(tmp_path))
    questions = task.questions(0)
    known = {
        str(i.id): i.file_name for i in read_instances(export_world("test", 5, tmp_path).instances).images
    }
    assert {q.image_id: q.image.name for q in questions} == known
    assert all(q.label is None and q.object == "" and q.text == task.prompt for q in questions)
    assert task.measurement == WrittenAnswers(9)


def sizes(questions):
    found = set()
    for path in {question.image for question in questions}:
        with Image.open(path) as picture:
            found.add(picture.size)
    return found


@pytest.mark.parametrize("kind", [PopeWorld, CaptionsWorld])
def test_a_task_on_the_world_takes_the_model_s_canvases_unless_it_names_its_own(kind, tmp_path):
    lens = SimpleNamespace(config=SimpleNamespace(scr_lens_organism="qwen2-vl-small"))
    task = kind(n_images=5, folder=str(tmp_path))
    asked = for_model(task, lens)
    assert asked.canvases == SHAPES and for_model(asked, lens) is asked
    assert for_model(task, SimpleNamespace(config=SimpleNamespace())).canvases == (SQUARE,)
    named = kind(n_images=5, folder=str(tmp_path), canvases=(Canvas(64, 96),))
    assert for_model(named, lens) is named
    assert sizes(named.questions(0)) == {(96, 64)} and sizes(task.questions(0)) == {(96, 96)}


def test_other_tasks_leave_nothing_to_the_model(pope):
    assert for_model(pope, SimpleNamespace(config=SimpleNamespace(scr_lens_organism="llava-small"))) is pope


def test_canvases_are_written_as_height_x_width():
    task = read_task({"name": "pope-world", "canvases": ["96x96", "80x112"]})
    assert task.canvases == (Canvas(96, 96), Canvas(80, 112))
    assert to_dict(task)["canvases"] == ["96x96", "80x112"]
    assert to_dict(PopeWorld())["canvases"] is None


def test_captions_of_a_coco_file(tmp_path):
    for k in range(6):
        noise_image(k).save(tmp_path / f"{k}.png")
    images = [{"id": 10 + k, "file_name": f"{k}.png", "width": 64, "height": 48} for k in range(6)]
    annotations = [{"id": k, "image_id": 10 + k, "caption": "a dog"} for k in range(6)]
    (tmp_path / "c.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    task = Captions(annotations=str(tmp_path / "c.json"), images=str(tmp_path), n_images=3)
    drawn = [{q.image_id for q in task.questions(seed)} for seed in (0, 0, 1, 2)]
    assert len(drawn[0]) == 3 and drawn[0] == drawn[1] and not drawn[0] == drawn[2] == drawn[3]
    whole = Captions(annotations=str(tmp_path / "c.json"), images=str(tmp_path)).questions(0)
    assert {(q.image_id, q.image.name) for q in whole} == {(str(10 + k), f"{k}.png") for k in range(6)}
    with pytest.raises(DataError, match=r"c\.json names 6 images, n_images is 7; lower it"):
        Captions(annotations=str(tmp_path / "c.json"), images=str(tmp_path), n_images=7).questions(0)
    with pytest.raises(DataError, match=r"there is no folder .*absent.*scr-lens data"):
        Captions(annotations=str(tmp_path / "c.json"), images=str(tmp_path / "absent")).questions(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "pope", "images": "x"}, "files"),
        ({"name": "pope", "images": "x", "files": "one.json"}, "give a list of POPE question files"),
        ({"name": "pope", "images": "", "files": ["a"]}, "benchmark.images is ''"),
        ({"name": "pope", "images": "x", "files": ["a"], "suffix": 3}, "benchmark.suffix is 3"),
        ({"name": "pope", "images": "x", "files": ["a"], "n_images": True}, "n_images is True"),
        ({"name": "captions", "images": "x"}, "annotations"),
        ({"name": "captions-world", "max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"name": "captions-world", "prompt": " "}, "benchmark.prompt"),
        ({"name": "captions-world", "split": "dev"}, "benchmark.split value 'dev'"),
        ({"name": "captions-world", "canvases": []}, "benchmark.canvases is ()"),
        ({"name": "pope-world", "canvases": ["96x96", "96x96"]}, "give a list of distinct sizes such as"),
        ({"name": "pope-world", "canvases": "96x96"}, "benchmark.canvases is '96x96'"),
        ({"name": "pope-world", "canvases": ["96 by 96"]}, "canvas '96 by 96': expected height and width"),
        ({"name": "pope-world", "canvases": ["0x96"]}, "canvas 0x96: expected height and width >= 1"),
        ("pope", "give a table"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ConfigError) as caught:
        read_task(settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("pope-world", "split, n_images, asked_images, negatives, labels, canvases, folder"),
        ("pope", "files, images, suffix, n_images"),
    ],
)
def test_an_unknown_setting_is_told_in_the_words_of_a_config(name, known):
    with pytest.raises(ConfigError) as caught:
        read_task({"name": name, "n_per_image": 3})
    hint = "did you mean 'n_images'? "
    assert str(caught.value) == (f"unknown {name} benchmark setting 'n_per_image'; {hint}use one of: {known}")


@pytest.mark.parametrize("name", list(TASKS))
def test_an_unknown_setting_is_answered_with_those_that_exist(name):
    with pytest.raises(ConfigError) as caught:
        read_task({"name": name, "zzz": 3})
    before, _, known = str(caught.value).partition("use one of: ")
    assert set(known.split(", ")) == set(TASKS[name].__annotations__) - {"name", "places"}
    assert before == f"unknown {name} benchmark setting 'zzz'; "


def test_a_world_too_small_for_its_questions_is_told_what_its_config_can_change(tmp_path):
    task = PopeWorld(n_images=2, negatives=("adversarial",), folder=str(tmp_path))
    with pytest.raises(DataError, match=r"give more images \(n_images in a config\)"):
        task.questions(0)
    assert len(replace(task, n_images=20).questions(0)) == 120


def test_a_text_has_a_length():
    with pytest.raises(ConfigError, match="max_new_tokens is 0; give at least 1"):
        WrittenAnswers(0)


def test_what_a_benchmark_needs_is_named():
    with pytest.raises(ConfigError, match=r"^missing pope benchmark setting: 'files', 'images'; give"):
        read_task({"name": "pope"})
