"""JSON lines or a JSON array, read as records that remember the file and the line they came from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scr_lens.errors import DataError


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object of a file.

    Attributes:
        path: File that holds the object.
        line: 1-based line on which the object starts.
        fields: The object itself.
    """

    path: Path
    line: int
    fields: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Where the record stands, as "file:line"."""
        return f"{self.path}:{self.line}"

    def text(self, *keys: str) -> str:
        """Read a text field.

        Args:
            keys: Accepted names of the field; the first one present is read.

        Returns:
            The text, which may be empty.

        Raises:
            DataError: If none of the names is present, or the value is not text.
        """
        value = self._value(keys)
        if not isinstance(value, str):
            raise DataError(f"{self.place}: field {keys[0]!r} is {value!r}; expected text, correct the line")
        return value

    def integer(self, key: str) -> int:
        """Read a whole number, given as a number or as digits in quotes.

        Args:
            key: Name of the field.

        Returns:
            The number.

        Raises:
            DataError: If the field is absent or not a whole number.
        """
        value = self._value((key,))
        if isinstance(value, str) and value.strip().isdecimal():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise DataError(
                f"{self.place}: field {key!r} is {value!r}; expected a whole number, correct the line"
            )
        return value

    def choice(self, key: str, options: tuple[str, ...]) -> str:
        """Read a text field that has few allowed values.

        Args:
            key: Name of the field.
            options: Allowed values, spelled exactly.

        Returns:
            The value.

        Raises:
            DataError: If the field is absent or holds something else.
        """
        value = self.text(key)
        if value not in options:
            allowed = " or ".join(repr(option) for option in options)
            raise DataError(f"{self.place}: field {key!r} is {value!r}; expected {allowed}, correct the line")
        return value

    def _value(self, keys: tuple[str, ...]) -> Any:
        for key in keys:
            if key in self.fields:
                return self.fields[key]
        wanted = " or ".join(repr(key) for key in keys)
        present = ", ".join(self.fields) or "none"
        raise DataError(
            f"{self.place}: field {wanted} is missing (fields present: {present}); add it to the record"
        )


def read_text(path: str | Path) -> str:
    """Read a UTF-8 file.

    Args:
        path: The file; a byte order mark at its start is dropped.

    Returns:
        Its text.

    Raises:
        DataError: If the file cannot be read or is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start}); convert it or give another file"
        ) from error


def read_records(path: str | Path) -> tuple[Record, ...]:
    """Read every JSON object of a file.

    Args:
        path: JSON lines (blank lines are skipped) or one JSON array of objects, however it is laid out.

    Returns:
        One record per object in file order; never empty.

    Raises:
        DataError: If the file cannot be read, holds malformed JSON or nothing, or an entry is not an object.
    """
    path = Path(path)
    text = read_text(path)
    entries = _array_entries(path, text) if text.lstrip().startswith("[") else _line_entries(path, text)
    records = tuple(Record(path, line, _as_object(path, line, value)) for line, value in entries)
    if not records:
        raise DataError(f"{path} holds no record; expected JSON lines or a JSON array of objects")
    return records


def _line_entries(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise _malformed(path, number, error.msg) from error


def _array_entries(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Walk a JSON array entry by entry, so that each is known with the line on which it starts."""
    decoder = json.JSONDecoder()
    position, counted, line = _skip_blank(text, text.index("[") + 1), 0, 1
    while text[position : position + 1] != "]":
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _malformed(path, error.lineno, error.msg) from error
        yield line, value
        position = _next_entry(path, text, end)
    tail = _skip_blank(text, position + 1)
    if tail < len(text):
        raise _malformed(path, text.count("\n", 0, tail) + 1, "text after the end of the array")


def _next_entry(path: Path, text: str, end: int) -> int:
    position = _skip_blank(text, end)
    mark = text[position : position + 1]
    after = _skip_blank(text, position + 1) if mark == "," else position
    if mark not in (",", "]") or not mark or (mark == "," and text[after : after + 1] == "]"):
        raise _malformed(
            path, text.count("\n", 0, position) + 1, "expected a comma and an entry, or the end of the array"
        )
    return after


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _as_object(path: Path, line: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path}:{line}: entry is {str(value)[:40]!r}; expected a JSON object {{...}}")
    return value


def _malformed(path: Path, line: int, reason: str) -> DataError:
    return DataError(f"{path}:{line}: malformed JSON ({reason}); correct the line or fetch the file again")
