"""F0 files: text with lines of "seconds,hertz" that replace the tracked F0 (docs/spec/03 §3.9)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput, printable
from rvc.weights.recognizers import Role, by_content, refuse_known_folder

HIGHEST_HZ = 16000.0  # half the rate of the lowest voice (32 kHz), beyond which no sine can be made
HIGHEST_BIN = 1100.0  # Hz, the upper end of the F0 bins (docs/spec/00 §0.2)
LATEST = 86400.0  # seconds, a day
LARGEST = 64 << 20  # bytes; a curve of a day with a point every 10 ms has about as many
SHOWN = 60  # characters of a line in a message
LONGEST_SPAN = 327.67  # seconds; the originals count frames of 10 ms with 16 bits
MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}  # byte order marks


def read_curve(path: Path) -> npt.NDArray[np.float32]:
    """Read an F0 file.

    Two numbers stand on a line, separated by a comma, a semicolon, tabs or spaces; between semicolons or tabs, numbers
    may have decimal commas. Empty lines, lines that start with # and a first line of two names are skipped.

    Returns:
        float32 (K, 2), in order of time, 0 where unvoiced.
    Raises:
        BadInput: the file cannot be read, is something else, or has no points; or a line is no such pair, goes back in
            time, or has a time or an F0 that is out of range. The message names the line.
    """
    points: list[tuple[float, float]] = []
    text = _read_text(path)
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or (not points and _is_header(stripped)):
            continue
        fields = _split(stripped)
        problem = _problem(fields, points[-1][0] if points else 0.0)
        if problem:
            shown = printable(stripped if len(stripped) <= SHOWN else stripped[:SHOWN] + "…")
            raise BadInput(f"line {number} of the F0 file {path.name} is {shown!r}; {problem}")
        points.append((float(fields[0]), float(fields[1])))
    if not points:
        raise BadInput(f"the F0 file {path.name} holds no usable points; expected lines of seconds,hertz")
    return np.array(points, np.float32)


def notes(curve: npt.NDArray[np.float32]) -> list[str]:
    """What the originals do with a curve that its author may not expect, one sentence each.

    Args:
        curve: float32 (K, 2), seconds and Hz.
    """
    sentences = []
    first, last, highest = float(curve[0, 0]), float(curve[-1, 0]), float(curve[:, 1].max())
    if last - first > LONGEST_SPAN:
        sentences.append(
            f"the F0 file spans {last - first:.2f} s; like the originals, which count its frames with 16 bits, this "
            f"program uses a part of it or nothing beyond {LONGEST_SPAN} s"
        )
    if first > 0:
        sentences.append(
            f"the F0 file starts at {first:g} s; like the originals, this program holds its first value from 0 s "
            f"on and loses its last {first:g} s"
        )
    if highest > HIGHEST_BIN:
        sentences.append(f"the F0 file reaches {highest:g} Hz; above {HIGHEST_BIN:g} Hz a voice has only one F0 bin")
    return sentences


def _read_text(path: Path) -> str:
    """The text of a file, in UTF-8 or with a byte order mark.  Raises BadInput."""
    try:
        if path.exists() and not path.is_file():
            refuse_known_folder(path, Role.F0_CURVE)
            raise BadInput(f"the F0 file {path} is no file; expected text lines of seconds,hertz")
        other = by_content(path)
        if other is not None:
            raise BadInput(f"the F0 file {path.name} is {other.what}; expected text lines of seconds,hertz")
        with path.open("rb") as file:
            if file.read(1) in (b"P", b"\x80") or file.read(8)[7:] == b"{":  # a file of weights
                from rvc.weights.other_files import refuse_other_file  # imports torch

                refuse_other_file(path, Role.F0_CURVE)
        if path.stat().st_size > LARGEST:
            raise BadInput(f"the F0 file {path.name} has {path.stat().st_size} bytes; expected {LARGEST} at most")
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"the F0 file {path} cannot be read ({error.strerror}); check the path") from None
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadInput(f"the F0 file {path.name} is no text in UTF-8; expected lines of seconds,hertz") from None


def _split(line: str) -> list[str]:
    """The fields of a line, without quotation marks around them."""
    for separator in (";", "\t"):
        if separator in line:
            return [_unquoted(field).replace(",", ".") for field in re.split(f"{separator}+", line)]
    return [_unquoted(field) for field in (line.split(",") if "," in line else line.split())]


def _unquoted(field: str) -> str:
    """A field without spaces and quotation marks around it."""
    field = field.strip()
    return field[1:-1].strip() if len(field) > 1 and field[0] == field[-1] == '"' else field


def _is_header(line: str) -> bool:
    fields = _split(line)
    return len(fields) == 2 and all(re.match(r"[^\W\d]", field) and not _is_number(field) for field in fields)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field  # Python's float accepts "1_000", F0 files do not


def _problem(fields: list[str], before: float) -> str:
    """What is wrong with the fields of a line, and what is expected; empty for a usable point after `before` s."""
    if len(fields) != 2 or not all(map(_is_number, fields)):
        return "expected seconds,hertz"
    seconds, hertz = map(float, fields)
    if not (math.isfinite(seconds) and math.isfinite(hertz)):
        return "expected finite numbers, with 0 Hz where the voice has no pitch"
    if not 0 <= seconds <= LATEST:
        return f"expected a time of 0 to {LATEST:g} seconds first, then the F0 in hertz"
    if not 0 <= hertz <= HIGHEST_HZ:
        return f"expected an F0 of 0 to {HIGHEST_HZ:g} Hz, with 0 where the voice has no pitch"
    if seconds < before:
        return f"expected a time of {before:g} seconds or later, as the line before; sort the lines by time"
    return ""
