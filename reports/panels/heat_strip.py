"""The rows of the heat strip: each tensor of the stage table over time, in both modes, as the judge saw it."""

import math
from typing import Any

import numpy as np

from parity import stages
from parity.goldens import time_axes
from parity.goldens.arrays import Array
from parity.judge.verdict_schema import MODES
from reports.data import cells, formatting, measure, timeline
from reports.data.load import Evidence
from reports.data.pack import Numbers

Json = dict[str, Any]


def build(case: Json, limits: list[Json], evidence: Evidence, numbers: Numbers) -> list[Json]:
    """One row per tensor (its segments side by side) in the order of the flow, as the page's script reads them."""
    grouped: dict[str, list[tuple[Json, Json]]] = {}
    for stage, cell in cells.of_case(case):
        grouped.setdefault(stages.TensorName.parse(cell["tensor"]).local, []).append((stage, cell))
    return [_row(local, pairs, limits, evidence, numbers) for local, pairs in grouped.items()]


def _row(local: str, pairs: list[tuple[Json, Json]], limits: list[Json], evidence: Evidence, numbers: Numbers) -> Json:
    blames = {stage["blame"] for stage, _ in pairs}
    name = pairs[0][1]["tensor"]
    made_by = stages.stage_of(name) if stages.is_known(name) else None
    modes = {mode: [cell for _, cell in pairs if cell["mode"] == mode] for mode in MODES}
    return {
        "name": local,
        "what": made_by.what if made_by else "",
        "origin": "origin" in blames,
        "blame": next(
            (blame for blame in ("origin", "amplifies", "knife-edge", "inherited", "clean") if blame in blames),
            "not tested",
        ),
        "modes": {
            mode: _mode(local, found, limits, evidence, numbers) if found else None for mode, found in modes.items()
        },
    }


def _mode(local: str, found: list[Json], limits: list[Json], evidence: Evidence, numbers: Numbers) -> Json | None:
    speaker = cells.loudest(found)
    if speaker is None or all(cell["state"] == "not tested" for cell in found):
        return None
    ratio = cells.worst_times(found)
    golden, ours = evidence.golden, evidence.ours(found[0]["mode"])
    pieces: list[Json] = []
    histograms: list[Json] = []
    for name in dict.fromkeys(cell["tensor"] for cell in found):
        if name not in golden or name not in ours or not stages.is_known(name):
            continue
        both = measure.common(name, golden[name], ours[name])
        if both is None:
            continue
        own = [cell for cell in found if cell["tensor"] == name]
        pieces.append(_piece(name, both, own, evidence, numbers))
        counted = measure.histogram(name, *both, _limit_of(own, "relative_rms"))
        histograms += [counted] if counted else []
    return {
        "state": speaker["state"],
        "mark": cells.mark(speaker["state"]),
        "ratio": ratio if ratio is None or math.isfinite(ratio) else None,
        "endless": ratio == math.inf,
        "sentence": speaker["sentence"] or _calm(local, speaker),
        "facts": _facts(local, found, limits),
        "word": _word(speaker, found, evidence),
        "pieces": pieces,
        "histogram": _sum(histograms),
    }


def _word(speaker: Json, found: list[Json], evidence: Evidence) -> str:
    """What stands in an empty line of the strip."""
    if speaker["state"] not in ("same", "close"):
        return str(speaker["state"])
    traced = any(cell["tensor"] in evidence.ours(cell["mode"]) for cell in found)
    return f"{speaker['state']}; has no time axis" if traced else f"{speaker['state']}; no trace to draw"


def _piece(name: str, both: tuple[Array, Array], own: list[Json], evidence: Evidence, numbers: Numbers) -> Json:
    begin = timeline.start(name, evidence.meta, evidence.golden)
    axis = time_axes.TimeAxis(time_axes.step(name, evidence.meta), begin)
    values, step = measure.over_time(name, *both, axis)
    if (
        stages.TensorName.parse(name).scope is stages.Scope.BLOCK
    ):  # a block's ring reaches into the past: one colour for the block
        values, step = np.array([np.max(values)], "f4"), time_axes.block_seconds(evidence.meta)
    ratios = _ratios(values, own)
    return {"start": begin, "step": step, "count": len(ratios), "values": numbers.add(ratios)}


def _ratios(values: Array, own: list[Json]) -> Array:
    """Errors of frames as multiples of their limits, float32 (T,).

    A frame is over 1 where the judge's limit of a frame is passed, or where the mean failed and the frame is above
    the limit of the mean. Below, the nearer of the two limits counts, so that the shade agrees with the number.
    """
    mean = next((cell for cell in own if cell["metric"] == "relative_rms" and cell["limit"]), None)
    frame = _limit_of(own, "worst_frame")
    with np.errstate(invalid="ignore"):
        found = values / frame if frame else np.where(values == 0, 0.0, np.inf if mean is None else 0.0)
        if mean is not None:
            of_mean = values / mean["limit"]
            passed = cells.mark(mean["state"]) == "good" and frame is not None
            found = np.maximum(found, np.minimum(of_mean, 1.0) if passed else of_mean)
    return np.where(np.isnan(values), np.nan, found).astype("f4")


def _limit_of(own: list[Json], metric: str) -> float | None:
    return next((cell["limit"] for cell in own if cell["metric"] == metric and cell["limit"] is not None), None)


def _calm(local: str, cell: Json) -> str:
    if cell["state"] == "same":
        return f"{local}: every element is bit for bit the original's."
    if cell["value"] is None:
        return f"{local}: {cell['state']}."
    return f"{local}: needs {formatting.short(cell['value'])}, allowed {formatting.short(cell['limit'])}."


def _facts(local: str, found: list[Json], limits: list[Json]) -> list[tuple[str, str]]:
    """Name and value of everything on the tolerance card: each metric with its limit, reason and derivation."""
    facts: list[tuple[str, str]] = []
    for metric in dict.fromkeys(cell["metric"] for cell in found):
        worst = cells.loudest(cell for cell in found if cell["metric"] == metric)
        if worst is None or worst["value"] is None:
            continue
        facts.append(
            (
                metric.replace("_", " "),
                f"needs {formatting.short(worst['value'])}, allowed {formatting.short(worst['limit'])}"
                f", {formatting.times(cells.times(worst))} the limit",
            )
        )
        if worst.get("times_spread") is not None:
            facts.append(
                ("against itself", f"{formatting.short(worst['times_spread'])} times the original's own spread")
            )
        card = cells.card(limits, local, worst)
        facts += _card_facts(card) if card else []
        facts += _worst_facts(worst)
    return facts


def _card_facts(card: Json) -> list[tuple[str, str]]:
    facts = [("because", card["because"])]
    if card.get("spread") is not None:
        margin = f", margin {formatting.short(card['margin'])}" if card.get("margin") is not None else ""
        facts.append(("original's spread", formatting.short(card["spread"]) + margin))
    if card.get("derivation"):
        facts.append(("derived from", formatting.flat(card["derivation"])))
    return facts


def _worst_facts(cell: Json) -> list[tuple[str, str]]:
    worst = cell.get("worst")
    if not worst:
        return []
    when = f" ({worst['time_s']:.3f} s)" if worst["time_s"] is not None else ""
    where = f" at {worst['index']}" if len(worst["index"]) > 1 else ""
    return [
        (
            "worst",
            f"frame {worst['frame']}{when}{where}: ours {formatting.short(worst['ours'], 6)}, "
            f"original {formatting.short(worst['golden'], 6)}",
        )
    ]


def _sum(histograms: list[Json]) -> Json | None:
    """The histogram of several segments together."""
    if not histograms:
        return None
    counts = np.sum([one["counts"] for one in histograms], axis=0).tolist()
    return histograms[0] | {
        "counts": counts,
        "zero": sum(one["zero"] for one in histograms),
        "total": sum(one["total"] for one in histograms),
    }
