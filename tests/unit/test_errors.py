import pytest

from scr_lens import errors
from scr_lens.errors import ScrLensError, unknown_name


@pytest.mark.parametrize("name", ["ConfigError", "DataError", "LayoutError", "ContractError", "StoreError"])
def test_every_error_is_caught_by_the_base_class(name: str) -> None:
    with pytest.raises(ScrLensError, match="reason"):
        raise getattr(errors, name)("reason")


def test_unknown_name_gives_the_closest_and_all_known_names() -> None:
    message = unknown_name("method", "scrr", ["vanilla", "scr"])
    assert message == "unknown method 'scrr'; did you mean 'scr'? use one of: vanilla, scr"


def test_unknown_name_offers_no_closest_name_when_none_is_close() -> None:
    assert unknown_name("method", "qqq", ["vanilla"]) == "unknown method 'qqq'; use one of: vanilla"
