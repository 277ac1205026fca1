"""`scr-lens methods` and `scr-lens one-pass train`."""

import json
from pathlib import Path

from tiny import noise_image
from typer.testing import CliRunner

from scr_lens.cli.app import app
from scr_lens.decoding import DECODERS
from scr_lens.errors import DataError
from scr_lens.one_pass import load_predictor
from scr_lens.trace import load


def test_methods_lists_everything() -> None:
    text = CliRunner().invoke(app, ["methods"], catch_exceptions=False).stdout
    rows = json.loads(CliRunner().invoke(app, ["methods", "--json"], catch_exceptions=False).stdout)
    names = {row["name"] for row in rows}
    assert {"scr", "uniform-smooth", "gaussian-noise", *DECODERS} <= names
    assert all(f"| {name} |" in text for name in names)
    vcd = next(row for row in rows if row["name"] == "vcd")
    assert (vcd["forwards_per_token"], vcd["caches"], vcd["defaults"]["alpha"]) == ("2", "2", 1.0)


def test_one_pass_train_on_own_pictures(checkpoint: Path, tmp_path: Path) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "predictor"
    pictures.mkdir()
    for i in range(4):
        noise_image(i).save(pictures / f"{i}.png")
    arguments = ["one-pass", "train", str(checkpoint), "--out", str(out), "--images", str(pictures)]
    result = CliRunner().invoke(app, [*arguments, "--epochs", "3", "--device", "cpu"], catch_exceptions=False)
    assert "4 maps" in result.stdout
    lens = load(checkpoint, device="cpu")
    assert load_predictor(out, lens).n_trained == 119_809
    card = json.loads((out / "one_pass.json").read_text())
    assert card["trained_on"] == "pictures of pictures"
    assert card["model_revision"] == lens.revision


def test_a_folder_without_pictures_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = [
        "one-pass",
        "train",
        str(checkpoint),
        "--out",
        str(tmp_path / "o"),
        "--device",
        "cpu",
        "--images",
    ]
    for folder, message in ((empty, "holds no .png"), (tmp_path / "none", "is not a folder")):
        error = CliRunner().invoke(app, [*arguments, str(folder)]).exception
        assert isinstance(error, DataError)
        assert message in str(error)
