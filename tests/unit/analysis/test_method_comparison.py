import json
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest

from scr_lens.analysis.hallucination import metric_difference
from scr_lens.analysis.method_comparison import (
    METRICS,
    caption_comparison,
    overhead_table,
    seed_groups,
    yes_no_comparison,
)
from scr_lens.analysis.paired_terms import terms_difference
from scr_lens.analysis.records import pair_conditions
from scr_lens.errors import DataError

NAMES = {"vanilla": ("vanilla", 0), "vcd": ("vcd", 0), "vcd-seed-1": ("vcd", 1), "opera": ("opera", None)}


@pytest.fixture(scope="module")
def answers():
    generator = np.random.default_rng(3)
    rows = []
    for image, question, name in product(range(12), range(4), NAMES):
        method, seed = NAMES[name]
        settings = {"method": method} | ({} if seed is None else {"seed": seed})
        rows.append(
            {
                "image_id": f"im{image}",
                "question": f"q{question}",
                "label": "yes" if question % 2 else "no",
                "splits": ("adversarial",) if question < 2 else ("adversarial", "random"),
                "condition": name,
                "config_json": json.dumps(settings),
                "status": "ok",
                "answer": generator.choice(["yes", "no", "other"], p=[0.5, 0.4, 0.1]),
            }
        )
    return pd.DataFrame(rows)


def counted(frame, names, split):
    """Hallucination rate, accuracy and F1 by counting rows one by one."""
    cells = dict.fromkeys(("tp", "fp", "yes", "no", "right"), 0)
    for row in frame.itertuples():
        if row.condition not in names or split not in row.splits:
            continue
        cells[row.label] += 1
        cells["right"] += row.answer == row.label
        cells["tp"] += row.answer == "yes" and row.label == "yes"
        cells["fp"] += row.answer == "yes" and row.label == "no"
    return {
        "hallucination_rate": Fraction(cells["fp"], cells["no"]),
        "accuracy": Fraction(cells["right"], cells["yes"] + cells["no"]),
        "f1": Fraction(2 * cells["tp"], cells["tp"] + cells["fp"] + cells["yes"]),
    }


def test_seeds_of_a_method_stand_together(answers):
    assert seed_groups(answers) == {
        "opera": ("opera",), "vanilla": ("vanilla",), "vcd": ("vcd", "vcd-seed-1")
    }  # fmt: skip
    stronger = answers[answers.condition == "vcd"].assign(
        condition="vcd-strong", config_json='{"method": "vcd", "seed": 0, "alpha": 2}'
    )
    assert seed_groups(pd.concat([answers, stronger]))["vcd-strong"] == ("vcd-strong",)


def test_estimates_and_changes_are_those_of_counting(answers):
    table = yes_no_comparison(answers).set_index(["split", "method", "metric"])
    groups = seed_groups(answers)
    for split, method, metric in product(("adversarial", "random"), groups, METRICS):
        row = table.loc[(split, method, metric)]
        pooled = counted(answers, groups[method], split)[metric]
        base = counted(answers, ("vanilla",), split)[metric]
        single = [float(counted(answers, (name,), split)[metric]) for name in groups[method]]
        assert row.estimate == pytest.approx(float(pooled)) and row.n_seeds == len(single)
        if metric != "f1":
            assert row.estimate == pytest.approx(np.mean(single))
        if method == "vanilla":
            assert np.isnan(row.difference)
        else:
            assert row.difference == pytest.approx(float(pooled - base))
            assert row.difference_low < row.difference < row.difference_high
        if len(single) == 2:
            assert (row.seed_low, row.seed_high) == pytest.approx((min(single), max(single)))
            assert row.seed_sd == pytest.approx(abs(single[0] - single[1]) / 2**0.5)
        else:
            assert np.isnan(row.seed_sd)
        assert (row.n_images, row.n_questions) == (12, 24 if split == "random" else 48)


def test_one_seed_has_the_interval_of_the_paired_difference(answers):
    row = yes_no_comparison(answers).set_index(["split", "method", "metric"])
    row = row.loc[("adversarial", "opera", "accuracy")]
    found = metric_difference(pair_conditions(answers, "vanilla", "opera"), "accuracy")
    assert (row.difference_low, row.difference_high) == (found.low, found.high)


def test_a_seed_more_of_the_same_answers_changes_no_interval(answers):
    twin = answers[answers.condition == "opera"]
    settings = ('{"method": "x", "seed": 0}', '{"method": "x", "seed": 1}')
    one, two = (twin.assign(condition=f"x{n}", config_json=text) for n, text in enumerate(settings))
    base = answers[answers.condition == "vanilla"]
    single = yes_no_comparison(pd.concat([base, one])).query("method == 'x0'")
    double = yes_no_comparison(pd.concat([base, one, two])).query("method == 'x0'")
    columns = ["difference", "difference_low", "difference_high"]
    assert np.allclose(single[columns], double[columns])


def test_no_change_in_any_image_is_not_certainty(answers):
    base = answers[answers.condition == "vanilla"]
    twin = base.assign(condition="dola", config_json='{"method": "dola"}')
    rows = yes_no_comparison(pd.concat([base, twin])).query("method == 'dola'")
    bound = 1 - 0.025 ** (1 / 12)
    assert (rows.difference == 0).all() and np.allclose(rows.difference_high, bound)
    same = pd.concat([captions_of("vanilla", 0), captions_of("dola", 0)])
    table = caption_comparison(same, {"dola": ("dola",)}).set_index("metric")
    assert table.loc["chair_s", "difference_low"] == pytest.approx(-(1 - 0.025 ** (1 / 10)))
    assert table.loc["words", "difference_low"] == 0  # words have no largest change
    shares = table.loc[["chair_s", "chair_i", "recall"]]
    assert (shares.estimate_low >= 0).all() and (shares.estimate_high <= 1).all()


def captions_of(name, seed):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "condition": name,
            "image_id": [str(k) for k in range(10)],
            "n_words": generator.integers(5, 15, 10),
            "n_mentions": generator.integers(1, 5, 10),
            "n_hallucinated": generator.integers(0, 2, 10),
            "n_objects": generator.integers(3, 6, 10),
            "n_recalled": generator.integers(0, 3, 10),
            "cider": generator.uniform(0, 200, 10),
        }
    )


def test_caption_metrics_and_changes():
    frames = {name: captions_of(name, k) for k, name in enumerate(("vanilla", "vcd", "vcd-seed-1"))}
    groups = {"vanilla": ("vanilla",), "vcd": ("vcd", "vcd-seed-1"), "dola": ("dola",)}
    table = caption_comparison(pd.concat(frames.values()).sample(frac=1, random_state=0), groups)
    assert set(table.method) == {"vanilla", "vcd"}  # dola wrote no captions
    table = table.set_index(["method", "metric"])

    def values(*names):
        part = pd.concat([frames[name] for name in names])
        return {
            "chair_s": (part.n_hallucinated > 0).mean(),
            "chair_i": part.n_hallucinated.sum() / part.n_mentions.sum(),
            "recall": part.n_recalled.sum() / part.n_objects.sum(),
            "words": part.n_words.mean(),
            "cider": part.cider.mean(),
        }

    base, pooled = values("vanilla"), values("vcd", "vcd-seed-1")
    for metric in base:
        row = table.loc[("vcd", metric)]
        assert row.estimate == pytest.approx(pooled[metric])
        assert row.difference == pytest.approx(pooled[metric] - base[metric])
        single = [values(name)[metric] for name in ("vcd", "vcd-seed-1")]
        assert (row.seed_low, row.seed_high) == pytest.approx((min(single), max(single)))
        assert table.loc[("vanilla", metric)].estimate == pytest.approx(base[metric])
        assert np.isnan(table.loc[("vanilla", metric)].difference)


def test_captions_of_other_images_are_refused():
    frames = [captions_of("vanilla", 0), captions_of("vcd", 1).iloc[:9]]
    with pytest.raises(DataError, match=r"'vcd' captioned other images than the baseline \(9 and 10\)"):
        caption_comparison(pd.concat(frames), {"vcd": ("vcd",)})
    with pytest.raises(DataError, match="'vanilla' has no captions"):
        caption_comparison(frames[1], {"vcd": ("vcd",)})


def test_difference_of_ratios_needs_both_denominators():
    terms = np.array([[1.0, 2.0], [0.0, 1.0]])
    assert terms_difference(terms, terms * [1, 0], ["a", "b"]) is None
    assert terms_difference(terms, terms, ["a", "b"]).estimate == 0


def times_of(task, ms, tokens=0):
    return [
        {"task": task, "item": f"{task}{k}", "condition": name, "ms": value, "n_tokens": tokens}
        for name, values in ms.items()
        for k, value in enumerate(values)
    ]


def test_overhead_is_the_median_of_paired_ratios():
    rows = times_of("question", {"vanilla": [1, 2, 4], "vcd": [2, 6, 8], "opera": [10, 20]})
    rows += times_of("caption", {"vanilla": [10, 20]}, 5) + times_of("caption", {"vcd": [30, 60]}, 10)
    table = overhead_table(pd.DataFrame(rows)).set_index("method")
    vcd = table.loc["vcd"]
    assert (vcd.question_ratio, vcd.question_ratio_low, vcd.question_ratio_high) == (2, 2, 2.5)
    assert (vcd.question_ms, vcd.n_questions, vcd.token_ms) == (6, 3, 4.5)
    assert vcd.token_ratio == 1.5  # three times as long for twice as many tokens
    assert (table.loc["vanilla"].question_ratio, table.loc["opera"].n_questions) == (1, 2)
    assert np.isnan(table.loc["opera"].token_ratio)
    with pytest.raises(DataError, match="'scr' was not timed"):
        overhead_table(pd.DataFrame(rows), "scr")
