"""A result as Markdown tables, aligned for a terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.judge.goals import JudgedMeasurement, Section
from bench.judge.intervals import Interval


def document(result: Mapping[str, Any], judged: Sequence[JudgedMeasurement]) -> str:
    """The complete result: machine, goals, and the table of each section."""
    paragraphs = [head(result), goals(judged)]
    for name, section_table in SECTIONS.items():
        if name in result["sections"]:
            paragraphs.append(section_table(result["sections"][name]))
    paragraphs += [f"{name}: not measured: {why}" for name, why in result["not_measured"].items()]
    return "\n\n".join(paragraphs)


def program_name(who: str) -> str:
    """The name of a program as shown: result.json calls rvc "ours" (format rvc-bench/1)."""
    return "rvc" + who.removeprefix("ours") if who.startswith("ours") else who


def head(result: Mapping[str, Any]) -> str:
    """Machine, commit and original of a result, in one line."""
    here = result["machine"]
    earlier = result.get("earlier", [])  # sections that were measured at other commits
    older = "".join(f"; {', '.join(one['sections'])}: commit {one['commit']}" for one in earlier if one["sections"])
    return (
        f"{here['processor']}, {here['threads']} threads, torch {here['torch']}; unit {here['unit_ms']:.1f} ms "
        f"({here['unit_gflops']:.0f} GFLOP/s); commit {result['commit']}; beside {result['original']}"
        f"{'; quick' if result['quick'] else ''}{older}"
    )


def goals(judged: Sequence[JudgedMeasurement]) -> str:
    """One row for each goal."""
    rows = [("measurement", "measured", "goal", "verdict", "exact?")]
    for one in judged:
        measurement = one.measurement
        bound = f"{'≥' if measurement.at_least else '≤'} {measurement.budget:.3g} {measurement.unit}"
        rows.append((measurement.what, f"{measurement.value} {measurement.unit}", bound, one.outcome, one.reason()))
    return markdown(rows)


def conversions(section: Section) -> str:
    """Seconds per stage and peak memory of rvc and of the original."""
    original = section["original"]
    rows = [(f"{section['kind']}, {section['seconds_of_audio']:g} s", original["name"], *_names(section))]
    rows.append(("end to end, s", _text(original["seconds"]), *(_text(row["seconds"]) for row in section["ours"])))
    if "cpu_seconds" in original:
        cpu = [_text(side["cpu_seconds"]) for side in (original, *section["ours"])]
        rows.append(("processor seconds", *cpu))
    for stage, value in original["stages"].items():
        rows.append((f"{stage}, s", _text(value), *(_text(row["stages"][stage]) for row in section["ours"])))
    rows.append(("peak, MiB", _text(original["peak_mib"]), *(_text(row["peak_mib"]) for row in section["ours"])))
    real = section["seconds_of_audio"]
    factors = [side["seconds"]["middle"] / real for side in (original, *section["ours"])]
    rows.append(("real-time factor", *(f"{factor:.2f}" for factor in factors)))
    rows.append(("times faster", "1", *(_text(row["faster"]) for row in section["ours"])))
    if all("faster_cpu" in row for row in section["ours"]):
        rows.append(("times fewer processor seconds", "1", *(_text(row["faster_cpu"]) for row in section["ours"])))
    load = f" {other_load(section)}" if "other_load" in section else ""
    return markdown(rows) + f"\n\nRuns of the original differed by up to {section['noise']:.0%}.{load}"


def other_load(section: Section) -> str:
    """The load of other programs during the runs, in words."""
    return f"Other programs used up to {section['other_load']:.0%} of the processors."


def caps(section: Section) -> str:
    """How many times faster than the original under the same cap, by instruction set and tier."""
    rows = [("instruction set", "tier", "times faster", "times fewer processor seconds", "exact?")]
    for name, part in section["sets"].items():
        for row in part["offline"]["ours"]:
            cpu = _text(row["faster_cpu"]) if "faster_cpu" in row else ""
            rows.append((name, row["precision"], _text(row["faster"]), cpu, row["why"]))
        live = part.get("live", {"faster": {}})
        for precision, ratio in live["faster"].items():
            if precision != "noise":
                cpu = _text_of(live.get("faster_cpu", {}), precision)
                rows.append((name, f"a live block, {precision}", _text(ratio), cpu, live["rows"][precision]["why"]))
    return markdown([*rows, *((name, why, "", "", "") for name, why in section["missing"].items())])


def choice(section: Section) -> str:
    """The calibrated choice of backends and every pinned one."""
    rows = [("backends", "precision", "seconds", "processor seconds", "from the fixed order")]
    beside = []
    for precision, part in section["precisions"].items():
        for name, row in part["rows"].items():
            shown = "calibrated" if name == "measured" else name
            rows.append((shown, precision, _text(row["seconds"]), _text(row["cpu_seconds"]), row["why"]))
        ratios = f"{_text(part['slower'])}, of its processor seconds {_text(part['slower_cpu'])}"
        beside.append(f"Calibrated beside {part['best']} in {precision}: {ratios}. {other_load(part)}")
    rows += [("calibrated", precision, why, "", "") for precision, why in section["missing"].items()]
    beside.append(f"The calibration took {section['calibration_seconds']:.0f} s.")
    return markdown(rows) + "\n\n" + "\n".join(beside)


def _names(section: Section) -> list[str]:
    return [row["precision"] for row in section["ours"]]


def growth(section: Section) -> str:
    """Peak memory and seconds by length."""
    rows = [(f"{program_name(section['who'])}: seconds of audio", "peak, MiB", "seconds")]
    for length, peaks, seconds in section["points"]:
        rows.append((f"{length:g}", ", ".join(f"{peak:.0f}" for peak in peaks), ", ".join(f"{s:.1f}" for s in seconds)))
    return markdown(rows)


def generators(section: Section) -> str:
    """The generator alone."""
    length = f"generator, {section['seconds_of_audio']:g} s"
    rows = [(length, "seconds", "processor seconds", "peak, MiB", "dB from float32")]
    for name, row in section["rows"].items():
        peak, distance = f"{row['peak_mib']:.0f}", f"{row['snr_db']:.1f}"
        rows.append((program_name(name), _text(row["seconds"]), _text_of(row, "cpu_seconds"), peak, distance))
    text = markdown([*rows, *((name, why, "", "", "") for name, why in section["missing"].items())])
    return text + (f"\n\n{other_load(section)}" if "other_load" in section else "")


def exported(section: Section) -> str:
    """An exported voice in other runtimes, beside rvc and the original."""
    stages = list(section["original"]["stages"])
    head = (f"exported voice, {section['seconds_of_audio']:g} s", "seconds", "peak, MiB", *stages, "from rvc's float32")
    rows = [head]
    for row in [{**section["original"], "precision": program_name(section["original"]["name"])}, *section["ours"]]:
        own = [_text(row["stages"][stage]) for stage in stages]
        rows.append((row["precision"], _text(row["seconds"]), _text(row["peak_mib"]), *own, str(row.get("why", ""))))
    rows += [(name, why, *[""] * (len(head) - 2)) for name, why in section["missing"].items()]
    sizes = ", ".join(f"{size:.0f} MiB in {precision}" for precision, size in section["exported_mib"].items())
    return f"{markdown(rows)}\n\nThe exported folder with RMVPE and the index: {sizes}."


def kinds(section: Section) -> str:
    """How many times faster than the original, for other kinds of voices."""
    rows = [("times faster", *_names(next(iter(section.values()))), "original's noise")]
    for kind, part in section.items():
        rows.append((kind, *(_text(row["faster"]) for row in part["ours"]), f"{part['noise']:.0%}"))
    return markdown(rows)


def realtime(section: Section) -> str:
    """Percentiles of the time of a block, and missed deadlines."""
    head = ("realtime", "p50, ms", "p95", "p99", "missed", "times faster")
    rows = [(*head, "processor ms of a block", "times fewer processor seconds")]
    for name, row in section["rows"].items():
        took = row["block_ms"]
        ratio = _text(section["faster"][name]) if name in section["faster"] else ""
        missed = f"{row['missed_deadlines']} of {row['blocks']}"
        cpu = _text_of(row, "cpu_ms"), _text_of(section.get("faster_cpu", {}), name)
        rows.append((name, *(f"{took[part]:.0f}" for part in ("p50", "p95", "p99")), missed, ratio, *cpu))
    ready = section["ready"]
    noise = f"; turns of the original differed by up to {section['faster']['noise']:.0%}" if section["faster"] else ""
    latency = f"algorithmic latency {ready['algorithmic_latency_seconds']:.2f} s, deadline {ready['block_seconds']} s"
    return markdown(rows) + f"\n\n{latency}{noise}.{' ' + other_load(section) if 'other_load' in section else ''}"


def stream(section: Section) -> str:
    """The long stream."""
    rise = Interval(**section["mib_per_minute"])
    return (
        f"A stream of {section['seconds']:g} s ({section['precision']}) took {section['wall_seconds']:.0f} s, gave "
        f"{section['samples']} samples of {section['promised_samples']} expected, and grew by {rise} MiB per minute."
    )


def loading(section: Section) -> str:
    """Loading times."""
    rows = [("loading", "seconds")]
    rows += [(name, _text(value)) for name, value in section["seconds"].items()]
    return markdown(rows)


def parity(section: Section) -> str:
    """The verdict on the timed conversion."""
    seconds = section["seconds_of_audio"]
    return f"Parity of the timed conversion ({seconds:g} s): {section['state']}, {section['sentence']}."


SECTIONS: Mapping[str, Callable[[Section], str]] = {
    "parity": parity,
    "offline": conversions,
    "caps": caps,
    "choice": choice,
    "growth-ours": growth,
    "growth-original": growth,
    "rivals": generators,
    "exported": exported,
    "kinds": kinds,
    "live": realtime,
    "stream": stream,
    "load": loading,
}


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; the first row is its head."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    lines = [f"| {line} |" for line in lines]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _text(value: Mapping[str, float]) -> str:
    return str(Interval(**value))


def _text_of(row: Mapping[str, Any], name: str) -> str:
    """The interval of that name; empty in results that have none."""
    return _text(row[name]) if name in row else ""
