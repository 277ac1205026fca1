import pytest

from scr_lens.errors import ConfigError
from scr_lens.requirements import require_choice, require_int, require_number


@pytest.mark.parametrize("value", [2, 3])
def test_an_integer_in_range_passes(value):
    require_int("count", value, minimum=2)


@pytest.mark.parametrize("value", [1, 2.0, True, "2", None])
def test_another_count_is_named_and_refused(value):
    with pytest.raises(ConfigError, match=r"count is .*integer of 2 or more"):
        require_int("count", value, minimum=2)


def test_a_number_comes_back_as_a_float():
    assert [type(require_number("x", value)) for value in (2, 0.5)] == [float, float]


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), "1", None])
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ConfigError, match=r"x is .*finite number"):
        require_number("x", value)


def test_a_choice_is_one_of_the_allowed():
    require_choice("topology", "8", ("8", "4"))
    with pytest.raises(ConfigError, match="topology"):
        require_choice("topology", "9", ("8", "4"))
