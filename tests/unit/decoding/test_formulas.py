"""Every method's formula against numbers worked out by hand or by plain loops."""

import math

import pytest
import torch

from scr_lens.decoding import crops, dola, sid, vcd, vli
from scr_lens.decoding.contrast import contrast, jensen_shannon, plausible, require_contrast
from scr_lens.decoding.crops import Crops, text_keys
from scr_lens.decoding.object_mask import heaviest
from scr_lens.decoding.opera_scores import REMOVED, column_scores, combine, penalties
from scr_lens.errors import ConfigError

INF = float("inf")


def log_probs(values: list[float]) -> list[float]:
    total = math.log(sum(math.exp(v) for v in values if v > -INF))
    return [v - total for v in values]


def test_the_filter_keeps_equality_and_drops_what_is_below() -> None:
    logits = torch.tensor([[2.0, 2.0 + math.log(0.5), 1.0, -5.0]])
    assert plausible(logits, 0.5).tolist() == [[True, True, False, False]]
    assert plausible(logits, 1.0).tolist() == [[True, False, False, False]]


def test_vcd_by_hand() -> None:
    scores = vcd.combine(torch.tensor([[3.0, 2.0, -1.0]]), torch.tensor([[4.0, 1.0, -9.0]]), 1.0, 0.1)
    assert scores.tolist() == [[2.0, 3.0, -INF]]  # 2*3-4, 2*2-1; -1 < 3 + ln 0.1


def test_sid_by_hand_with_and_without_filter() -> None:
    logits, other = torch.tensor([[3.0, 2.0, -1.0]]), torch.tensor([[4.0, 1.0, -9.0]])
    assert sid.combine(logits, other, 0.5, None).tolist() == [[2.5, 2.5, 3.0]]
    assert sid.combine(logits, other, 0.5, 0.1).tolist() == [[2.5, 2.5, -INF]]


def test_contrast_never_makes_nan_of_removed_tokens() -> None:
    lowest = torch.finfo(torch.float32).min
    logits = torch.tensor([[1.0, lowest]])
    for beta in (None, 0.1):
        scores = contrast(logits, torch.tensor([[0.5, lowest]]), 1.0, beta)
        assert scores[0, 0] == 1.5
        assert scores[0, 1] == -INF
    kept = contrast(logits, torch.tensor([[0.5, lowest]]), 0.0, None)
    assert torch.equal(kept, logits)


@pytest.mark.parametrize(
    ("timestep", "kept", "added"), [(500, 0.86302, 0.50517), (700, 0.59268, 0.80544), (999, 0.28504, 0.95851)]
)
def test_noise_schedule_anchors(timestep: int, kept: float, added: float) -> None:
    assert vcd.noise_schedule(timestep) == pytest.approx((kept, added), abs=1e-5)


def test_dola_by_loops_and_reversed_divergence() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        logits, early = torch.randn(2, 5) * 2, torch.randn(3, 2, 5) * 2
        scores = dola.combine(logits, early, 0.1)
        for row in range(2):
            p = log_probs(logits[row].tolist())
            qs = [log_probs(early[j, row].tolist()) for j in range(3)]
            chosen = max(range(3), key=lambda j, p=p, qs=qs: reversed_divergence(p, qs[j]))
            for token in range(5):
                inside = p[token] >= max(p) + math.log(0.1)
                expected = p[token] - qs[chosen][token] if inside else -INF
                assert scores[row, token].item() == pytest.approx(expected, abs=1e-5)


def reversed_divergence(p: list[float], q: list[float]) -> float:
    total = 0.0
    for a, b in zip(p, q, strict=True):
        m = (math.exp(a) + math.exp(b)) / 2
        total += m * (math.log(m) - a) + m * (math.log(m) - b)
    return total / 2 / len(p)


def textbook_divergence(p: list[float], q: list[float]) -> float:
    total = 0.0
    for a, b in zip(p, q, strict=True):
        m = (math.exp(a) + math.exp(b)) / 2
        total += math.exp(a) * (a - math.log(m)) + math.exp(b) * (b - math.log(m))
    return total / 2


def test_dola_takes_the_authors_direction_where_the_textbook_one_differs() -> None:
    generator = torch.Generator().manual_seed(1)
    differing = 0
    for _ in range(200):
        logits, early = (torch.randn(s, generator=generator) * 3 for s in ((1, 5), (2, 1, 5)))
        p = log_probs(logits[0].tolist())
        qs = [log_probs(early[j, 0].tolist()) for j in range(2)]
        ours = int(dola.premature(torch.log_softmax(logits, -1), torch.log_softmax(early, -1))[0])
        assert ours == max((0, 1), key=lambda j: reversed_divergence(p, qs[j]))
        differing += ours != max((0, 1), key=lambda j: textbook_divergence(p, qs[j]))
    assert differing > 5


@pytest.mark.parametrize("step", [1, 100])
def test_crops_by_loops(step: int) -> None:
    settings = Crops()
    logits, patches, text = [1.0, 0.6, 0.2, -4.0], [0.3, 1.2, 0.1, 0.0], [2.0, 0.0, 0.5, 1.0]
    scores = crops.combine(*(torch.tensor([v]) for v in (logits, patches, text)), step, settings)
    kept = [v if v >= 1.0 + math.log(0.1) else -INF for v in logits]
    p, sb, lp = log_probs(kept), log_probs(patches), log_probs(text)
    gamma = math.exp(-0.01 * step)
    for token in range(3):
        grounded = p[token] + (1 - gamma) / gamma * (p[token] - lp[token])
        assert scores[0, token].item() == pytest.approx(2 * grounded - sb[token], abs=1e-5)
    assert scores[0, 3] == -INF


def test_crops_takes_a_sure_row_as_it_is_and_no_other() -> None:
    logits = torch.tensor([[9.0, 1.0, 1.0], [1.0, 0.9, 0.8]])
    other = torch.tensor([[0.0, 3.0, 1.0], [0.0, 3.0, 1.0]])
    scores = crops.combine(logits, other, other, 1, Crops())
    assert scores[0].tolist() == [9.0, -INF, -INF]
    assert scores[1].tolist() != pytest.approx(logits[1].tolist())


def test_crops_without_contrasts_is_the_filtered_model() -> None:
    logits, other = torch.randn(3, 6), torch.randn(3, 6)
    scores = crops.combine(logits, other, -other, 7, Crops(alpha=0, decay=0, cap=1.0))
    expected = torch.log_softmax(logits.masked_fill(~plausible(logits, 0.1), -INF), -1)
    torch.testing.assert_close(scores, expected)


def test_crops_at_step_one_is_nearly_sid_with_alpha_one() -> None:
    """Degeneracy on yes/no questions: the text-only branch enters with weight 0.01."""
    logits, patches, text = torch.randn(3, 6), torch.randn(3, 6), torch.randn(3, 6)
    settings = Crops(cap=1.0)
    kept = plausible(logits, settings.beta)
    p = torch.log_softmax(logits.masked_fill(~kept, -INF), -1)
    near_sid = 2 * p - torch.log_softmax(patches, -1)
    scores = crops.combine(logits, patches, text, 1, settings)
    gap = (scores - near_sid)[kept]
    expected = 2 * math.expm1(0.01) * (p - torch.log_softmax(text, -1))[kept]
    torch.testing.assert_close(gap, expected, rtol=1e-3, atol=1e-5)
    assert math.expm1(0.01) < 0.0101


def test_text_keys_table() -> None:
    assert [text_keys(t) for t in (1, 200, 512)] == [10, 15, 22]


def test_vli_temperature_and_steering() -> None:
    assert vli.temperature(torch.tensor([0.0, 0.1, 0.2, 0.9]), torch.full((4,), 0.2)).tolist() == [
        2,
        1.5,
        1,
        1,
    ]
    state, anchor, rest = torch.tensor([[1.0]]), torch.tensor([[5.0]]), torch.tensor([[2.0]])
    assert vli.steer(state, anchor, rest, 0.3).item() == pytest.approx(1.9)


def test_vli_temperature_cannot_change_a_greedy_answer() -> None:
    logits = torch.randn(50, 9)
    flattened = vli.combine(logits, torch.linspace(1, 2, 50))
    assert torch.equal(flattened.argmax(-1), logits.argmax(-1))
    assert not torch.equal(flattened, logits)


def test_vli_expert_heads_look_inside() -> None:
    attention = torch.rand(4, 2, 3, 5) * 0.01
    regions = torch.tensor([[True, False, False, False, False]] * 4)
    attention[:, 1, 2, 0] = 1.0
    attention[:, 0, 1, 4] = 1.0
    assert vli.expert_heads(attention, regions, 0.05) == ((1, 2),)


def test_jensen_shannon_bounds_and_value() -> None:
    p, q = torch.tensor([[0.2, -1.0, 0.5]]), torch.tensor([[1.0, 0.3, -2.0]])
    expected = textbook_divergence(log_probs(p[0].tolist()), log_probs(q[0].tolist()))
    assert jensen_shannon(p, q).item() == pytest.approx(expected, abs=1e-6)
    assert jensen_shannon(p, p).item() == pytest.approx(0, abs=1e-9)
    apart = jensen_shannon(torch.tensor([[0.0, -INF]]), torch.tensor([[-INF, 0.0]]))
    assert apart.item() == pytest.approx(math.log(2))


def test_heaviest_is_the_smallest_set_with_the_mass() -> None:
    values = torch.tensor([0.1, 0.4, 0.2, 0.3])
    assert heaviest(values, 0.4).tolist() == [False, True, False, False]
    assert heaviest(values, 0.41).tolist() == [False, True, False, True]
    assert heaviest(values, 1.0).all()
    assert heaviest(torch.ones(4), 0.5).tolist() == [True, True, False, False]


def test_opera_column_scores_by_loops() -> None:
    torch.manual_seed(0)
    rows = torch.rand(6, 6).tril() / 6
    score, column = column_scores(rows, 50.0)
    products = [math.prod(50.0 * rows[i, j].item() for i in range(j, 6)) for j in range(6)]
    assert int(column) == max(range(6), key=products.__getitem__)
    assert score.item() == pytest.approx(1e-7 * max(products), rel=1e-4)


def test_opera_scores_do_not_overflow() -> None:
    rows = torch.ones(1, 1, 400, 400).tril()
    score, column = column_scores(rows, 50.0)
    assert score.item() == pytest.approx(torch.finfo(torch.float32).max)
    assert int(column) == 0


@pytest.mark.parametrize("length", [1, 10, 11])
def test_opera_rewards_the_picture_on_short_answers(length: int) -> None:
    """Degeneracy on yes/no questions: up to ten tokens there is a bonus and nothing to roll back to."""
    rows = torch.full((2, 3, length, length), 0.5).tril()
    mass = torch.rand(2, 3)
    penalty, leading = penalties(rows, mass, 50.0)
    if length <= 10:
        assert torch.equal(penalty, -mass)
        assert leading is None
    else:
        assert penalty.min() == pytest.approx(1e-7 * 25.0**11, rel=1e-4)
        assert leading is not None
        assert leading.tolist() == [[0] * 3] * 2


def test_opera_combine_by_hand() -> None:
    scores = combine(
        torch.tensor([[1.0, 5.0, 3.0]]), torch.tensor([[1, 2]]), torch.tensor([[4.0, -1.0]]), 0.5
    )
    assert scores.tolist() == [[REMOVED, 3.0, 3.5]]


@pytest.mark.parametrize(("alpha", "beta", "message"), [(-1, 0.1, "alpha is -1"), (1, 0, "beta is 0")])
def test_contrast_settings_are_checked(alpha: float, beta: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        require_contrast("vcd", alpha, beta)
