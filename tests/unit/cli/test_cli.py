import json

import pytest
from tiny import noise_image, save_llava


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("tiny-llava"))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    noise_image(1, 90, 60).save(path)
    return path


@pytest.fixture
def run(called):
    """Runs a command line; returns (exit status, standard output, standard error)."""

    def call(*arguments):
        code, out, lines = called(*arguments)
        # transformers shows a progress bar of its own while it reads weights
        kept = [line for line in lines if line and not line.startswith("Loading weights")]
        return code, out, "\n".join(kept)

    return call


def inspect_arguments(picture, checkpoint, out):
    return (
        "inspect",
        picture,
        "--prompt",
        "is there a dog ?",
        "--model",
        checkpoint,
        "--out",
        out,
        "--sources",
        2,
    )


def test_inspect_draws_and_prints(run, picture, checkpoint, tmp_path):
    status, out, err = run(*inspect_arguments(picture, checkpoint, tmp_path / "out"))
    assert (status, err) == (0, "")
    assert "2 sources" in out and "grid 6x6" in out
    assert {p.suffix for p in (tmp_path / "out").iterdir()} == {".png", ".pdf"}
    assert "organism" not in out


def test_inspect_speaks_json(run, picture, checkpoint, tmp_path):
    status, out, _ = run(*inspect_arguments(picture, checkpoint, tmp_path), "--json", "--scr-layers", "1-2")
    numbers = json.loads(out)
    assert status == 0 and numbers["layers"] == "1-2" and len(numbers["files"]) == 2
    assert numbers["before"]["p_yes"] + numbers["before"]["p_no"] <= 1 + 1e-9
    assert len(numbers["before"]["norm_entropy_per_layer"]) == 4


def test_a_complete_prompt_can_be_given(run, picture, checkpoint, tmp_path):
    raw = "USER: <image> is there a dog ? ASSISTANT:"
    status, out, _ = run(
        "inspect",
        picture,
        "--raw-prompt",
        raw,
        "--model",
        checkpoint,
        "--out",
        tmp_path,
        "--sources",
        2,
        "--json",
    )
    assert status == 0 and json.loads(out)["prompt"] == raw


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": "absent.png"}, "no such file"),
        ({"image": "notes.txt"}, "not an image"),
        ({"--prompt": "  "}, "give a text that is not empty"),
        ({"--prompt": "<image> is there a dog ?"}, "contains the image placeholder"),
        ({"--prompt": None}, "no prompt: give --prompt"),
        ({"--prompt": None, "--raw-prompt": "is there a dog ?"}, "exactly once"),
        ({"--prompt": None, "--raw-prompt": "<image> <image> dog ?"}, "exactly once"),
        ({"--raw-prompt": "<image> dog ?"}, "give exactly one of"),
        ({"--model": "no/such/folder"}, "no checkpoint folder"),
        ({"--model": "foreign"}, "gpt2"),
        ({"--sources": "17"}, "17"),
        ({"--lambda": "0"}, "lambda"),
        ({"--lambda": "-1"}, "lambda"),
        ({"--scr-layers": "0-9"}, "9"),
        ({"--diagnostic-layers": "3-4"}, "4"),
        ({"--scr-layers": "many"}, "many"),
        ({"--topology": "9"}, "use one of"),
        ({"--method": "scrr"}, "did you mean 'scr'"),
        ({"--show-layers": "0,7"}, "'7' is not a block"),
        ({"--dtype": "int8"}, "dtype"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(run, picture, checkpoint, tmp_path, changes, message):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model_type": "gpt2"}')
    options = {
        "--prompt": "is there a dog ?",
        "--model": checkpoint,
        "--out": tmp_path / "out",
        "--sources": "2",
    }
    options |= {key: value for key, value in changes.items() if key.startswith("--")}
    if options["--model"] == "foreign":
        options["--model"] = tmp_path / "foreign"
    image = tmp_path / changes["image"] if "image" in changes else picture
    flat = [part for key, value in options.items() if value is not None for part in (key, value)]
    status, out, err = run("inspect", image, *flat)
    assert status == 2 and out == "" and message in err
    assert err.startswith("error: ") and "\n" not in err
    assert not (tmp_path / "out").exists()


def test_an_unknown_organism_is_refused(run, tmp_path):
    status, _, err = run("organism", "train", "llava-smal", "--out", tmp_path)
    assert status == 2 and "did you mean 'llava-small'" in err


def test_organisms_are_listed(run):
    status, out, _ = run("organism", "list")
    assert status == 0 and "llava-small" in out


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "vcd",
            "--method vcd: an inspection shows what an intervention does to one pass; use vcd in `scr-lens",
        ),
        ("one-pass-scr", "--method one-pass-scr: an inspection shows"),
        ("src", "unknown method 'src'; did you mean 'scr'?"),
    ],
)
def test_what_no_inspection_shows_is_refused_before_a_model_is_loaded(
    run, picture, tmp_path, method, message, monkeypatch
):
    monkeypatch.setattr("scr_lens.models.load", lambda *_, **__: pytest.fail("loaded"))
    arguments = inspect_arguments(picture, "llava-small", tmp_path / "out")
    status, _, err = run(*arguments, "--method", method)
    assert status == 2 and err.startswith(f"error: {message}")


def test_a_superscript_is_no_block(run, picture, checkpoint, tmp_path):
    status, _, err = run(*inspect_arguments(picture, checkpoint, tmp_path), "--show-layers", "1,\u00b2")
    assert status == 2 and "'\u00b2' is not a block of this model" in err
