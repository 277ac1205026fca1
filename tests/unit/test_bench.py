"""The benchmark times every variant in every round and forms ratios within rounds."""

import itertools

import pytest

from scr_lens import bench
from scr_lens.errors import ConfigError
from scr_lens.trace.synthetic import SyntheticLlava

TINY = SyntheticLlava(image_size=56, gain=1.0)


def test_ratios_are_formed_within_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = {"plain": 1.0, "norms": 1.0, "diagnostic": 1.1, "all_layers": 1.2, "eager": 2.0}
    clock = itertools.count(1)
    speed = [1, 10, 100]
    calls: list[str] = []

    def seconds(run: object, device: str) -> float:
        round_number = (next(clock) - 1) // len(cost)
        calls.append(str(run))
        return cost[str(run)] * speed[round_number]

    monkeypatch.setattr(bench, "_seconds", seconds)
    monkeypatch.setattr(bench, "_variants", lambda sizes, device: (50, {name: name for name in cost}))
    result = bench.capture_benchmark(rounds=2, warmup=1, sizes=TINY)
    assert result.plain_s == 55.0
    for name, ratio in result.ratios.items():
        assert (ratio.low, ratio.median, ratio.high) == pytest.approx((cost[name],) * 3)
    assert "all_layers  1.200  (quartiles 1.200 to 1.200)" in str(result).splitlines()
    first_of_round = calls[:: len(cost)]
    assert len(calls) == 15
    assert len(set(first_of_round)) == 3


def test_every_variant_runs_on_a_tiny_model() -> None:
    result = bench.capture_benchmark(rounds=2, warmup=0, sizes=TINY)
    assert set(result.ratios) == {"norms", "diagnostic", "all_layers", "eager"}
    assert result.seq_len > TINY.n_patches == 16
    assert result.plain_s > 0
    assert all(0 < ratio.low <= ratio.median <= ratio.high for ratio in result.ratios.values())


def test_the_default_model_has_the_stated_size() -> None:
    sizes = bench.BENCHMARK_SIZES
    assert (sizes.n_layers, sizes.d_model, sizes.n_patches) == (16, 1024, 576)


def test_one_round_has_no_spread_and_is_refused() -> None:
    with pytest.raises(ConfigError, match="rounds is 1; give at least 2"):
        bench.capture_benchmark(rounds=1)
