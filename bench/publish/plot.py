"""Charts of a result: time and memory against length, and the time of each stage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.publish.table import program_name

RVC_COLOR, ORIGINAL_COLOR = "#1b7f5c", "#b4553a"
STAGE_COLORS = {"synthesizer": "#1b7f5c", "features": "#d9a441", "f0": "#4a6fa5", "other": "#9a9a9a"}


def draw(sections: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write growth.svg and stages.svg into `folder`, each only if its sections were measured."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "rvc-bench"
    made = []
    lines = [sections[name] for name in ("growth-ours", "growth-original") if name in sections]
    if lines:
        made.append(growth(lines, folder / "growth.svg"))
    if "offline" in sections:
        made.append(stages(sections["offline"], folder / "stages.svg"))
    return made


def growth(lines: Sequence[Mapping[str, Any]], target: Path) -> Path:
    """Draw peak memory and time over seconds of audio, with one line per program."""
    from matplotlib import pyplot

    figure, charts = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for part in lines:
        lengths = [length for length, *_ in part["points"]]
        for chart, place in zip(charts, (1, 2), strict=True):
            values = [median(point[place]) for point in part["points"]]
            color = RVC_COLOR if part["who"].startswith("ours") else ORIGINAL_COLOR
            chart.plot(lengths, values, "o-", color=color, label=program_name(part["who"]))
    ticks = sorted({length for part in lines for length, *_ in part["points"]})
    for chart, title in zip(charts, ("peak memory, MiB", "seconds, complete process"), strict=True):
        chart.set(title=title, xlabel="seconds of audio", xscale="log")
        chart.set_xticks(ticks, [f"{length:g}" for length in ticks], minor=False)
        chart.minorticks_off()
        chart.grid(alpha=0.3)
        chart.legend()
    charts[0].set(ylim=(0, None))
    charts[1].set(yscale="log")
    return _saved(figure, target)


def stages(section: Mapping[str, Any], target: Path) -> Path:
    """Draw one bar per program: seconds by stage; the rest is start, import, loading and writing."""
    from matplotlib import pyplot

    sides = [(section["original"]["name"], section["original"]), *((row["precision"], row) for row in section["ours"])]
    figure, chart = pyplot.subplots(figsize=(9, 0.6 + 0.5 * len(sides)), layout="constrained")
    for place, (_, side) in enumerate(sides):
        parts = {stage: side["stages"][stage]["middle"] for stage in STAGE_COLORS if stage in side["stages"]}
        parts["other"] = max(side["seconds"]["middle"] - sum(parts.values()), 0.0)
        left = 0.0
        for stage, seconds in parts.items():
            chart.barh(place, seconds, left=left, color=STAGE_COLORS[stage], label=stage if place == 0 else None)
            left += seconds
        chart.text(left, place, f" {side['seconds']['middle']:.1f} s", va="center")
    chart.set_yticks(range(len(sides)), [name for name, _ in sides])
    chart.set(xlabel=f"seconds for {section['seconds_of_audio']:g} s of audio", xlim=(0, chart.get_xlim()[1] * 1.08))
    chart.invert_yaxis()
    chart.legend(ncols=4, loc="lower right")
    return _saved(figure, target)


def _saved(figure: Any, target: Path) -> Path:
    from matplotlib import pyplot

    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)
    return target
