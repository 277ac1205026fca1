import pytest
from scipy import stats

from scr_lens.analysis.interval import Interval
from scr_lens.analysis.means import mean_interval
from scr_lens.analysis.predictions.overall_gain import overall_gain
from scr_lens.analysis.unchanged import NONE_CHANGED, unchanged_bound, widened


@pytest.mark.parametrize(
    ("n", "level", "expected"),
    [
        (1, 0.95, 0.975),
        (2, 0.92, 0.8),  # 1 - sqrt(0.04)
        (3, 0.984, 0.8),  # 1 - the cube root of 0.008
        (20, 0.95, 0.1684335),
        (0, 0.95, 1),
    ],
)
def test_bound_by_hand(n, level, expected):
    assert unchanged_bound(n, level) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("n", [1, 20, 450, 1000])
def test_bound_is_the_clopper_pearson_end(n):
    expected = stats.binomtest(0, n).proportion_ci(0.95, "exact").high
    assert unchanged_bound(n) == pytest.approx(expected, abs=1e-12)
    assert stats.binom.pmf(0, n, unchanged_bound(n)) == pytest.approx(0.025)


def test_seventy_two_images_are_the_fewest_that_exclude_five_percent():
    assert unchanged_bound(71) > 0.05 > unchanged_bound(72)  # 0.95^71 = 0.0262, 0.95^72 = 0.0249


@pytest.mark.parametrize("per_image", [1, 3, 9])
def test_more_questions_about_the_same_images_are_no_further_evidence(per_image):
    images = [f"i{k // per_image}" for k in range(30 * per_image)]
    found = widened(mean_interval([0.0] * len(images), images))
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 30)) and found.method == NONE_CHANGED


def test_two_groups_with_the_same_images_are_covered():
    """No change under a true difference of 2p, the most that a share p of images in both groups can make."""
    p = unchanged_bound(100)  # 100 images, each with questions in both groups: 50 are taken for each
    none = widened(Interval(0.0, 0.0, 0.0, 0.0, 100, "degenerate"), groups=2)
    assert none.high >= 2 * p
    assert none.high == pytest.approx(2 * (1 - 0.025 ** (1 / 50)))


def test_only_a_degenerate_zero_is_widened():
    known = Interval(0.0, -0.1, 0.1, 0.05, 20, "linearized")
    one = Interval(0.2, 0.2, 0.2, 0.0, 20, "degenerate")
    assert widened(known) is known
    assert widened(one) is one


def test_two_groups_add_their_bounds():
    none = Interval(0.0, 0.0, 0.0, 0.0, 200, "degenerate")
    assert widened(none, groups=2).high == pytest.approx(2 * unchanged_bound(100))
    assert widened(none).low == -unchanged_bound(200)


def test_few_images_without_a_change_refute_nothing():
    assert overall_gain([0.0] * 60, [f"i{k // 3}" for k in range(60)]).verdict == "inconclusive"
    many = overall_gain([0.0] * 3000, [f"i{k // 3}" for k in range(3000)])
    assert many.verdict == "not supported"
    assert many.ci_high == pytest.approx(unchanged_bound(1000))


@pytest.mark.parametrize(
    ("changed", "words"), [(0, "no image of 60 changed"), (3, "only 3 of 60"), (10, None)]
)
def test_a_handful_of_changed_images_is_said(changed, words):
    gain = [1.0] * changed + [0.0] * (60 - changed)
    caveats = overall_gain(gain, [f"i{k}" for k in range(60)], name="guidance").caveats
    assert (len(caveats) == 1) if words is None else caveats[-1].startswith(words)
