"""Do the intervals cover, do the tests keep their level, do they find the stated detectable effect?

Every number is measured on 1,000 simulated studies with questions nested in images (image effects). All
studies of a test share one matrix of bootstrap weights, so a whole test is a few matrix products.
"""

import numpy as np
import pytest

from scr_lens.analysis.bootstrap import resample_weights, studentized_bounds
from scr_lens.analysis.correlation import fisher_mean
from scr_lens.analysis.interval import FISHER, effective_wilson_bounds, linearized_bounds, standard_error
from scr_lens.analysis.logistic import logistic_slope
from scr_lens.analysis.permutation import sign_flip_test
from scr_lens.analysis.power import detectable_correlation, detectable_effect
from scr_lens.analysis.predictions.inverted_u import inverted_u
from scr_lens.analysis.statistic import CORRELATION, RATIO, RATIO_DIFFERENCE, correlation_totals

N_STUDIES = 1000
N_IMAGES = 150
N_QUESTIONS = 3
N_RESAMPLES = 999
COVERAGE = (0.93, 0.97)
FALSE_POSITIVES = 0.06
POWER = 0.80
CHUNK = 50

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights():
    return resample_weights(N_IMAGES, N_RESAMPLES, seed=1)


def image_rates(generator, rate, icc=0.3, n_images=N_IMAGES):
    """Beta-distributed rate of every image, so that answers within an image are correlated."""
    size = (1 - icc) / icc
    return generator.beta(rate * size, (1 - rate) * size, size=(N_STUDIES, n_images))


def coverage(bounds, truth):
    low, high = bounds
    return float(np.mean((low <= truth) & (truth <= high)))


def excludes(bounds, value):
    return round(1 - coverage(bounds, value), 6)


def studentized(totals, statistic, weights, **options):
    parts = [
        studentized_bounds(totals[start : start + CHUNK], statistic, weights, **options)
        for start in range(0, len(totals), CHUNK)
    ]
    low, high = (np.concatenate(ends) for ends in zip(*parts, strict=True))
    assert np.isfinite(low).all() and np.isfinite(high).all()
    return low, high


def rate_totals(generator, rate):
    hits = generator.binomial(N_QUESTIONS, image_rates(generator, rate))
    return np.stack([hits, np.full_like(hits, N_QUESTIONS)], axis=-1).astype(float)


def paired_totals(generator, rate, drop):
    """Gain per image when a share `drop` / `rate` of the baseline's false yes answers is removed."""
    hits = generator.binomial(N_QUESTIONS, image_rates(generator, rate))
    new = generator.binomial(N_QUESTIONS - hits, 0.04)
    expected_new = 0.04 * (1 - rate)
    removed = generator.binomial(hits, (drop + expected_new) / rate)
    return np.stack([removed - new, np.full_like(hits, N_QUESTIONS)], axis=-1).astype(float)


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.3])
def test_rate_intervals_cover(rate):
    totals = rate_totals(np.random.default_rng(10), rate)
    assert COVERAGE[0] <= coverage(effective_wilson_bounds(totals), rate) <= COVERAGE[1]


def test_ignoring_clusters_would_not_cover():
    hits = np.random.default_rng(10).binomial(N_QUESTIONS, image_rates(np.random.default_rng(11), 0.3))
    p = hits.sum(axis=1) / (N_IMAGES * N_QUESTIONS)
    half = 1.96 * np.sqrt(p * (1 - p) / (N_IMAGES * N_QUESTIONS))
    assert coverage((p - half, p + half), 0.3) < 0.90


@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_paired_difference_intervals_cover(drop):
    totals = paired_totals(np.random.default_rng(12), 0.2, drop)
    bounds = linearized_bounds(totals, RATIO)
    assert COVERAGE[0] <= coverage(bounds, drop) <= COVERAGE[1]
    if drop == 0:
        assert excludes(bounds, 0.0) <= FALSE_POSITIVES


def test_studentized_paired_intervals_cover_too(weights):
    """Slightly liberal (true miss rate about 6%), which is why the linearized interval is the default."""
    totals = paired_totals(np.random.default_rng(12), 0.2, 0.0)
    assert COVERAGE[0] <= coverage(studentized(totals, RATIO, weights), 0.0) <= COVERAGE[1]


def test_sign_flip_keeps_its_level():
    totals = paired_totals(np.random.default_rng(13), 0.2, 0.0)
    p_values = [sign_flip_test(study[:, 0], n_permutations=499, seed=k) for k, study in enumerate(totals)]
    assert np.mean(np.array(p_values) <= 0.05) <= FALSE_POSITIVES


def detectable_drop(generator, rate=0.2):
    """Effect at which the study's own standard error says 80% power."""
    effect = 0.05
    for _ in range(3):
        pilot = paired_totals(generator, rate, effect)
        effect = detectable_effect(float(np.mean(standard_error(pilot, RATIO))), N_IMAGES)
    return effect


def test_paired_difference_is_found_at_the_detectable_effect():
    generator = np.random.default_rng(14)
    totals = paired_totals(generator, 0.2, detectable_drop(generator))
    assert np.mean(linearized_bounds(totals, RATIO)[0] > 0) >= POWER


def test_sign_flip_needs_at_most_five_percent_more_than_the_detectable_effect():
    generator = np.random.default_rng(15)
    totals = paired_totals(generator, 0.2, 1.05 * detectable_drop(generator))
    p_values = [sign_flip_test(study[:, 0], n_permutations=499, seed=k) for k, study in enumerate(totals)]
    assert np.mean(np.array(p_values) <= 0.05) >= POWER


def strata_totals(generator, gain_low, gain_high):
    """Gains in two strata that share images: an image has questions in both."""
    shares = image_rates(generator, 0.5, icc=0.5)
    low = generator.binomial(N_QUESTIONS, shares)
    parts = []
    for count, gain in ((low, gain_low), (N_QUESTIONS - low, gain_high)):
        removed = generator.binomial(count, np.clip(image_rates(generator, gain + 0.05, icc=0.2), 0, 1))
        parts += [removed - generator.binomial(count - removed, 0.05 / (1 - gain - 0.05)), count]
    return np.stack(parts, axis=-1).astype(float)


@pytest.mark.parametrize("gains", [(0.05, 0.05), (0.15, 0.03)])
def test_interaction_intervals_cover(gains):
    totals = strata_totals(np.random.default_rng(16), *gains)
    bounds = linearized_bounds(totals, RATIO_DIFFERENCE)
    assert COVERAGE[0] <= coverage(bounds, gains[0] - gains[1]) <= COVERAGE[1]
    if gains[0] == gains[1]:
        assert excludes(bounds, 0.0) <= FALSE_POSITIVES


def test_interaction_is_found_at_the_detectable_effect():
    generator, effect = np.random.default_rng(17), 0.08
    for _ in range(3):
        errors = standard_error(strata_totals(generator, 0.03 + effect, 0.03), RATIO_DIFFERENCE)
        effect = detectable_effect(float(np.mean(errors)), N_IMAGES)
    totals = strata_totals(generator, 0.03 + effect, 0.03)
    assert np.mean(linearized_bounds(totals, RATIO_DIFFERENCE)[0] > 0) >= POWER


def entropy_records(generator, slope, n_studies=N_STUDIES, n_images=N_IMAGES):
    """Entropy (image part plus question part) and false yes of every question, log odds linear in entropy."""
    size = (n_studies, n_images, N_QUESTIONS)
    entropy = generator.normal(size=(*size[:2], 1)) + 0.7 * generator.normal(size=size)
    odds = -1.8 + slope * entropy + 0.8 * generator.normal(size=(*size[:2], 1))
    return entropy, (generator.random(size) < 1 / (1 + np.exp(-odds))).astype(float)


def correlation_study(entropy, hits):
    centered = [part - part.mean(axis=(1, 2), keepdims=True) for part in (entropy, hits)]
    return correlation_totals(*centered).sum(axis=2)


def true_correlation(slope):
    entropy, hits = entropy_records(np.random.default_rng(18), slope, n_studies=1, n_images=500_000)
    return float(np.corrcoef(entropy.ravel(), hits.ravel())[0, 1])


@pytest.mark.parametrize("slope", [0.0, -0.5])
def test_point_biserial_intervals_cover(weights, slope):
    totals = correlation_study(*entropy_records(np.random.default_rng(19), slope))
    bounds = studentized(totals, CORRELATION, weights, scale=FISHER)
    truth = 0.0 if slope == 0 else true_correlation(slope)
    assert COVERAGE[0] <= coverage(bounds, truth) <= COVERAGE[1]
    if slope == 0:
        assert excludes(bounds, 0.0) <= FALSE_POSITIVES
        p_values = [sign_flip_test(study[:, 5], n_permutations=499, seed=k) for k, study in enumerate(totals)]
        assert np.mean(np.array(p_values) <= 0.05) <= FALSE_POSITIVES


def test_point_biserial_is_found_at_the_detectable_correlation(weights):
    generator = np.random.default_rng(20)
    pilot = correlation_study(*entropy_records(generator, -0.4))
    r = CORRELATION.value(pilot.sum(axis=1))
    se_z = float(np.mean(standard_error(pilot, CORRELATION) / (1 - r**2)))
    wanted = -detectable_correlation(se_z, N_IMAGES)
    slopes = np.linspace(-0.6, -0.2, 5)
    slope = float(np.interp(wanted, [true_correlation(one) for one in slopes], slopes))
    totals = correlation_study(*entropy_records(generator, slope))
    assert np.mean(studentized(totals, CORRELATION, weights, scale=FISHER)[1] < 0) >= POWER


@pytest.mark.parametrize("slope", [0.0, -0.5])
def test_logistic_slope_intervals_cover(slope):
    """The truth is the population slope of the marginal model, fitted on 300,000 questions."""
    entropy, hits = entropy_records(np.random.default_rng(21), slope)
    images = np.repeat(np.arange(N_IMAGES), N_QUESTIONS)
    truth = 0.0
    if slope:
        large = entropy_records(np.random.default_rng(22), slope, n_studies=1, n_images=100_000)
        truth = logistic_slope(large[0].ravel(), large[1].ravel(), range(300_000)).estimate / np.std(large[0])
    found = [
        (fit.low / np.std(x), fit.high / np.std(x))
        for x, fit in (
            (x, logistic_slope(x.ravel(), y.ravel(), images)) for x, y in zip(entropy, hits, strict=True)
        )
    ]
    low, high = np.array(found).T
    assert COVERAGE[0] <= coverage((low, high), truth) <= COVERAGE[1]


def test_mean_correlation_intervals_cover(weights):
    """EF1: two questions per image share most of their map, so their z values are correlated."""
    generator = np.random.default_rng(23)
    z = 0.6 + 0.15 * (generator.gamma(2.0, size=(N_STUDIES, N_IMAGES, 1)) - 2)
    z = z + 0.1 * generator.normal(size=(N_STUDIES, N_IMAGES, 2))
    totals = np.stack([z.sum(axis=2), np.full(z.shape[:2], 2.0)], axis=-1)
    low, high = studentized(totals, RATIO, weights)
    assert COVERAGE[0] <= coverage((np.tanh(low), np.tanh(high)), np.tanh(0.6)) <= COVERAGE[1]
    images = [f"{k:03d}" for k in range(N_IMAGES) for _ in range(2)]
    one = fisher_mean(np.tanh(z[0]).ravel(), images, n_resamples=N_RESAMPLES, seed=1)
    assert (one.low, one.high) == pytest.approx((np.tanh(low[0]), np.tanh(high[0])), abs=1e-6)


LAMBDAS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 2.0, 2.5, 3.0)


def lambda_studies(generator, curve, n_images=N_IMAGES):
    """Gains of every image at every lambda: shared image part, own part, and nothing at lambda = 1."""
    size = (N_STUDIES, n_images, len(LAMBDAS))
    noise = 0.15 * generator.normal(size=(*size[:2], 1)) + 0.15 * generator.normal(size=size)
    gains = np.asarray(curve) + noise * (np.abs(np.array(LAMBDAS) - 1) > 1e-9)
    return [inverted_u(LAMBDAS, study, range(n_images)) for study in gains]


def tent(rise, fall, peak=1.35):
    x = np.array(LAMBDAS)
    up = rise * (np.minimum(x, peak) - x[0]) / (peak - x[0])
    return up - fall * np.maximum(x - peak, 0) / (x[-1] - peak)


@pytest.mark.parametrize(
    "curve",
    [np.zeros(10), tent(0.1, 0.0), tent(0.0, 0.1), tent(-0.1, -0.1)],
    ids=["flat", "saturating", "falling late", "U"],
)
def test_two_lines_keep_their_level(curve):
    results = lambda_studies(np.random.default_rng(24), curve)
    assert np.mean([result.verdict == "supported" for result in results]) <= FALSE_POSITIVES
    assert np.mean([result.p_value <= 0.05 for result in results]) <= FALSE_POSITIVES


def test_two_lines_find_the_detectable_inverted_u():
    generator = np.random.default_rng(25)
    pilot = lambda_studies(generator, tent(0.06, 0.06))
    effect = float(np.mean([result.detectable_effect for result in pilot]))
    results = lambda_studies(generator, tent(effect, effect))
    assert np.mean([result.ci_low > 0 for result in results]) >= POWER
