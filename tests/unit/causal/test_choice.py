import json
from dataclasses import replace

import pytest

from scr_lens.causal import Asked, Grid, Setting, choose, default_grid, read_choice, write_choice
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, DataError, StoreError
from scr_lens.questions import Question
from scr_lens.store import read_run

PAPER = Setting.of(ScrConfig(n_sources=2, layers=LayerRange(0, 1)))
STRONG = Setting.of(ScrConfig(lambda_=2.0, n_sources=3, layers=LayerRange(0, 2)))
GRID = Grid((PAPER, STRONG), PAPER)


@pytest.fixture
def validation(asked: Asked) -> Asked:
    def renamed(question: Question) -> Question:
        return replace(question, image_id=question.image_id.replace("test_", "validation_"))

    return replace(asked, questions=tuple(map(renamed, asked.questions)), split="validation")


def test_a_choice_is_made_written_and_read(lens, validation, tmp_path):
    choice, setting = choose(lens, validation, tmp_path / "run", grid=GRID, n_images=3)
    frame = read_run(tmp_path / "run")
    assert set(frame["condition"]) == {"vanilla", PAPER.name, STRONG.name} and len(frame) == 3 * 2 * 3
    strong = frame[frame["condition"] == STRONG.name]
    assert json.loads(strong["config_json"].iloc[0])["layers"] == "0-2"
    yes = dict(iter(frame[frame["label"] == "no"].groupby("condition")))
    for row in choice.grid.itertuples():
        assert row.hallucination_rate == pytest.approx((yes[row.setting]["answer"] == "yes").mean())
    path = tmp_path / "deep" / "chosen.json"
    write_choice(path, choice, setting, lens, validation)
    assert read_choice(path, lens) == read_choice(path) == setting.config
    content = json.loads(path.read_text())
    assert content["rule"].startswith("lowest hallucination rate") and len(content["grid"]) == 2
    assert content["split"] == "validation" and content["n_images"] == 3
    again, _ = choose(lens, validation, tmp_path / "run", grid=GRID, n_images=3)
    assert again.grid.equals(choice.grid)


def test_another_model_or_file_is_refused(lens, validation, tmp_path):
    choice, setting = choose(lens, validation, tmp_path / "run", grid=GRID, n_images=2)
    path = tmp_path / "chosen.json"
    write_choice(path, choice, setting, lens, validation)
    with pytest.raises(ConfigError, match="choose again for this model"):
        read_choice(path, replace(lens, revision="another"))
    path.write_text(path.read_text().replace('"split": "validation"', '"split": "test"'))
    with pytest.raises(ConfigError, match="chosen on 'test' scenes"):
        read_choice(path)
    path.write_text("{}")
    with pytest.raises(DataError, match="not a file of chosen settings"):
        read_choice(path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot write"):
        write_choice(tmp_path / "file" / "c.json", choice, setting, lens, validation)


def test_test_scenes_are_refused(lens, asked, tmp_path):
    with pytest.raises(DataError, match="split 'test': settings are chosen on validation scenes only"):
        choose(lens, asked, tmp_path / "run", grid=GRID)
    with pytest.raises(DataError, match="is a test scene"):
        choose(lens, replace(asked, split="validation"), tmp_path / "run", grid=GRID)
    with pytest.raises(DataError, match="there is no validation question"):
        choose(lens, replace(asked, split="validation", questions=()), tmp_path / "run", grid=GRID)
    assert not (tmp_path / "run").exists()


def test_the_default_grid_is_explicit_and_holds_the_paper(lens):
    grid = default_grid(lens, 36)
    assert 10 <= len(grid.settings) <= 15 and grid.default in grid.settings
    assert grid.default.config.lambda_ == 1.1 and grid.default.config.n_sources == 2
    assert all(s.config.n_sources is not None and s.config.layers is not None for s in grid.settings)
    assert all(s.config.layers.last < lens.n_layers for s in grid.settings)


def test_a_grid_without_its_default_or_with_a_name_twice_is_refused():
    for settings in ((STRONG,), (PAPER, PAPER)):
        with pytest.raises(ConfigError, match="names must differ and hold the default"):
            Grid(settings, PAPER)
