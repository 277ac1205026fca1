import numpy as np
import pytest
from tiny import noise_image

from scr_lens.config import LayerRange, ScrConfig
from scr_lens.errors import ConfigError, DataError
from scr_lens.organisms.recipe import RECIPES
from scr_lens.questions import Condition, Question
from scr_lens.run import run_questions
from scr_lens.store import RunStore, read_run
from scr_lens.viewer import gallery, page
from scr_lens.viewer.arrays import decode
from scr_lens.viewer.gallery import caveat_of, chosen_conditions, spread
from scr_lens.viewer.picture_search import find_pictures, usual_folders
from scr_lens.viewer.run_rows import acting_layers

CONFIG = ScrConfig(lambda_=1.5, n_sources=3)
METHODS = ("identity", "scr", "vanilla")


@pytest.fixture(scope="module")
def run(lens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    questions = []
    for k, shape in enumerate([(60, 60), (90, 60), (60, 60)]):
        path = folder / "images" / f"image{k}.png"
        path.parent.mkdir(exist_ok=True)
        noise_image(k, *shape).save(path)
        for name in ("dog", "cat"):
            asked = {"image_id": path.name, "text": f"is there a {name} ?", "object": name, "label": "no"}
            questions.append(Question(image=path, splits=("random",), **asked))
    conditions = [Condition(name=name, method=name, config=CONFIG) for name in METHODS]
    with RunStore.create(folder / "run") as store:
        run_questions(lens, questions, conditions, store, benchmark="b")
    return folder


def unpacked(arrays, place, name):
    spec = arrays["passes"][place]["maps"][name]
    return decode(arrays["passes"][spec["as"]]["maps"][name] if "as" in spec else spec)


def test_cards_hold_the_rows_of_the_run(run):
    made = gallery(run / "run", pictures=[run / "images"])
    frame = read_run(run / "run").set_index(["image_id", "question", "condition"])
    index = made.payload.index
    assert index["conditions"] == ["vanilla", "scr", "identity"] and made.n_cards == made.n_questions == 6
    for card, arrays in zip(index["cards"], made.payload.arrays, strict=True):
        for place, name in enumerate(index["conditions"]):
            row = frame.loc[(card["title"], card["question"], name)]
            assert np.array_equal(unpacked(arrays, place, "norm"), row.resid_norm)
            assert np.array_equal(unpacked(arrays, place, "attention_map")[0], row.attention)
            shown = card["passes"][place]
            assert (shown["answer"], shown["p_yes"]) == (row.answer, row.p_yes)
            assert np.allclose(shown["entropy"]["norm"], row.entropy_norm_nats / np.log(36), rtol=1e-6)
        scr = frame.loc[(card["title"], card["question"], "scr")]
        assert arrays["passes"][1]["sources"] == scr.sources.tolist()
    assert index["cards"][0]["passes"][1]["acting"] == [0, 1]


def test_pictures_are_taken_by_hash_and_shared(run, tmp_path):
    made = gallery(run / "run", pictures=[run / "images"])
    assert len(made.payload.pictures) == 3 and made.missing == () and made.uncovered == ("image1.png",)
    numbers = [card["picture"] for card in made.payload.index["cards"]]
    assert numbers == [0, 0, 1, 1, 2, 2]
    cut = gallery(run / "run", pictures=[run / "images"], is_center_cut=True)
    assert cut.uncovered == () and all(card["overlay"] for card in cut.payload.index["cards"])
    noise_image(9).save(tmp_path / "image0.png")  # the right name with another content
    other = gallery(run / "run", pictures=[tmp_path])
    assert other.missing == ("image0.png", "image1.png", "image2.png") and other.payload.pictures == ()


@pytest.mark.parametrize(
    ("models", "warned"),
    [
        (["llava-small"], True),
        (["llava-hf/llava-1.5-7b-hf", "data/organisms/llava-small"], True),
        (["llava-hf/llava-1.5-7b-hf", "tiny"], False),
    ],
)
def test_answers_of_an_organism_are_not_shown_without_its_caveat(models, warned):
    assert ("mean something only there" in caveat_of(models)) is warned


def test_the_caveat_stands_on_the_page(run, monkeypatch):
    monkeypatch.setitem(RECIPES, "tiny", RECIPES["llava-small"])
    made = gallery(run / "run", pictures=[run / "images"])
    assert made.payload.index["note"] == caveat_of(["tiny"]) != ""


def test_pages_of_a_run_are_the_same_bytes(run):
    first, second = (page(gallery(run / "run", pictures=[run / "images"]).payload) for _ in range(2))
    assert first == second


def test_of_many_questions_every_nth_is_shown(run):
    made = gallery(run / "run", limit=3, conditions=["scr"])
    asked = [(card["title"], card["question"][11:14]) for card in made.payload.index["cards"]]
    assert asked == [("image0.png", "cat"), ("image1.png", "cat"), ("image2.png", "cat")]
    assert (made.n_cards, made.n_questions) == (3, 6)
    assert ["shown", "3 of 6 questions, evenly spaced"] in made.payload.index["facts"]
    assert made.payload.index["conditions"] == ["vanilla", "scr"]


@pytest.mark.parametrize(("n", "limit"), [(10, 3), (5, 5), (7, 100), (1, 1), (5223, 400)])
def test_places_are_even_and_distinct(n, limit):
    places = spread(n, limit)
    assert len(places) == len(set(places)) == min(n, limit) and places[0] == 0 and places[-1] < n
    gaps = np.diff([*places, n])
    assert gaps.max() - gaps.min() <= 1


def test_bad_wishes_are_refused(run):
    with pytest.raises(ConfigError, match="did you mean 'scr'"):
        gallery(run / "run", conditions=["scrr"])
    with pytest.raises(ConfigError, match="limit is 0; give"):
        gallery(run / "run", limit=0)
    with pytest.raises(DataError, match=r"picture folder .*absent does not exist"):
        gallery(run / "run", pictures=[run / "absent"])
    with pytest.raises(ConfigError, match="a gallery needs 'vanilla'"):
        chosen_conditions(["scr"], None)
    with pytest.raises(ConfigError, match="no condition besides 'vanilla'"):
        chosen_conditions(["vanilla"], None)


def test_a_broken_file_of_the_right_name_is_passed_over(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    assert list(find_pictures({"0" * 64: "a.png"}, [tmp_path])) == []


def test_the_demo_folder_is_looked_at_first(tmp_path, monkeypatch):
    (tmp_path / "data" / "world").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert [f.resolve() for f in usual_folders(tmp_path / "runs" / "r")] == [tmp_path / "data" / "world"]


@pytest.mark.parametrize(
    ("settings", "n_layers", "expected"),
    [
        ('{"method": "scr", "layers": "1-2"}', 8, LayerRange(1, 2)),
        ('{"method": "scr"}', 8, LayerRange(0, 3)),
        (
            '{"method": "scr"}',
            32,
            None,
        ),  # the paper's range depends on the family, which a run does not store
        ('{"method": "scr", "layers": "1-9"}', 8, None),
        ('{"method": "identity", "layers": "1-2"}', 8, None),
        ('{"something": "else"}', 8, None),
    ],
)
def test_blocks_that_a_condition_acts_on(settings, n_layers, expected):
    assert acting_layers("x", settings, n_layers) == expected
