import numpy as np
import pytest

from scr_lens.analysis.predictions.inverted_u import conclude_inverted_u, inverted_u
from scr_lens.analysis.two_lines import two_lines

LEVELS = [0.8, 0.9, 1.0, 1.1, 1.3, 1.6, 2.0]
GENERATOR = np.random.default_rng(5)


def study(curve, noise=0.2):
    return np.asarray(curve) + noise * GENERATOR.normal(size=(300, len(LEVELS)))


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ([-0.2, -0.1, 0.0, 0.1, 0.2, 0.0, -0.2], "supported"),
        ([-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4], "not supported"),
        ([0.2, 0.1, 0.0, -0.1, -0.1, 0.1, 0.3], "not supported"),
    ],
)
def test_verdict_follows_the_shape(curve, verdict):
    found = inverted_u(LEVELS, study(curve), range(300))
    assert found.verdict == verdict
    assert found.n_questions == 300
    assert "Robin Hood" in found.estimator


def test_estimate_and_interval_are_those_of_the_weaker_line():
    gains = study([-0.2, -0.1, 0.0, 0.1, 0.2, 0.0, -0.2])
    lines = two_lines(LEVELS, gains, range(300))
    found = conclude_inverted_u(lines, 300)
    assert (found.estimate, found.ci_low, found.ci_high) == lines.weaker()
    assert found.p_value == lines.p_value
    assert found.detectable_effect > 2.8 * max(lines.before.se, lines.after.se)
