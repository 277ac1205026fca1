"""Free-text answers to yes/no questions, read by an explicit rule."""

import re
from typing import Literal, get_args

from scr_lens.errors import ConfigError, DataError, unknown_name

ParseRule = Literal["official", "strict"]
ParsedAnswer = Literal["yes", "no", "unparsed"]

_OFFICIAL_NO = frozenset({"No", "no", "not"})
# A letter or digit on either side makes it another word; an underscore is Markdown emphasis and does not.
_YES_OR_NO = re.compile(r"(?<![^\W_])(yes|no)(?![^\W_])", re.IGNORECASE)


def parse_answer(text: str, rule: ParseRule) -> ParsedAnswer:
    """Decide what an answer to a yes/no question says.

    Args:
        text: The answer as the model wrote it.
        rule: "official" is POPE's own script: cut at the first ".", delete commas, split on single spaces;
            "no" when a piece is exactly "No", "no" or "not", and everything else, the empty answer included,
            is "yes". "strict" looks for the words yes and no in any case in the whole answer.

    Returns:
        "yes" or "no"; by "strict" also "unparsed", when the answer has both words or neither.

    Raises:
        ConfigError: If the rule is unknown.
        DataError: If the answer is not text.

    Examples:
        >>> [parse_answer("I am not sure.", rule) for rule in ("official", "strict")]
        ['no', 'unparsed']

    Source: https://github.com/AoiDragon/POPE (evaluate.py) for "official".
    """
    if not isinstance(text, str):
        raise DataError(f"answer is {text!r}; expected text, give an empty string for an empty answer")
    if rule == "official":
        return _parse_official(text)
    if rule == "strict":
        return _parse_strict(text)
    raise ConfigError(unknown_name("parse rule", rule, get_args(ParseRule)))


def _parse_official(text: str) -> ParsedAnswer:
    pieces = text.partition(".")[0].replace(",", "").split(" ")
    return "yes" if _OFFICIAL_NO.isdisjoint(pieces) else "no"


def _parse_strict(text: str) -> ParsedAnswer:
    words = {match.lower() for match in _YES_OR_NO.findall(text)}
    if words == {"yes"}:
        return "yes"
    return "no" if words == {"no"} else "unparsed"
