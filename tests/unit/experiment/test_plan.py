import pytest

from scr_lens.analysis.power import detectable_net_change
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.experiment.plan import (
    Plan,
    ablation_conditions,
    caption_conditions,
    chosen_conditions,
    control_conditions,
    main_conditions,
    other_counts,
    other_layers,
    plan_table,
)


def test_every_ablation_differs_from_scr_in_one_setting():
    conditions = {c.name: c.settings for c in ablation_conditions(Plan(), 144, 8, "llava")}
    main = {c.name: c.settings for c in (*main_conditions(), *control_conditions())}
    assert not set(conditions) & set(main)  # asked for once, in the other two runs
    conditions |= main
    assert len(conditions) == len(set(map(str, conditions.values()))) == 21
    base = conditions["scr"]
    for name, settings in conditions.items():
        changed = [key for key in base if settings[key] != base[key]]
        assert len(changed) == (name != "scr"), name


def test_chosen_settings_are_one_more_condition_unless_they_are_the_paper_s():
    model = ((144, 140), 8, "llava")
    (found,) = chosen_conditions(ScrConfig(lambda_=1.3), *model)
    assert (found.name, found.config) == ("scr-chosen", ScrConfig(lambda_=1.3))
    assert chosen_conditions(None, *model) == ()
    # written out, as a choice is: K = round(32 / 576 * N), blocks 0 to L // 2 - 1
    paper = ScrConfig(n_sources=8, layers=LayerRange(0, 3))
    assert chosen_conditions(paper, *model) == ()
    assert chosen_conditions(paper, (144, 160), 8, "llava")  # there the paper has 9 sources
    assert chosen_conditions(paper, (144,), 10, "llava")


def test_controls_and_captions():
    assert [c.name for c in control_conditions()] == ["uniform-smooth"]
    assert [c.name for c in caption_conditions()] == ["vanilla", "scr", "uniform-smooth"]


def test_counts_and_layers_are_other_ones_and_fit():
    assert other_counts(ScrConfig(), 144) == (4, 16)
    assert other_counts(ScrConfig(), 4) == ()
    assert other_layers(ScrConfig(), 8, "llava") == (LayerRange(0, 1), LayerRange(4, 6), LayerRange(0, 6))
    for n_layers in (2, 3, 4, 12):
        found = other_layers(ScrConfig(), n_layers, "llava")
        assert all(r.last < n_layers for r in found)
        assert ScrConfig().resolved_layers(n_layers, "llava") not in found


def test_table_of_rows_and_detectable_effects():
    table = plan_table(
        Plan(n_images=1000, n_ablation_images=450), {"main": 2, "controls": 1, "chosen": 1, "ablations": 21}
    )
    table = table.set_index("part")
    assert table.loc["main", "rows"] == 21000
    assert table.loc["controls", "rows"] == 6000
    assert table.loc["chosen", "rows"] == 3000
    assert table.loc["ablations", "rows"] == 28350
    assert table.loc["controls", "points, 3% changed"] == pytest.approx(
        100 * detectable_net_change(3000, 0.03)
    )
    expected = 100 * detectable_net_change(1350, 0.15)
    assert table.loc["ablations", "points, 15% changed"] == pytest.approx(expected)
    assert expected < 3.0  # the paper's smallest ablation
