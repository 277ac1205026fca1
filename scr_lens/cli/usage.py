"""A command line that cannot be carried out, told in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import typer

from scr_lens.errors import unknown_name

PROGRAM = "scr-lens"

UsageError: type[Any] = typer.BadParameter.__mro__[1]
"""What the parser raises; named through typer, which brings a parser of its own in some versions."""


def usage_line(error: Any, arguments: Sequence[str]) -> str:
    """Says what is wrong with a command line.

    Args:
        error: What the parser raised.
        arguments: The command line without the program's name.

    Returns:
        One line: the bad input with its value, what was expected, and what to do.
    """
    text = " ".join(str(error.format_message()).split()).rstrip(".")
    context = error.ctx
    path = PROGRAM if context is None else context.command_path
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities") and context is not None:
        return unknown_name(f"{path} option", option, _options(context.command))
    command = re.match("No such command '(.+?)'", text)
    if command and context is not None:
        return unknown_name("command", command[1], context.command.list_commands(context))
    value = _given(getattr(error, "param", None), arguments)
    given = "" if value is None or repr(value) in text else f", not {value!r}"
    return f"{text[:1].lower()}{text[1:]}{given}; `{path} --help` says what it takes"


def is_question(error: Any) -> bool:
    """Whether a command line names a group alone, which is answered with the group's help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _options(command: Any) -> list[str]:
    names = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    return [*(name for name in names if name.startswith("-")), "--help"]


def _given(parameter: Any, arguments: Sequence[str]) -> str | None:
    """The value that an option was given; None for an argument without a name, or where there is none."""
    for name in getattr(parameter, "opts", ()):
        for word, following in zip(arguments, [*arguments[1:], None], strict=True):
            if word == name:
                return following
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
    return None
