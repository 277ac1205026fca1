import pytest
from tiny import noise_image, save_llava
from typer.testing import CliRunner

from scr_lens.cli.app import app
from scr_lens.cli.gallery import warnings
from scr_lens.errors import ConfigError
from scr_lens.questions import Question, standard_conditions
from scr_lens.run import run_questions
from scr_lens.store import RunStore
from scr_lens.viewer import Gallery, Payload


@pytest.fixture
def checkpoint(tmp_path):
    return save_llava(tmp_path / "model")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_inspect_writes_a_page(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("scr_lens.figures.inspection_figure", lambda *_: None)  # drawn in test_cli
    monkeypatch.setattr("scr_lens.figures.save", lambda *_: ())
    noise_image(1, 90, 60).save(tmp_path / "photo.png")
    common = ("inspect", tmp_path / "photo.png", "--prompt", "is there a dog ?", "--model", checkpoint)
    file = tmp_path / "pages" / "photo.html"
    options = ("--out", tmp_path, "--sources", 2)
    made = call(*common, *options, "--html", file, "--credit", "grad_dot")
    assert made.exit_code == 0 and str(file) in made.output
    text = file.read_text()
    assert "photo.png" in text and "grad_dot" in text and "cut out" in text
    refused = call(*common, "--credit", "grad_dot")
    assert isinstance(refused.exception, ConfigError) and "give --html FILE too" in str(refused.exception)


def test_gallery_writes_a_page(lens, tmp_path):
    noise_image(1, 60, 60).save(tmp_path / "a.png")
    asked = {"image_id": "a.png", "text": "is there a dog ?", "object": "dog", "label": "no"}
    question = Question(image=tmp_path / "a.png", splits=("random",), **asked)
    with RunStore.create(tmp_path / "run") as store:
        run_questions(lens, [question], standard_conditions(["vanilla", "identity"]), store, benchmark="b")
    out = tmp_path / "my page.html"
    made = call("gallery", tmp_path / "run", "--out", out, "--images", tmp_path, "--beside")
    assert made.exit_code == 0 and "1 of 1 questions" in made.output and "warning" not in made.output
    assert len(list((tmp_path / "my_page-images").iterdir())) == 1 and "my_page-images/" in out.read_text()


def test_missing_and_cut_pictures_are_told():
    empty = Payload(index={}, arrays=(), pictures=())
    made = Gallery(payload=empty, n_cards=3, n_questions=3, missing=("a.png",), uncovered=("b.png",))
    first, second = warnings(made)
    assert "'a.png'" in first and "--images" in first and "'b.png'" in second and "--center-crop" in second
