"""Measurements beside the goals of bench/goals.toml: one function per section of the result."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.judge.intervals import Interval, Measurement, Outcome, curvature, interval, slope

GOALS: Mapping[str, Any] = tomllib.loads(Path(__file__).parents[1].joinpath("goals.toml").read_text(encoding="utf-8"))
BASE_KIND = "v2-40k-f0"  # the voice that other kinds of voices are compared with
# Share of all processors, 0 to 1, that other programs may use during a timed run. Above it, wall times depend on these
# programs, and processor seconds are larger too, because caches are shared.
BUSY = 0.1
SHORTEST_JUDGED = 30.0  # seconds of audio; shorter conversions do not count for the growth of memory

Section = Mapping[str, Any]  # a section of result.json


@dataclass(frozen=True)
class JudgedMeasurement:
    """A measurement with its bound; it is not counted where the timed output is not exact.

    Attributes:
        measurement: the quantity and its bound.
        exact: whether the timed output is the right one.
        why: how it was determined whether the output is exact.
        by: the kind of time that was compared, "wall time"; "" for a measurement that is no time.
        other_load: share of all processors that other programs used meanwhile, 0 to 1; above BUSY nothing is decided.
    """

    measurement: Measurement
    exact: bool = True
    why: str = ""
    by: str = ""
    other_load: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """The outcome of the comparison, NOT_COUNTED, or INCONCLUSIVE on a busy machine."""
        if not self.exact:
            return Outcome.NOT_COUNTED
        return Outcome.INCONCLUSIVE if self.other_load > BUSY else self.measurement.outcome

    def reason(self) -> str:
        """How exactness was determined, which time was compared, and the load where it was too large."""
        load = f"other programs used {self.other_load:.0%} of the processors" if self.other_load > BUSY else ""
        return "; ".join(part for part in (self.why, self.by and f"by {self.by}", load) if part)

    def document(self) -> dict[str, Any]:
        """An entry of `figures` of result.json."""
        fields = self.measurement.document()
        return {**fields, "verdict": str(self.outcome), "at_least": self.measurement.at_least, "why": self.reason()}


def judge_all(sections: Mapping[str, Section]) -> list[JudgedMeasurement]:
    """Judge every goal whose section was measured, in the order of the sections.

    Args:
        sections: the sections of result.json by name. Where parity does not pass, no measurement is counted.
    """
    judged = [one for name, judge in JUDGES.items() if name in sections for one in judge(sections[name])]
    verdict = sections.get("parity", {"state": "pass"})
    if verdict["state"] == "pass":
        return judged
    return [replace(one, exact=False, why=f"parity: {verdict['sentence']}") for one in judged]


def conversions(section: Section) -> list[JudgedMeasurement]:
    """Complete conversions: speed beside the original, and peak memory."""
    judged = []
    for row in section["ours"]:
        name, goals = row["precision"], GOALS["offline"]
        state = {"exact": row["exact"], "why": row["why"]}
        if name in goals["faster"]:
            ratio = Interval(**row["faster"]).at_least_as_wide(section["noise"])
            measurement = Measurement(f"end to end, {name}", ratio, "×", goals["faster"][name], at_least=True)
            judged.append(JudgedMeasurement(measurement, **state, **timing(section)))
        peak = Measurement(f"peak memory, {name}", Interval(**row["peak_mib"]), "MiB", goals["peak_mib"][name])
        judged.append(JudgedMeasurement(peak, **state))
    return judged


def timing(section: Section) -> dict[str, Any]:
    """Which time a section's ratios compare, and the load of other programs meanwhile."""
    return {"by": "wall time", "other_load": section.get("other_load", 0.0)}


def caps(section: Section) -> list[JudgedMeasurement]:
    """Conversions and blocks with capped instructions, beside the original under the same cap."""
    goals, judged = GOALS["caps"], []
    for name, part in section["sets"].items():
        for row in part["offline"]["ours"]:
            precision = row["precision"]
            if precision not in goals["faster"]:
                continue
            ratio = Interval(**row["faster"]).at_least_as_wide(part["offline"]["noise"])
            measurement = Measurement(f"{name}, {precision}", ratio, "×", goals["faster"][precision], at_least=True)
            state = {"exact": row["exact"], "why": row["why"]}
            judged.append(JudgedMeasurement(measurement, **state, **timing(part["offline"])))
        live = part.get("live", {"faster": {}})
        if "float32" in live["faster"]:
            ratio, row = Interval(**live["faster"]["float32"]), live["rows"]["float32"]
            measurement = Measurement(f"{name}, a live block", ratio, "×", goals["live"], at_least=True)
            judged.append(JudgedMeasurement(measurement, row["exact"], row["why"], **timing(live)))
    return judged


def choice(section: Section) -> list[JudgedMeasurement]:
    """Conversions with the calibrated choice of backends, beside the best pinned choice."""
    judged = []
    for precision, part in section["precisions"].items():
        what = f"calibrated beside {part['best']}, {precision}"
        measurement = Measurement(what, Interval(**part["slower"]), "×", GOALS["choice"]["slower"])
        row = part["rows"]["measured"]
        judged.append(JudgedMeasurement(measurement, row["exact"], row["why"], **timing(part)))
    return judged


def growth(section: Section) -> list[JudgedMeasurement]:
    """Growth of rvc's peak memory with the length of the audio. The original's growth has no goal."""
    points = [(length, peaks) for length, peaks, _ in section["points"] if length >= SHORTEST_JUDGED]
    shortest = next(peaks for _, peaks, _ in section["points"])
    spread = [(length, peaks if len(peaks) > 1 else _with_spread(peaks[0], shortest)) for length, peaks in points]
    judged = []
    if len(points) > 1:
        overall = slope([spread[0], spread[-1]])
        what = f"memory's slope, {points[0][0]:g} to {points[-1][0]:g} s"
        judged.append(JudgedMeasurement(Measurement(what, overall, "MiB/s", GOALS["growth"]["slope"])))
    if len(points) > 2:
        judged.append(
            JudgedMeasurement(Measurement("memory's curvature", curvature(spread), "MiB/s", GOALS["growth"]["bend"]))
        )
    return judged


def _with_spread(peak: float, runs: list[float]) -> list[float]:
    """Three peaks in MiB around a single one, as far apart as those of `runs`, the repeated shortest length."""
    half = (max(runs) - min(runs)) / 2
    return [peak - half, peak, peak + half]


def generators(section: Section) -> list[JudgedMeasurement]:
    """The generator alone, beside other programs; its output must agree with that of the float32 graph."""
    judged = []
    for precision, ratios in section["faster"].items():
        distance = section["rows"][f"ours-{precision}"]["snr_db"]
        exact = distance >= section["exact"][precision]
        why = f"{distance:.1f} dB from the float32 graph (≥ {section['exact'][precision]:g})"
        for program, ratio in ratios.items():
            measurement = Measurement(
                f"generator {precision} beside {program}",
                Interval(**ratio),
                "×",
                GOALS["rivals"]["faster"],
                at_least=True,
            )
            judged.append(JudgedMeasurement(measurement, exact, why, **timing(section)))
    return judged


def kinds(section: Section) -> list[JudgedMeasurement]:
    """Other voices, beside the ratio of v2-40k-f0 in the same workload."""
    if BASE_KIND not in section:
        return []
    base = {row["precision"]: row["faster"]["middle"] for row in section[BASE_KIND]["ours"]}
    judged = []
    for kind, part in section.items():
        if kind == BASE_KIND:
            continue
        for row in part["ours"]:
            floor = (1 - GOALS["kinds"]["within"]) * base[row["precision"]]
            ratio = Interval(**row["faster"]).at_least_as_wide(part["noise"])
            measurement = Measurement(f"{kind}, {row['precision']}", ratio, "×", floor, at_least=True)
            judged.append(JudgedMeasurement(measurement, row["exact"], row["why"], **timing(part)))
    return judged


def realtime(section: Section) -> list[JudgedMeasurement]:
    """Blocks of a realtime stream: speed beside the original, and the 95th percentile."""
    judged = []
    for name, row in section["rows"].items():
        if name == "original":
            continue
        state = {"exact": row["exact"], "why": row["why"]}
        if name in section["faster"] and name in GOALS["live"]["faster"]:
            goal = GOALS["live"]["faster"][name]
            measurement = Measurement(
                f"realtime, {name}", Interval(**section["faster"][name]), "×", goal, at_least=True
            )
            judged.append(JudgedMeasurement(measurement, **state, **timing(section)))
        p95 = Measurement(f"realtime p95, {name}", Interval(**row["p95_by_turn"]), "ms", GOALS["live"]["p95_ms"])
        judged.append(JudgedMeasurement(p95, **state, **timing(section)))
    return judged


def stream(section: Section) -> list[JudgedMeasurement]:
    """The long stream: growth of memory, and lost samples."""
    lost = abs(section["promised_samples"] - section["samples"])
    rise = Interval(**section["mib_per_minute"])
    return [
        JudgedMeasurement(Measurement("stream's memory", rise, "MiB/min", GOALS["stream"]["mib_per_minute"])),
        JudgedMeasurement(Measurement("stream's samples lost", interval([lost]), "samples", 0)),
    ]


def loading(section: Section) -> list[JudgedMeasurement]:
    """Loading times and the speed of audio handling."""
    goals = GOALS["load"]
    judged = [
        JudgedMeasurement(Measurement(name, Interval(**value), "s", goals[name]))
        for name, value in section["seconds"].items()
        if name in goals
    ]
    judged.append(
        JudgedMeasurement(
            Measurement(
                "import over torch's", Interval(**section["import_over_torch"]), "×", goals["import_over_torch"]
            )
        )
    )
    judged.append(
        JudgedMeasurement(
            Measurement(
                "audio handling",
                Interval(**section["audio_times_real"]),
                "× real time",
                goals["audio_times_real"],
                at_least=True,
            )
        )
    )
    return judged


JUDGES: Mapping[str, Callable[[Section], list[JudgedMeasurement]]] = {
    "offline": conversions,
    "caps": caps,
    "choice": choice,
    "growth-ours": growth,
    "rivals": generators,
    "kinds": kinds,
    "live": realtime,
    "stream": stream,
    "load": loading,
}
