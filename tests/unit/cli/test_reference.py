"""The pages that are made from the code are as the code makes them, and hold every command."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scr_lens.cli.app import app
from scr_lens.cli.reference import commands_page, methods_page, organisms_page, pages, write_pages
from scr_lens.errors import ConfigError
from scr_lens.organisms import catalog
from scr_lens.organisms.recipe import RECIPES
from scr_lens.organisms.shipped import DEFAULT

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", ["cli.md", "methods.md", "organisms.md", "true-sizes.md"])
def test_the_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages(DOCS)[name], "run `make docs`"


@pytest.mark.parametrize(
    "command", [["inspect"], ["run"], ["merge"], ["score", "chair"], ["bench", "capture"]]
)
def test_every_option_of_the_help_is_on_the_page(command: list[str]) -> None:
    """The help is rendered by typer itself, which knows nothing of this module."""
    shown = CliRunner().invoke(app, [*command, "--help"], catch_exceptions=False).stdout
    section = commands_page().split(f"## scr-lens {' '.join(command)}\n")[1].split("\n## ")[0]
    options = {word.strip(",") for word in shown.split() if word.startswith("--")} - {"--help"}
    assert options
    assert not [option for option in options if f"`{option}`" not in section]


def test_every_command_of_the_help_has_a_section() -> None:
    shown = CliRunner().invoke(app, ["--help"], catch_exceptions=False).stdout
    names = [line.split()[0] for line in shown.split("Commands:")[1].splitlines() if line[:3].strip()]
    assert "inspect" in names
    assert not [name for name in names if f"## scr-lens {name}" not in commands_page()]


def test_methods_are_listed_with_what_they_do() -> None:
    page = methods_page()
    assert "| scr |" in page
    assert "- `scr`: the most attended patches give credit to their neighbors" in page


def test_every_organism_is_in_the_table_or_said_to_be_missing() -> None:
    page = organisms_page()
    table, _, missing = page.partition("Recipes without weights at hand: ")
    listed = {line.split("]")[0][3:] for line in table.splitlines() if line.startswith("| [")}
    named = set(missing.split("\n")[0].rstrip(".").replace("`", "").split(", ")) - {""}
    assert listed | named == set(RECIPES) and not listed & named
    assert listed == {path.parent.name for path in (DOCS.parent / "data" / "organisms").glob("*/config.json")}


def test_the_page_says_so_when_every_recipe_has_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "RECIPES", {DEFAULT: RECIPES[DEFAULT]})
    assert "\nEvery recipe has its weights here.\n" in organisms_page()


def test_pages_are_written(tmp_path: Path) -> None:
    written = write_pages(tmp_path)
    assert {path.name: path.read_text(encoding="utf-8") for path in written} == dict(pages(tmp_path))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no folder .*nowhere.*docs folder"):
        write_pages(tmp_path / "nowhere")
