"""Speed and memory as bars beside their budgets, and cost against length, where the verdict brings them.

The object `speed` of verdict.json has no fixed schema. These fields are drawn; all but `what` and `value` are optional:

    {"figures": [{"what": "end to end", "who": "rvc", "value": 2.1, "unit": "s", "budget": 3.0,
                  "verdict": "pass", "low": 2.0, "high": 2.3}, ...],
     "growth":  [{"who": "rvc", "unit": "MiB", "points": [[10, 640], [30, 650], ...]}, ...]}   # x: seconds of audio

Other fields are listed as text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reports.data import formatting
from reports.data.states import Mark
from reports.panels import svg

MARKS = {"fail": Mark.BAD, "pass": Mark.GOOD}
DEFAULT_WHO = "candidate"


@dataclass(frozen=True)
class Bar:
    """One measurement. `percent` and `budget_percent` are lengths relative to the longest bar of the group."""

    what: str
    who: str
    percent: float
    budget_percent: float | None
    value: str
    budget: str
    mark: Mark


@dataclass(frozen=True)
class CostGroup:
    """A titled group of bars, a chart as SVG, or a note."""

    title: str
    note: str = ""
    bars: list[Bar] = field(default_factory=list)
    svg: str = ""


def build(speed: Mapping[str, object] | None) -> list[CostGroup]:
    """Groups of bars and charts for the template; none where nothing was measured."""
    speed = speed or {}
    groups = [*_bars(_objects(speed.get("figures"))), *_growth(_objects(speed.get("growth")))]
    rest = {key: value for key, value in speed.items() if key not in ("figures", "growth")}
    if rest:
        groups.append(CostGroup("Other measurements", formatting.one_line(rest)))
    return groups


def _objects(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _bars(measurements: list[Mapping[str, object]]) -> Iterator[CostGroup]:
    """One group per unit, so that the lengths of its bars can be compared."""
    usable = [item for item in measurements if _number(item.get("value")) is not None and "what" in item]
    for unit in dict.fromkeys(_unit(item, "") for item in usable):
        group = [item for item in usable if _unit(item, "") == unit]
        lengths = [_number(item.get(name)) or 0.0 for item in group for name in ("value", "budget")]
        longest = max(lengths) or 1.0
        yield CostGroup(f"In {unit}" if unit else "Ratios", bars=[_bar(item, unit, longest) for item in group])


def _bar(item: Mapping[str, object], unit: str, longest: float) -> Bar:
    value, budget = _number(item.get("value")) or 0.0, _number(item.get("budget"))
    low, high = _number(item.get("low")), _number(item.get("high"))
    between = (
        f" ({formatting.number(low)} to {formatting.number(high)})" if low is not None and high is not None else ""
    )
    verdict = str(item.get("verdict", ""))
    return Bar(
        what=str(item["what"]),
        who=str(item.get("who", DEFAULT_WHO)),
        percent=round(100 * value / longest, 2),
        budget_percent=None if budget is None else round(100 * budget / longest, 2),
        value=f"{formatting.number(value)} {unit}{between}".strip(),
        budget=f"{formatting.number(budget)} {unit} {verdict}".strip() if budget is not None else verdict,
        mark=MARKS.get(verdict, Mark.QUIET),
    )


def _growth(lines: list[Mapping[str, object]]) -> Iterator[CostGroup]:
    """Cost against the length of the audio: one chart for each unit, one line for each `who`."""
    for unit in dict.fromkeys(_unit(line, "MiB") for line in lines):
        curves = {
            str(line.get("who", DEFAULT_WHO)): [(float(x), float(y)) for x, y in points]
            for line in lines
            if _unit(line, "MiB") == unit and isinstance(points := line.get("points"), list) and points
        }
        if curves:
            yield CostGroup(f"{unit} against seconds of audio", svg=svg.points(curves, "s of audio", unit))


def _unit(item: Mapping[str, object], default: str) -> str:
    return str(item.get("unit", default))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
