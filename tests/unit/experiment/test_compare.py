"""The comparison of all methods on a tiny model: plan, clock, run and report."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from tiny import noise_image

from scr_lens.config import ScrConfig
from scr_lens.decoding import decode, make_decoder
from scr_lens.errors import ConfigError
from scr_lens.experiment import clock as clock_module
from scr_lens.experiment.clock import ROUNDS, answer_alone, clock
from scr_lens.experiment.compare import compare
from scr_lens.experiment.comparison_plan import COMPARED, ComparisonPlan, comparison_conditions
from scr_lens.figures.method_report import write_method_report
from scr_lens.questions import Condition, Question, standard_conditions
from scr_lens.trace import Sample, diagnose, generate

KEPT = ("vanilla", "scr", "uniform-smooth", "vcd")
PLAN = ComparisonPlan(
    n_images=3,
    n_caption_images=2,
    max_new_tokens=6,
    n_timed=2,
    n_seeds=2,
    without=tuple(name for name in COMPARED if name not in (*KEPT, "one-pass-scr")),
)


def test_methods_that_draw_have_several_seeds():
    conditions = comparison_conditions(ComparisonPlan(n_seeds=3), ScrConfig(lambda_=1.3))
    names = [condition.name for condition in conditions]
    drawn = {"uniform-smooth", "gaussian-noise", "vcd", "avcd"}
    assert [name for name in names if "-seed-" not in name] == list(COMPARED)
    assert {name for name in names if "-seed-" in name} == {f"{m}-seed-{s}" for m in drawn for s in (1, 2)}
    by_name = {condition.name: condition for condition in conditions}
    assert by_name["vcd-seed-2"].config == make_decoder("vcd", {"seed": 2})
    assert by_name["uniform-smooth-seed-1"].config == ScrConfig(lambda_=1.3, seed=1)
    assert by_name["one-pass-scr"].config.scr == ScrConfig(lambda_=1.3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_images": 1}, "n_images is 1; give at least 2"),
        ({"n_seeds": 0}, "n_seeds is 0; give at least 1"),
        ({"without": ("opra",)}, "unknown method to leave out 'opra'; did you mean 'opera'?"),
        ({"without": ("vanilla",)}, "unknown method to leave out 'vanilla'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        ComparisonPlan(**settings)
    assert message in str(caught.value)


@pytest.fixture
def asked(tmp_path):
    noise_image(5).save(tmp_path / "0.png")
    picture = {"image": tmp_path / "0.png", "image_id": "0"}
    return [
        Question(**picture, text="is there a dog ?", label="yes"),
        Question(**picture, text="describe this image ."),
    ]


CONDITIONS = (
    *standard_conditions(["vanilla", "scr"], ScrConfig(lambda_=1.5, n_sources=3)),
    Condition(name="vcd", method="vcd", config=make_decoder("vcd")),
)


def test_a_method_alone_does_all_its_work(lens, monkeypatch):
    batch = lens.prepare([Sample(noise_image(5), question="describe this image .")])
    diagnosed, edits = [], []
    plain, decoded = diagnose, decode

    def seen(*arguments):
        diagnosed.append(arguments)
        return plain(*arguments)

    def kept(*arguments, **options):
        edits.append(options["intervention"])
        return decoded(*arguments, **options)

    monkeypatch.setattr("scr_lens.comparison.diagnose", seen)
    monkeypatch.setattr(clock_module, "decode", kept)
    counts = [answer_alone(lens, batch, condition, 5) for condition in CONDITIONS]
    assert len(diagnosed) == 1  # SCR pays for its own diagnostic pass
    assert [edit.layers is None for edit in edits] == [True, False, True]
    written = [len(generate(lens, batch, edit, max_new_tokens=5)[0].token_ids) for edit in edits[:2]]
    assert counts[:2] == written
    assert counts[2] == len(decode(lens, batch, CONDITIONS[2].config, 5)[0].token_ids)


def test_the_shortest_round_counts_and_nothing_is_timed_twice(lens, asked, tmp_path, monkeypatch):
    now, calls = [0.0], []

    def working(lens, batch, condition, limit):
        calls.append((condition.name, limit))
        now[0] += {"vanilla": 1, "scr": 2, "vcd": 3}[condition.name] + 5 * (len(calls) <= len(CONDITIONS))
        return 0 if limit is None else 4

    monkeypatch.setattr(clock_module, "answer_alone", working)
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    steps = []
    options = {"max_new_tokens": 7, "progress": steps.append}
    table = clock(lens, asked, CONDITIONS, tmp_path / "times.csv", **options)
    assert len(calls) == 2 * ROUNDS * len(CONDITIONS) and steps == [1, 1]
    assert {limit for _, limit in calls} == {None, 7}
    for row in table.itertuples():
        assert row.ms == 1e3 * {"vanilla": 1, "scr": 2, "vcd": 3}[row.condition]
        assert row.n_tokens == {"question": 0, "caption": 4}[row.task]
    assert [name for name, _ in calls[:3]] != [name for name, _ in calls[-3:]]  # methods take turns
    calls.clear()
    fewer = clock(lens, asked, CONDITIONS[:2], tmp_path / "times.csv", **options)
    assert not calls and set(fewer.condition) == {"vanilla", "scr"}
    pd.testing.assert_frame_equal(fewer, table[table.condition != "vcd"].reset_index(drop=True))


@pytest.fixture(scope="module")
def made(lens, tmp_path_factory):
    root = tmp_path_factory.mktemp("compare")
    return compare("tiny", root / "runs", PLAN, world=root / "world", lens=lens), root


def test_a_comparison_holds_all_parts_and_says_what_is_missing(made):
    done, _ = made
    assert "train one with" in done.left_out["one-pass-scr"]
    assert done.left_out["opera"] == "left out on request"
    assert json.loads((done.folder / "comparison.json").read_text())["left_out"] == done.left_out
    evidence = done.evidence()
    held = {*KEPT, "uniform-smooth-seed-1", "vcd-seed-1"}
    assert set(evidence.answers.condition) == set(evidence.captions.condition) == held
    assert evidence.answers.image_id.nunique() == 3 and evidence.captions.image_id.nunique() == 2
    assert (evidence.captions.n_recalled <= evidence.captions.n_objects).all()
    assert set(done.times.condition) == set(KEPT) and len(done.times) == 2 * 2 * len(KEPT)
    assert [summary.failed for summary in done.summaries] == [{}, {}]


def test_a_second_call_runs_nothing(made, lens, monkeypatch):
    done, root = made
    monkeypatch.setattr(clock_module, "_times", lambda *_: pytest.fail("timed again") if _[2] else [])
    again = compare("tiny", root / "runs", PLAN, world=root / "world", lens=lens)
    assert again.folder == done.folder and [summary.done for summary in again.summaries] == [0, 0]
    pd.testing.assert_frame_equal(again.times, done.times)


def test_fewer_methods_are_read_from_the_same_comparison(made, lens):
    done, root = made
    plan = replace(PLAN, without=(*PLAN.without, "vcd"))
    fewer = compare("tiny", root / "runs", plan, world=root / "world", lens=lens)
    assert fewer.folder == done.folder and [summary.done for summary in fewer.summaries] == [0, 0]
    assert "vcd" not in set(fewer.evidence().captions.condition) | set(fewer.times.condition)


def test_the_report_shows_every_method_and_the_paper(made, tmp_path):
    done, _ = made
    path = write_method_report(
        done.evidence(),
        done.times,
        tmp_path,
        order=COMPARED,
        left_out=done.left_out,
        note="A note.",
    )
    text = path.read_text(encoding="utf-8")
    for heading in ("POPE, random", "POPE, popular", "POPE, adversarial", "Captions", "Cost"):
        section = text.split(f"## {heading}")[1].split("\n## ")[0]
        rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]
        assert rows[2:] == list(KEPT), heading
    assert "A note." in text and "- opera: left out on request" in text
    assert text.count("(seeds ") >= 2 * 3 * 3
    adversarial = text.split("## POPE, adversarial")[1].split("\n## ")[0]
    assert "\N{MINUS SIGN}6.0 to \N{MINUS SIGN}4.7" in adversarial  # SCR's reductions in the paper's abstract
    assert "Table 1: four models" in text and "Table 5: CHAIR" in text
    for name in ("pope", "captions", "cost"):
        assert len(pd.read_csv(tmp_path / f"comparison-{name}.csv")) >= len(KEPT)
