"""Time and memory against length as a picture."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any


def draw(sections: Mapping[str, Any], target: Path) -> None:
    """An SVG with two charts, peak memory and seconds over seconds of audio; nothing where nothing was measured."""
    parts = [sections[name] for name in ("growth-ours", "growth-original") if name in sections]
    if not parts:
        return
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "rvc-bench"
    from matplotlib import pyplot

    figure, charts = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for part, colour in zip(parts, ("#1b7f5c", "#b4553a"), strict=False):
        lengths = [length for length, *_ in part["points"]]
        for chart, place in zip(charts, (1, 2), strict=True):
            values = [median(point[place]) for point in part["points"]]
            chart.plot(lengths, values, "o-", color=colour, label=part["who"])
    for chart, title in zip(charts, ("peak memory, MiB", "seconds, whole process"), strict=True):
        chart.set(title=title, xlabel="seconds of audio", xscale="log", ylim=(0, None))
        chart.set_xticks(lengths_of(parts), [f"{length:g}" for length in lengths_of(parts)], minor=False)
        chart.minorticks_off()
        chart.grid(alpha=0.3)
        chart.legend()
    charts[1].set(yscale="log", ylim=(None, None))
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


def lengths_of(parts: list[Mapping[str, Any]]) -> list[float]:
    """Every length measured."""
    return sorted({length for part in parts for length, *_ in part["points"]})
