"""What was measured, as figures beside their goals: a section of the result to a list of judged lines."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.judge.verdict import Figure, Interval, curvature, interval, slope

GOALS: Mapping[str, Any] = tomllib.loads(Path(__file__).parents[1].joinpath("goals.toml").read_text(encoding="utf-8"))
SETTLED = 30.0  # seconds of audio: growth is judged from here on


@dataclass(frozen=True)
class Line:
    """A figure, and whether it may count: a fast wrong answer is no answer."""

    figure: Figure
    exact: bool = True
    why: str = ""

    @property
    def verdict(self) -> str:
        """pass, fail, inconclusive, or not counted."""
        return self.figure.verdict if self.exact else "not counted"

    def table(self) -> dict[str, Any]:
        """Plain values for the result file and a report."""
        return {**self.figure.table(), "verdict": self.verdict, "at_least": self.figure.at_least, "why": self.why}


def all_lines(result: Mapping[str, Any]) -> list[Line]:
    """Every goal that the result has something to say about, in the order of the bench."""
    lines = [line for name, judge in JUDGES.items() if name in result for line in judge(result[name])]
    verdict = result.get("parity", {"state": "pass"})
    if verdict["state"] == "pass":
        return lines
    return [Line(line.figure, False, f"parity: {verdict['sentence']}") for line in lines]


def offline(found: Mapping[str, Any]) -> list[Line]:
    """Whole conversions."""
    lines = []
    for row in found["ours"]:
        name, goals = row["precision"], GOALS["offline"]
        state = {"exact": row["exact"], "why": row["why"]}
        if name in goals["faster"]:
            ratio = Interval(**row["faster"]).at_least_as_wide(found["noise"])
            figure = Figure(f"end to end, {name}", ratio, "×", goals["faster"][name], at_least=True)
            lines.append(Line(figure, **state))
        peak = Figure(f"peak memory, {name}", Interval(**row["peak_mib"]), "MiB", goals["peak_mib"][name])
        lines.append(Line(peak, **state))
    return lines


def growth(found: Mapping[str, Any]) -> list[Line]:
    """Memory against length, ours alone: the original's line is drawn, not judged."""
    points = [(length, peaks) for length, peaks, _ in found["points"] if length >= SETTLED]
    shortest = next(peaks for _, peaks, _ in found["points"])
    spread = [(length, peaks if len(peaks) > 1 else _as_wide(peaks[0], shortest)) for length, peaks in points]
    lines = []
    if len(points) > 1:
        whole = slope([spread[0], spread[-1]])
        what = f"memory's slope, {points[0][0]:g} to {points[-1][0]:g} s"
        lines.append(Line(Figure(what, whole, "MiB/s", GOALS["growth"]["slope"])))
    if len(points) > 2:
        lines.append(Line(Figure("memory's curvature", curvature(spread), "MiB/s", GOALS["growth"]["bend"])))
    return lines


def _as_wide(peak: float, runs: list[float]) -> list[float]:
    half = (max(runs) - min(runs)) / 2
    return [peak - half, peak, peak + half]


def rivals(found: Mapping[str, Any]) -> list[Line]:
    """The generator alone; a rival's output must be ours, or one of the two is wrong."""
    lines = []
    for precision, ratios in found["faster"].items():
        distance = found["rows"][f"ours-{precision}"]["snr_db"]
        good = distance >= found["exact"][precision]
        why = f"{distance:.1f} dB from the float32 graph (≥ {found['exact'][precision]:g})"
        for rival, ratio in ratios.items():
            figure = Figure(
                f"generator {precision} beside {rival}",
                Interval(**ratio),
                "×",
                GOALS["rivals"]["faster"],
                at_least=True,
            )
            lines.append(Line(figure, good, why))
    return lines


def kinds(found: Mapping[str, Any]) -> list[Line]:
    """Other voices beside the ratio that v2-40k-f0 reaches in the same workload."""
    if "v2-40k-f0" not in found:
        return []
    base = {row["precision"]: row["faster"]["middle"] for row in found["v2-40k-f0"]["ours"]}
    lines = []
    for kind, part in found.items():
        for row in part["ours"] if kind != "v2-40k-f0" else []:
            floor = (1 - GOALS["kinds"]["within"]) * base[row["precision"]]
            ratio = Interval(**row["faster"]).at_least_as_wide(part["noise"])
            figure = Figure(f"{kind}, {row['precision']}", ratio, "×", floor, at_least=True)
            lines.append(Line(figure, row["exact"], row["why"]))
    return lines


def live(found: Mapping[str, Any]) -> list[Line]:
    """Realtime."""
    lines = []
    for name, row in found["rows"].items():
        if name == "original":
            continue
        state = {"exact": row["exact"], "why": row["why"]}
        if name in found["faster"] and name in GOALS["live"]["faster"]:
            goal = GOALS["live"]["faster"][name]
            figure = Figure(f"realtime, {name}", Interval(**found["faster"][name]), "×", goal, at_least=True)
            lines.append(Line(figure, **state))
        p95 = Figure(f"realtime p95, {name}", Interval(**row["p95_by_turn"]), "ms", GOALS["live"]["p95_ms"])
        lines.append(Line(p95, **state))
    return lines


def stream(found: Mapping[str, Any]) -> list[Line]:
    """The long stream."""
    lost = abs(found["promised_samples"] - found["samples"])
    rise = Interval(**found["mib_per_minute"])
    return [
        Line(Figure("stream's memory", rise, "MiB/min", GOALS["stream"]["mib_per_minute"])),
        Line(Figure("stream's samples lost", interval([lost]), "samples", 0)),
    ]


def load(found: Mapping[str, Any]) -> list[Line]:
    """Waiting before anything can be said."""
    goals = GOALS["load"]
    lines = [
        Line(Figure(name, Interval(**value), "s", goals[name]))
        for name, value in found["seconds"].items()
        if name in goals
    ]
    lines.append(
        Line(Figure("import over torch's", Interval(**found["import_over_torch"]), "×", goals["import_over_torch"]))
    )
    lines.append(
        Line(
            Figure(
                "audio handling",
                Interval(**found["audio_times_real"]),
                "× real time",
                goals["audio_times_real"],
                at_least=True,
            )
        )
    )
    return lines


JUDGES: Mapping[str, Callable[[Mapping[str, Any]], list[Line]]] = {
    "offline": offline,
    "growth-ours": growth,
    "rivals": rivals,
    "kinds": kinds,
    "live": live,
    "stream": stream,
    "load": load,
}
