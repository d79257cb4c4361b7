"""A result for a person: Markdown that reads in a terminal too."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.judge import figures
from bench.judge.figures import Line
from bench.judge.verdict import Interval


def judged(result: Mapping[str, Any]) -> list[Line]:
    """Every figure that has a goal."""
    return figures.all_lines(result["sections"])


def whole(result: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """What was measured on, the goals, and each section's own figures."""
    parts = [head(result), goals(lines)]
    for name, show in SHOWN.items():
        if name in result["sections"]:
            parts.append(show(result["sections"][name]))
    parts += [f"{name}: not measured: {why}" for name, why in result["not_measured"].items()]
    return "\n\n".join(parts)


def head(result: Mapping[str, Any]) -> str:
    """What was measured on, and beside what."""
    here = result["machine"]
    earlier = result.get("earlier", [])
    older = "".join(f"; {', '.join(one['sections'])}: commit {one['commit']}" for one in earlier if one["sections"])
    return (
        f"{here['processor']}, {here['threads']} threads, torch {here['torch']}; unit {here['unit_ms']:.1f} ms "
        f"({here['unit_gflops']:.0f} GFLOP/s); commit {result['commit']}; beside {result['original']}"
        f"{'; quick' if result['quick'] else ''}{older}"
    )


def goals(lines: Sequence[Line]) -> str:
    """One line for each goal."""
    rows = [("figure", "measured", "goal", "verdict", "exact?")]
    for line in lines:
        figure = line.figure
        bound = f"{'≥' if figure.at_least else '≤'} {figure.budget:.3g} {figure.unit}"
        rows.append((figure.what, f"{figure.value} {figure.unit}", bound, line.verdict, line.why))
    return markdown(rows)


def offline(found: Mapping[str, Any]) -> str:
    """Seconds per stage, ours and the original's."""
    rival = found["original"]
    rows = [(f"{found['kind']}, {found['seconds_of_audio']:g} s", rival["name"], *_names(found))]
    rows.append(("end to end, s", _text(rival["seconds"]), *(_text(row["seconds"]) for row in found["ours"])))
    for stage, value in rival["stages"].items():
        rows.append((f"{stage}, s", _text(value), *(_text(row["stages"][stage]) for row in found["ours"])))
    rows.append(("peak, MiB", _text(rival["peak_mib"]), *(_text(row["peak_mib"]) for row in found["ours"])))
    real = found["seconds_of_audio"]
    factors = [side["seconds"]["middle"] / real for side in (rival, *found["ours"])]
    rows.append(("real-time factor", *(f"{factor:.2f}" for factor in factors)))
    rows.append(("times faster", "1", *(_text(row["faster"]) for row in found["ours"])))
    return markdown(rows) + f"\n\nThe original beside itself differed by up to {found['noise']:.0%}."


def _names(found: Mapping[str, Any]) -> list[str]:
    return [row["precision"] for row in found["ours"]]


def growth(found: Mapping[str, Any]) -> str:
    """Peak memory and seconds by length."""
    rows = [(f"{found['who']}: seconds of audio", "peak, MiB", "seconds")]
    for length, peaks, seconds in found["points"]:
        rows.append((f"{length:g}", ", ".join(f"{peak:.0f}" for peak in peaks), ", ".join(f"{s:.1f}" for s in seconds)))
    return markdown(rows)


def rivals(found: Mapping[str, Any]) -> str:
    """The generator alone."""
    rows = [(f"generator, {found['seconds_of_audio']:g} s", "seconds", "peak, MiB", "dB from float32")]
    for name, row in found["rows"].items():
        rows.append((name, _text(row["seconds"]), f"{row['peak_mib']:.0f}", f"{row['snr_db']:.1f}"))
    return markdown([*rows, *((name, why, "", "") for name, why in found["missing"].items())])


def kinds(found: Mapping[str, Any]) -> str:
    """Ratios of other voices."""
    rows = [("times faster", *_names(next(iter(found.values()))), "original's noise")]
    for kind, part in found.items():
        rows.append((kind, *(_text(row["faster"]) for row in part["ours"]), f"{part['noise']:.0%}"))
    return markdown(rows)


def live(found: Mapping[str, Any]) -> str:
    """Blocks."""
    rows = [("realtime", "p50, ms", "p95", "p99", "missed", "times faster")]
    for name, row in found["rows"].items():
        took = row["block_ms"]
        ratio = _text(found["faster"][name]) if name in found["faster"] else ""
        missed = f"{row['missed_deadlines']} of {row['blocks']}"
        rows.append((name, f"{took['p50']:.0f}", f"{took['p95']:.0f}", f"{took['p99']:.0f}", missed, ratio))
    said = found["ready"]
    noise = f"; the original beside itself from turn to turn: {found['faster']['noise']:.0%}" if found["faster"] else ""
    latency = f"algorithmic latency {said['algorithmic_latency_seconds']:.2f} s, deadline {said['block_seconds']} s"
    return markdown(rows) + f"\n\n{latency}{noise}."


def stream(found: Mapping[str, Any]) -> str:
    """The long stream."""
    rise = Interval(**found["mib_per_minute"])
    return (
        f"A stream of {found['seconds']:g} s ({found['precision']}) took {found['wall_seconds']:.0f} s, gave "
        f"{found['samples']} samples of {found['promised_samples']} promised, and grew by {rise} MiB per minute."
    )


def load(found: Mapping[str, Any]) -> str:
    """Loading."""
    rows = [("loading", "seconds")]
    rows += [(name, _text(value)) for name, value in found["seconds"].items()]
    return markdown(rows)


def parity(found: Mapping[str, Any]) -> str:
    """Whether what is timed is right."""
    return f"Parity of what is timed ({found['seconds_of_audio']:g} s): {found['state']}, {found['sentence']}."


SHOWN = {
    "parity": parity,
    "offline": offline,
    "growth-ours": growth,
    "growth-original": growth,
    "rivals": rivals,
    "kinds": kinds,
    "live": live,
    "stream": stream,
    "load": load,
}


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned; the first row is its head."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    lines = [f"| {line} |" for line in lines]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _text(value: Mapping[str, float]) -> str:
    return str(Interval(**value))
