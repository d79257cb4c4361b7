"""The lines of the heat strip: the error of each tensor over time as a multiple of its limit, in both modes."""

import math
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add

import numpy as np

from parity import stages
from parity.goldens import time_axes
from parity.goldens.arrays import Array
from parity.judge.verdict_schema import MODES
from reports.data import cells, formatting, measure, states, timeline
from reports.data.load import Evidence, Json
from reports.data.pack import ArrayBlock, ArrayReference
from reports.data.states import Mark
from reports.panels import levels
from reports.panels.levels import LevelPiece


@dataclass(frozen=True)
class Piece:
    """The errors of one tensor over time: `values` holds `count` multiples of the limit, `step` seconds apart."""

    start: float
    step: float
    count: int
    values: ArrayReference


@dataclass(frozen=True)
class ModeLine:
    """One line of the strip in one mode, as heat.js and details.js read it.

    Attributes:
        state: the most severe state of the line's cells.
        mark: how the state looks.
        symbol: the character in front of the line's name.
        label: the state in words.
        ratio: the greatest multiple of a limit; None where no cell has numbers or the multiple is infinite.
        infinite: whether something differs where nothing may differ.
        sentence: the judge's sentence, or the numbers of the most severe cell.
        facts: name and value of everything on the tolerance card.
        note: what stands in a line without pieces.
        pieces: one for each segment or block with both arrays.
        histogram: relative errors of all pieces.
        levels: the values over time, one piece for each of `pieces`.
    """

    state: str
    mark: Mark
    symbol: str
    label: str
    ratio: float | None
    infinite: bool
    sentence: str
    facts: list[tuple[str, str]]
    note: str
    pieces: list[Piece]
    histogram: measure.Histogram | None
    levels: list[LevelPiece]


@dataclass(frozen=True)
class StripLine:
    """One tensor, over all its segments or blocks; a mode is None where none of its cells was tested."""

    name: str
    what: str
    origin: bool
    blame: str
    modes: dict[str, ModeLine | None]

    def document(self) -> Json:
        """Plain values for the page's script."""
        return asdict(self)


def build(case: Json, limits: list[Json], evidence: Evidence, arrays: ArrayBlock) -> list[StripLine]:
    """One line per tensor in the order of the flow.

    Args:
        case: a case of verdict.json.
        limits: the limits of verdict.json.
        evidence: goldens and traces; lines without them have no pieces.
        arrays: receives the multiples of the limits.
    """
    grouped: dict[str, list[tuple[Json, Json]]] = {}
    for stage, cell in cells.of_case(case):
        grouped.setdefault(stages.TensorName.parse(cell["tensor"]).local, []).append((stage, cell))
    return [_line(local, pairs, limits, evidence, arrays) for local, pairs in grouped.items()]


def _line(
    local: str, pairs: list[tuple[Json, Json]], limits: list[Json], evidence: Evidence, arrays: ArrayBlock
) -> StripLine:
    blames = {stage["blame"] for stage, _ in pairs}
    name = pairs[0][1]["tensor"]
    stage = stages.stage_of(name) if stages.is_known(name) else None
    by_mode = {mode: [cell for _, cell in pairs if cell["mode"] == mode] for mode in MODES}
    return StripLine(
        name=local,
        what=stage.what if stage else "",
        origin="origin" in blames,
        blame=next((blame for blame in states.BLAME_ORDER if blame in blames), states.NOT_TESTED),
        modes={mode: _mode(local, own, limits, evidence, arrays) for mode, own in by_mode.items()},
    )


def _mode(local: str, own: list[Json], limits: list[Json], evidence: Evidence, arrays: ArrayBlock) -> ModeLine | None:
    worst = cells.most_severe(own)
    if worst is None or all(cell["state"] == states.NOT_TESTED for cell in own):
        return None
    ratio = cells.worst_multiple(own)
    golden, candidate = evidence.golden, evidence.candidate(own[0]["mode"])
    pieces: list[Piece] = []
    histograms: list[measure.Histogram] = []
    level_pieces: list[LevelPiece] = []
    for name in dict.fromkeys(cell["tensor"] for cell in own):
        if name not in golden or name not in candidate or not stages.is_known(name):
            continue
        both = measure.overlap(name, golden[name], candidate[name])
        if both is None:
            continue
        of_tensor = [cell for cell in own if cell["tensor"] == name]
        pieces.append(_piece(name, both, of_tensor, evidence, arrays))
        histogram = measure.histogram(name, *both, _limit_of(of_tensor, "relative_rms"))
        histograms += [histogram] if histogram else []
        level_piece = levels.piece(name, *both, evidence, arrays)
        level_pieces += [level_piece] if level_piece else []
    rendering = states.CELLS[worst["state"]]
    return ModeLine(
        state=worst["state"],
        mark=rendering.mark,
        symbol=rendering.symbol,
        label=rendering.label,
        ratio=ratio if ratio is None or math.isfinite(ratio) else None,
        infinite=ratio == math.inf,
        sentence=worst["sentence"] or _sentence(local, worst),
        facts=_facts(local, own, limits),
        note=_note(worst, own, evidence),
        pieces=pieces,
        histogram=reduce(add, histograms) if histograms else None,
        levels=level_pieces,
    )


def _note(worst: Json, own: list[Json], evidence: Evidence) -> str:
    """What stands in a line of the strip that has no pieces."""
    if worst["state"] not in ("same", "close"):
        return str(worst["state"])
    traced = any(cell["tensor"] in evidence.candidate(cell["mode"]) for cell in own)
    return f"{worst['state']}; has no time axis" if traced else f"{worst['state']}; no trace to draw"


def _piece(name: str, both: tuple[Array, Array], own: list[Json], evidence: Evidence, arrays: ArrayBlock) -> Piece:
    begin = timeline.start(name, evidence.meta, evidence.golden)
    axis = time_axes.TimeAxis(time_axes.step(name, evidence.meta), begin)
    values, step = measure.error_over_time(name, *both, axis)
    if stages.TensorName.parse(name).scope is stages.Scope.BLOCK:
        # the tensors of consecutive blocks overlap, so each block is shown in one color
        values, step = np.array([np.max(values)], "f4"), time_axes.block_seconds(evidence.meta)
    ratios = _ratios(values, own)
    return Piece(begin, step, len(ratios), arrays.add(ratios))


def _ratios(values: Array, own: list[Json]) -> Array:
    """Errors of frames as multiples of their limits, float32 (frames,).

    A frame is above 1 where it exceeds the judge's limit for a frame, or where the mean failed and the frame exceeds
    the limit of the mean. Below 1 the nearer of the two limits counts, so that the color agrees with the number.
    """
    mean = next((cell for cell in own if cell["metric"] == "relative_rms" and cell["limit"]), None)
    frame = _limit_of(own, "worst_frame")
    with np.errstate(invalid="ignore"):
        ratios = values / frame if frame else np.where(values == 0, 0.0, np.inf if mean is None else 0.0)
        if mean is not None:
            of_mean = values / mean["limit"]
            passed = cells.mark(mean["state"]) == Mark.GOOD and frame is not None
            ratios = np.maximum(ratios, np.minimum(of_mean, 1.0) if passed else of_mean)
    return np.where(np.isnan(values), np.nan, ratios).astype("f4")


def _limit_of(own: list[Json], metric: str) -> float | None:
    return next((cell["limit"] for cell in own if cell["metric"] == metric and cell["limit"] is not None), None)


def _sentence(local: str, cell: Json) -> str:
    if cell["state"] == "same":
        return f"{local}: every element is bit for bit the original's."
    if cell["value"] is None:
        return f"{local}: {cell['state']}."
    return f"{local}: needs {formatting.number(cell['value'])}, allowed {formatting.number(cell['limit'])}."


def _facts(local: str, own: list[Json], limits: list[Json]) -> list[tuple[str, str]]:
    """Name and value of everything on the tolerance card: each metric with its limit, reason and derivation."""
    facts: list[tuple[str, str]] = []
    for metric in dict.fromkeys(cell["metric"] for cell in own):
        worst = cells.most_severe(cell for cell in own if cell["metric"] == metric)
        if worst is None or worst["value"] is None:
            continue
        value, limit = formatting.number(worst["value"]), formatting.number(worst["limit"])
        multiple = formatting.multiple(cells.limit_multiple(worst))
        facts.append((metric.replace("_", " "), f"needs {value}, allowed {limit}, {multiple} the limit"))
        card = cells.tolerance_card(limits, local, worst)
        facts += _card_facts(card) if card else []
        facts += _worst_facts(worst)
    return facts


def _card_facts(card: Json) -> list[tuple[str, str]]:
    facts = [("because", card["because"])]
    if card.get("spread") is not None:
        margin = f", margin {formatting.number(card['margin'])}" if card.get("margin") is not None else ""
        facts.append(("original's spread", formatting.number(card["spread"]) + margin))
    if card.get("derivation"):
        facts.append(("derived from", formatting.one_line(card["derivation"])))
    return facts


def _worst_facts(cell: Json) -> list[tuple[str, str]]:
    worst = cell.get("worst")
    if not worst:
        return []
    when = f" ({worst['time_s']:.3f} s)" if worst["time_s"] is not None else ""
    where = f" at {worst['index']}" if len(worst["index"]) > 1 else ""
    values = f"candidate {formatting.number(worst['ours'], 6)}, original {formatting.number(worst['golden'], 6)}"
    return [("worst", f"frame {worst['frame']}{when}{where}: {values}")]
