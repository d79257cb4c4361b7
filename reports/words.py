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
