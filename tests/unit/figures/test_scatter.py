import numpy as np
import pytest

from scr_lens.errors import DataError
from scr_lens.figures.scatter import entropy_bins, entropy_figure, entropy_records, jitter


@pytest.fixture(scope="module")
def frame(records):
    return records(n_images=40)


@pytest.fixture(scope="module")
def absent(frame):
    return frame[(frame["condition"] == "vanilla") & (frame["label"] == "no")]


@pytest.mark.parametrize("estimator", ["attention", "norm"])
def test_records_hold_entropy_and_false_yes(frame, absent, estimator):
    found = entropy_records(frame, estimator)
    shares = absent["entropy_attention_nats"].to_numpy() / np.log(20)
    expected = shares if estimator == "attention" else (shares + 1) / 2
    np.testing.assert_allclose(found.entropy, expected, rtol=1e-6)
    np.testing.assert_array_equal(found.false_yes, absent["answer"] == "yes")
    assert list(found.image_ids) == absent["image_id"].tolist()


@pytest.fixture(scope="module")
def figure(frame):
    return entropy_figure(frame)


def test_every_question_is_a_point_on_its_side(figure, frame):
    found = entropy_records(frame)
    questions = figure.axes[0]
    for points, hit in zip(questions.collections, (1.0, 0.0), strict=True):
        x, y = points.get_offsets().T
        np.testing.assert_array_equal(x, np.sort(found.entropy[found.false_yes == hit]))
        assert np.abs(y - hit).max() < 0.5


def test_rates_and_intervals_are_those_of_the_bins(figure, frame):
    bins = entropy_bins(entropy_records(frame))
    dots, _, (bars,) = figure.axes[1].containers[0]
    assert np.allclose(dots.get_xdata(), bins["predictor_mean"])
    assert np.allclose(dots.get_ydata(), 100 * bins["estimate"])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert np.allclose(ends, 100 * bins[["ci_low", "ci_high"]])
    assert not figure.axes[1].texts  # notes at close bins would print over each other
    assert f" of {bins['n_questions'].iloc[0]} questions" in figure.axes[1].get_title(loc="left")


def test_axes_share_x_and_the_rate_starts_at_zero(figure):
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert figure.axes[1].get_ylim()[0] == 0


def test_correlation_and_sizes_are_printed(figure, frame):
    found = entropy_records(frame)
    r = np.corrcoef(found.entropy, found.false_yes)[0, 1]
    text = figure.get_suptitle()
    assert r < 0
    assert text.startswith(f"r = \N{MINUS SIGN}{abs(r):.3f} [")
    assert "40 images, 160 questions" in text


@pytest.mark.parametrize(("answer", "says"), [("no", "free of false yes"), ("yes", "a false yes")])
def test_a_model_that_always_answers_alike_has_no_correlation(frame, answer, says):
    constant = frame.assign(answer=answer)
    figure = entropy_figure(constant)
    title = figure.get_suptitle()
    assert says in title and "no correlation" in title and "r =" not in title
    n = int((constant.condition == "vanilla").mul(constant.label == "no").sum())
    assert f"{n:,} questions" in title


def test_jitter_is_fixed_even_and_small():
    offsets = jitter(500)
    np.testing.assert_array_equal(offsets, jitter(500))
    assert np.abs(offsets).max() < 0.5
    assert np.histogram(offsets, bins=10, range=(-0.5, 0.5))[0].min() > 40


def test_unknown_condition_and_missing_entropy_are_refused(frame):
    with pytest.raises(DataError, match="condition 'none'"):
        entropy_figure(frame, condition="none")
    with pytest.raises(DataError, match="entropy_norm_nats"):
        entropy_figure(frame.drop(columns="entropy_norm_nats"), "norm")
