"""Text from files and programs that are not trusted: JSON with limits, and names made safe to print.

JSON of the project's own is written here, too.
"""

import json
import math
import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DEEPEST = 64  # levels of a document; those of this project have at most 9
# Unicode categories that a terminal, XML or a page must not get: control characters, format characters (which include
# the marks that reverse the direction of a text), lone surrogates, code points without a character, line separators.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def parse(text: str) -> Any:
    """The value of a JSON document.

    Raises:
        json.JSONDecodeError: the text is not JSON, is nested too deeply, or holds NaN, infinity or a number of more
            digits than Python reads.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        _refuse_depth(value)
        return value
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    except ValueError as error:
        raise json.JSONDecodeError(f"a number that cannot be read: {str(error)[:60]}", "", 0) from None


def parse_file(path: Path) -> Any:
    """The value of a JSON document in a file.

    Raises:
        json.JSONDecodeError: as `parse`, or the file is no text in UTF-8.
        OSError: the file cannot be read.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError(f"no text in UTF-8, byte {error.start} is wrong", "", 0) from None


def _refuse_depth(value: Any) -> None:
    """Raise RecursionError for a value that is nested deeper than `DEEPEST`, which other code may not walk."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _values_of(outer)]
        if not level:
            return
    raise RecursionError


def _values_of(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("it is beyond the largest float")
    return value


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON by way of a temporary file, so that no reader meets half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def printable(text: str) -> str:
    """The text with every character that does not print, or changes how others print, written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _UNPRINTABLE else _escape(ord(character))
        for character in text
    )


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable_values(value: Any) -> Any:
    """A JSON value whose strings and keys are `printable`."""
    if isinstance(value, str):
        return printable(str(value))
    if isinstance(value, dict):
        return {printable(str(key)): printable_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable_values(item) for item in value]
    return value
