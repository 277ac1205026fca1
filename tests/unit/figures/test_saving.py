import errno
import os

import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from scr_lens.errors import ConfigError
from scr_lens.figures.saving import save
from scr_lens.figures.style import house_style, new_figure


@house_style()
def draw(label="one"):
    figure = new_figure(2, 1)
    axes = figure.subplots()
    axes.imshow([[0, 1], [2, 3]])
    axes.add_patch(Rectangle((0, 0), 1, 1, hatch="//"))
    axes.set_title(label)
    return figure


def test_files_and_their_content(tmp_path):
    table = pd.DataFrame({"x": [0.1, 2.0]})
    paths = save(draw(), tmp_path / "new" / "folder", "fig-1.a", table)
    assert [path.name for path in paths] == ["fig-1.a.png", "fig-1.a.pdf", "fig-1.a.csv"]
    with Image.open(paths[0]) as image:
        assert image.size == (400, 200)
        assert "Software" not in image.info
    content = paths[1].read_bytes()
    assert content.startswith(b"%PDF")
    assert b"CreationDate" not in content
    assert b"Creator" not in content
    assert paths[2].read_text() == "x\n0.1\n2\n"
    assert set(paths[0].parent.iterdir()) == set(paths)


def test_same_figure_same_bytes(tmp_path):
    first, second = save(draw(), tmp_path / "a", "f"), save(draw(), tmp_path / "b", "f")
    again = save(draw("two"), tmp_path / "c", "f")
    for one, two, other in zip(first, second, again, strict=True):
        assert one.read_bytes() == two.read_bytes() != other.read_bytes()


def test_saving_twice_gives_the_same_bytes(tmp_path):
    figure = draw()
    before = [path.read_bytes() for path in save(figure, tmp_path, "f")]
    assert [path.read_bytes() for path in save(figure, tmp_path, "f")] == before


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "a\n"])
def test_odd_names_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="is not a plain file name"):
        save(draw(), tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot create the folder"):
        save(draw(), tmp_path / "file", "f")


def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    paths = save(draw(), tmp_path, "f")
    before = [path.read_bytes() for path in paths]

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        save(draw("two"), tmp_path, "f")
    assert [path.read_bytes() for path in paths] == before
    assert len(list(tmp_path.iterdir())) == 2
