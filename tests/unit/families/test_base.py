"""The page on adding a family names every question that a family may answer in its own way."""

import re
from pathlib import Path

from scr_lens.families.base import ModelFamily
from scr_lens.families.registry import FAMILIES

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-family.md"


def questions() -> list[str]:
    """First cells of the page's table, one name for each member."""
    section = PAGE.read_text().partition("## The questions")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    return [re.sub(r"\(.*", "", name) for cell in cells for name in re.findall("`(.+?)`", cell)]


def test_every_member_of_the_table_exists_and_stands_there_once() -> None:
    named = questions()
    assert len(named) == len(set(named)) > 15
    assert {name for name in named if name not in ModelFamily.__annotations__} <= set(dir(ModelFamily))


def test_every_member_that_a_family_overrides_stands_in_the_table() -> None:
    classes = {cls for family in FAMILIES.values() for cls in type(family).__mro__}
    classes -= set(ModelFamily.__mro__)
    known = set(dir(ModelFamily)) | set(ModelFamily.__annotations__)
    overridden = {name for cls in classes for name in vars(cls) if not name.startswith("_")} & known
    assert overridden >= {"model_type", "grids", "encode", "template_tail"}
    assert overridden <= set(questions())


def test_what_every_prompt_goes_through_stands_in_the_table() -> None:
    assert {"encode", "placeholder", "image_token_id", "prompt"} <= set(questions())
