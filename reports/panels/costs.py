"""Speed and memory as bars against their budgets, and memory against length, where the verdict brings them.

The `speed` of verdict.json is free; what is drawn of it, every field but `what` and `value` optional:

    {"figures": [{"what": "end to end", "who": "ours", "value": 2.1, "unit": "s", "budget": 3.0,
                  "verdict": "pass", "low": 2.0, "high": 2.3}, ...],
     "growth":  [{"who": "ours", "unit": "MiB", "points": [[10, 640], [30, 650], ...]}, ...]}   # x: seconds of audio

Everything else in it is listed as plain facts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.data import formatting
from reports.panels import svg


def build(speed: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Groups of bars and charts for the template; none where nothing was measured."""
    speed = speed or {}
    found = [*_bars(_list(speed.get("figures"))), *_growth(_list(speed.get("growth")))]
    rest = {key: value for key, value in speed.items() if key not in ("figures", "growth")}
    if rest:
        found.append({"title": "Measured besides", "note": formatting.flat(rest), "bars": [], "svg": ""})
    return found


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _bars(figures: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One group per unit, so that the lengths of its bars can be compared."""
    usable = [figure for figure in figures if _number(figure.get("value")) is not None and "what" in figure]
    for unit in dict.fromkeys(str(figure.get("unit", "")) for figure in usable):
        group = [figure for figure in usable if str(figure.get("unit", "")) == unit]
        longest = max(max(figure["value"], _number(figure.get("budget")) or 0.0) for figure in group) or 1.0
        bars = [_bar(figure, unit, longest) for figure in group]
        yield {"title": f"In {unit}" if unit else "Ratios", "note": "", "bars": bars, "svg": ""}


def _bar(figure: Mapping[str, Any], unit: str, longest: float) -> dict[str, Any]:
    budget = _number(figure.get("budget"))
    low, high = _number(figure.get("low")), _number(figure.get("high"))
    between = f" ({formatting.short(low)} to {formatting.short(high)})" if low is not None and high is not None else ""
    verdict = str(figure.get("verdict", ""))
    return {
        "what": str(figure["what"]),
        "who": str(figure.get("who", "ours")),
        "share": round(100 * figure["value"] / longest, 2),
        "budget_share": None if budget is None else round(100 * budget / longest, 2),
        "value": f"{formatting.short(float(figure['value']))} {unit}{between}".strip(),
        "budget": f"{formatting.short(budget)} {unit} {verdict}".strip() if budget is not None else verdict,
        "mark": {"fail": "bad", "pass": "good"}.get(verdict, "quiet"),
    }


def _growth(lines: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Cost against length of audio, a line for each who, a chart for each unit."""
    for unit in dict.fromkeys(str(line.get("unit", "MiB")) for line in lines):
        found = {
            str(line.get("who", "ours")): [(float(x), float(y)) for x, y in line["points"]]
            for line in lines
            if str(line.get("unit", "MiB")) == unit and line.get("points")
        }
        if found:
            yield {
                "title": f"{unit} against seconds of audio",
                "note": "",
                "bars": [],
                "svg": svg.points(found, "s of audio", unit),
            }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
