"""Numbers and facts as text for a page."""

import math
from collections.abc import Mapping


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits, in exponent form when it is far from 1; "—" for None."""
    if value is None:
        return "—"
    if isinstance(value, float) and abs(value) < 1e6 and value == int(value):
        return str(int(value))
    return f"{value:.{digits}g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def multiple(ratio: float | None) -> str:
    """A multiple of a limit: "0.31×", "420×", "1.2e4×"; "—" for None."""
    if ratio is None:
        return "—"
    if ratio == 0:
        return "0"
    if math.isinf(ratio):
        return "∞×"
    if ratio >= 1e4 or ratio < 1e-3:
        return f"{ratio:.1e}×".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    return f"{ratio:.0f}×" if ratio >= 100 else f"{ratio:.2g}×"


def percent(ratio: float | None) -> str:
    """A fraction of a limit in percent: "35 %"; "—" for None."""
    return "—" if ratio is None else f"{number(float(f'{100 * ratio:.2g}'))} %"


def compact_multiple(ratio: float) -> str:
    """A multiple of a limit in about three characters, for a narrow cell: "1.4", "36k", "2M", "∞"."""
    if math.isinf(ratio):
        return "∞"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if ratio >= size:
            return f"{min(ratio / size, 999):.0f}{letter}"
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"


def multiple_phrase(ratio: float | None) -> str:
    """A multiple of a limit inside a sentence: "25 000 times its limit"."""
    if ratio is None:
        return "beyond any limit"
    if math.isinf(ratio):
        return "different where nothing may differ"
    if ratio >= 1e7:
        return f"{ratio:.0e} times its limit".replace("e+0", "e").replace("e+", "e")
    rounded = float(f"{ratio:.2g}")
    return f"{rounded:,.0f} times its limit".replace(",", " ") if rounded >= 10 else f"{rounded:g} times its limit"


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop, so that several sentences can follow each other."""
    text = text.strip()
    if not text:
        return text
    first = text[0] if _begins_with_name(text) else text[0].upper()
    stop = "" if text[-1] in ".!?" else "."
    return first + text[1:] + stop


def _begins_with_name(text: str) -> bool:
    """Whether a text begins with the name of a tensor or a case, which keeps its lower-case letter."""
    first = text.split(" ", 1)[0]
    return any(c in first for c in "._-0123456789")


def one_line(value: object) -> str:
    """A JSON value in one line: lists with commas, objects as name = value."""
    if isinstance(value, dict):
        return "; ".join(f"{name} = {one_line(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(one_line(item) for item in value) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 6) if isinstance(value, float) else str(value)


def facts(document: Mapping[str, object]) -> list[tuple[str, str]]:
    """Name and value of each entry of a JSON object, for a list of facts."""
    return [(str(name).replace("_", " "), one_line(value)) for name, value in document.items()]


def plural(count: int, one: str) -> str:
    """ "1 case", "3 cases"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"
