import subprocess
import sys

import matplotlib as mpl

from scr_lens.figures.style import PALETTE, finish, house_style, new_figure


def test_settings_are_back_after_the_block():
    before = mpl.rcParams.copy()
    with house_style():
        assert mpl.rcParams["image.interpolation"] == "nearest"
        assert mpl.rcParams["text.parse_math"] is False
    assert mpl.rcParams.copy() == before


def test_settings_of_the_user_have_no_influence_inside():
    with mpl.rc_context({"axes.grid": True, "font.size": 30}), house_style():
        assert mpl.rcParams["axes.grid"] is False
        assert mpl.rcParams["font.size"] < 10


def test_import_changes_no_setting_and_loads_neither_pyplot_nor_torch():
    code = (
        "import sys, matplotlib as m; before = m.rcParams.copy(); import scr_lens.figures; "
        "loaded = {'matplotlib.pyplot', 'torch'} & set(sys.modules); "
        "sys.exit(m.rcParams.copy() != before or bool(loaded))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_dollars_and_underscores_stay_text():
    with house_style():
        figure = new_figure(2, 2)
        axes = figure.subplots()
        axes.set_title("$broken_{math")
        axes.set_xticks([0], ["$x_1"])
        finish(figure)
    assert axes.get_title("left") == "$broken_{math"
    assert all(not label.get_parse_math() for label in axes.get_xticklabels())


def test_palette_has_distinct_colors():
    assert len(set(PALETTE)) == len(PALETTE) == 7
