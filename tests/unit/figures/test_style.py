import subprocess
import sys

import matplotlib as mpl

from scr_lens.figures.saving import render
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


@house_style()
def labeled():
    figure = new_figure(3, 2)
    left, right = figure.subplots(1, 2)
    figure.colorbar(left.imshow([[0, 1], [2, 3]]), ax=left)
    right.set_ylabel("a long name")
    right.plot([0, 1], [0, 1000])
    return figure


def places(figure):
    return [axes.get_position().bounds for axes in figure.axes]


def test_a_finished_figure_lies_where_drawing_would_have_put_it_and_stays_there():
    drawn, finished = labeled(), labeled()
    with house_style():
        drawn.draw_without_rendering()
        finish(finished).draw_without_rendering()
    assert places(finished) == places(drawn) != places(labeled())
    finished.set_size_inches(6, 2)  # constrained layout would move the panels now
    finished.axes[1].set_ylabel("short")
    finished.draw_without_rendering()
    assert places(finished)[1] == places(drawn)[1]
    assert finish(finished) is finished


def test_png_and_pdf_show_one_geometry():
    with house_style():
        figure = finish(labeled())
    seen = []
    for ending in ("png", "pdf", "png", "pdf"):
        seen.append((places(figure), render(figure, ending)))
    assert seen[1][0] == seen[2][0] == seen[3][0]
    assert (seen[0][1], seen[1][1]) == (seen[2][1], seen[3][1])


def test_palette_has_distinct_colors():
    assert len(set(PALETTE)) == len(PALETTE) == 7
