"""The comparison of speed is between equal answers, and its ratios are formed within rounds."""

import itertools
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scr_lens import throughput as module
from scr_lens.cli.app import app
from scr_lens.errors import ConfigError, ContractError
from scr_lens.pictures import read_image
from scr_lens.throughput import Answer, Throughput, Workload, random_workload, require_same, throughput
from scr_lens.trace import Sample, plain_twin, run_pass
from scr_lens.trace.synthetic import SyntheticLlava

TINY = SyntheticLlava(image_size=56, gain=2.0)


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return random_workload(tmp_path_factory.mktemp("pictures"), TINY, per_image=4)


def test_loop_and_run_give_the_answers_of_single_passes(workload: Workload) -> None:
    twin = plain_twin(workload.lens)
    loop, run = module.official_loop(workload, twin), module.stored_run(workload)
    assert len({answer.p_yes for answer in loop}) == 4
    for question, theirs, ours in zip(workload.questions, loop, run, strict=True):
        sample = Sample(read_image(question.image)[0], question=question.text)
        alone = run_pass(workload.lens, workload.lens.prepare(sample)).samples[0].yes_no(workload.lens)
        for answer in (theirs, ours):
            assert answer.answer == alone.answer
            assert answer.p_yes == pytest.approx(alone.p_yes, abs=1e-5)


def test_a_tiny_comparison_runs(workload: Workload) -> None:
    result = throughput(workload, rounds=2, warmup=0)
    assert (result.questions, result.images) == (4, 1)
    assert 0 < result.ratio.low <= result.ratio.median <= result.ratio.high
    assert result.loop_rate > 0 and result.run_rate > 0


def test_ratios_are_formed_within_rounds(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order, speed = [0.0], [], itertools.chain([7.0] * 2, [1.0] * 2, [10.0] * 2, [100.0] * 2)
    same = [Answer(answer="yes", p_yes=0.5)] * 4

    def spend(name: str, seconds: float) -> list[Answer]:
        order.append(name)
        clock[0] += seconds * next(speed)
        return same

    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(module, "official_loop", lambda *_: spend("loop", 6.0))
    monkeypatch.setattr(module, "stored_run", lambda *_: spend("run", 2.0))
    result = throughput(workload, rounds=3)
    assert (result.ratio.low, result.ratio.median, result.ratio.high) == (3.0, 3.0, 3.0)
    assert (result.loop_rate, result.run_rate) == (4 / 60, 4 / 20)
    assert order[0] != order[2] and set(order[:2]) == set(order[2:4]) == {"loop", "run"}
    assert "4 questions,  4 per image" in str(result) and "ratio 3.00 (quartiles 3.00 to 3.00)" in str(result)


@pytest.mark.parametrize("ours", [Answer(answer="no", p_yes=0.5), Answer(answer="yes", p_yes=0.503)])
def test_other_answers_are_refused(workload: Workload, ours: Answer) -> None:
    theirs = Answer(answer="yes", p_yes=0.5)
    require_same(workload.questions[:1], [theirs], [Answer(answer="yes", p_yes=0.5005)])
    with pytest.raises(ContractError, match=r"noise.png, 'is there a red dog .* the loop says 'yes'"):
        require_same(workload.questions[:1], [theirs], [ours])


def test_one_round_has_no_spread_and_is_refused(workload: Workload) -> None:
    with pytest.raises(ConfigError, match="rounds is 1; give at least 2"):
        throughput(workload, rounds=1)


def test_the_organisms_questions_are_spread_over_its_pictures(tmp_path: Path) -> None:
    organism = module.organism_workload(tmp_path, n_images=2, per_image=6)
    assert len(organism.questions) == 12
    assert len({question.image for question in organism.questions}) == 2
    assert len({question.text for question in organism.questions[:6]}) == 6


def test_the_command_prints_every_workload(monkeypatch: pytest.MonkeyPatch, workload: Workload) -> None:
    ratio = module.Ratio(median=5.5, low=5.0, high=6.0)
    result = Throughput(questions=4, images=1, loop_rate=1.0, run_rate=5.5, ratio=ratio)
    monkeypatch.setattr(
        module, "standard_workloads", lambda _: {"a": lambda: workload, "b": lambda: workload}
    )
    monkeypatch.setattr(module, "throughput", lambda _, rounds: result)
    shown = CliRunner().invoke(app, ["bench", "throughput"]).output
    assert [line[:3] for line in shown.splitlines()] == ["a: ", "b: "]
    only = CliRunner().invoke(app, ["bench", "throughput", "--only", "b", "--json"]).output
    assert json.loads(only)["b"]["ratio"] == {"median": 5.5, "low": 5.0, "high": 6.0}
    assert set(json.loads(only)) == {"b"}
