"""Numbers and facts as a person reads them."""

import math
from typing import Any


def short(value: float | None, digits: int = 3) -> str:
    """A number with few digits; an exponent when it is far from 1."""
    if value is None:
        return "—"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.{digits}g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def times(ratio: float | None) -> str:
    """How many times the limit: "0.31×", "420×", "1.2e4×"."""
    if ratio is None:
        return "—"
    if ratio == 0:
        return "0"
    if math.isinf(ratio):
        return "∞×"
    if ratio >= 1e4 or ratio < 1e-3:
        return f"{ratio:.1e}×".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    return f"{ratio:.0f}×" if ratio >= 100 else f"{ratio:.2g}×"


def share(ratio: float | None) -> str:
    """A part of the limit in per cent: "35 %"."""
    return "—" if ratio is None else f"{short(float(f'{100 * ratio:.2g}'))} %"


def tiny(ratio: float) -> str:
    """The same in three characters or so, for a narrow cell: "1.4", "36k", "2M", "∞"."""
    if math.isinf(ratio):
        return "∞"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if ratio >= size:
            return f"{min(ratio / size, 999):.0f}{letter}"
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"


def spoken(ratio: float | None) -> str:
    """How many times the limit inside a sentence: "25 000 times its limit"."""
    if ratio is None:
        return "beyond any limit"
    if math.isinf(ratio):
        return "different where nothing may differ"
    if ratio >= 1e7:
        return f"{ratio:.0e} times its limit".replace("e+0", "e").replace("e+", "e")
    rounded = float(f"{ratio:.2g}")
    return f"{rounded:,.0f} times its limit".replace(",", " ") if rounded >= 10 else f"{rounded:g} times its limit"


def sentence(text: str) -> str:
    """The text with a capital and a full stop, so that several can stand in a row."""
    text = text.strip()
    return (
        text
        if not text
        else text[0].upper() * (not _is_name(text))
        + text[0] * _is_name(text)
        + text[1:]
        + "." * (text[-1] not in ".!?")
    )


def _is_name(text: str) -> bool:
    """Whether a text begins with the name of a tensor or a case, which keeps its small letter."""
    first = text.split(" ", 1)[0]
    return any(c in first for c in "._-0123456789")


def flat(value: Any) -> str:
    """A JSON value in one line: lists with commas, objects as name = value."""
    if isinstance(value, dict):
        return "; ".join(f"{name} = {flat(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(flat(item) for item in value) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return short(value, 6) if isinstance(value, float) else str(value)


def facts(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each entry of a JSON object, for a list of facts."""
    return [(str(name).replace("_", " "), flat(value)) for name, value in document.items()]


def plural(count: int, one: str) -> str:
    """ "1 case", "3 cases"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"
