"""The data of the pitch and retrieval panels, and the chart of the error's spectrum."""

from typing import Any

import numpy as np

from parity import stages
from parity.goldens import time_axes
from parity.judge import metrics
from reports.data import measure, timeline
from reports.data.load import Evidence
from reports.data.pack import Numbers
from reports.panels import svg
from reports.panels.players import Sound

Json = dict[str, Any]
NEIGHBOURS = 8


def pitch(evidence: Evidence, numbers: Numbers) -> Json | None:
    """F0 of both sides in Hz (0 unvoiced) in the chain, cut to the shorter; None without F0.

    `f0.raw` is shown where the profile fills unvoiced frames, since `f0.hz` has no unvoiced frame left there.
    """
    ours = evidence.chained or evidence.isolated
    if evidence.meta.get("blocks"):
        return _live_pitch(evidence, numbers)
    name = next((name for name in ("f0.raw", "f0.hz") if name in evidence.golden and name in ours), None)
    if name is None:
        return None
    left, right = np.ravel(evidence.golden[name]), np.ravel(ours[name])
    count = min(len(left), len(right))
    return {
        "name": name,
        "start": timeline.start(name, evidence.meta, evidence.golden),
        "step": timeline.FRAME,
        "count": count,
        "original": numbers.add(left[:count]),
        "ours": numbers.add(right[:count]),
    }


def _live_pitch(evidence: Evidence, numbers: Numbers) -> Json | None:
    """The last frames of each block, one block after another: what is new in it."""
    ours = evidence.chained or evidence.isolated
    fresh = round(time_axes.block_seconds(evidence.meta) / timeline.FRAME)
    names = [f"rt.{n}.f0.hz" for n in range(int(evidence.meta["blocks"]))]
    if fresh < 1 or not names or not all(name in evidence.golden and name in ours for name in names):
        return None
    left = np.concatenate([np.ravel(evidence.golden[name])[-fresh:] for name in names])
    right = np.concatenate([np.ravel(ours[name])[-fresh:] for name in names])
    count = min(len(left), len(right))
    return {
        "name": "f0.hz",
        "start": 0.0,
        "step": timeline.FRAME,
        "count": count,
        "original": numbers.add(left[:count]),
        "ours": numbers.add(right[:count]),
    }


def retrieval(evidence: Evidence, numbers: Numbers) -> list[Json] | None:
    """Ids, distances and weights of the neighbours of each content frame on both sides, a piece per segment."""
    ours, pieces = evidence.chained or evidence.isolated, []
    for prefix in stages.prefixes_of(name for name in evidence.golden if ".retrieval." in name):
        names = {part: f"{prefix}retrieval.{part}" for part in ("ids", "distances", "weights")}
        if stages.scope_of(prefix) is stages.Scope.BLOCK or not all(
            name in evidence.golden and name in ours for name in names.values()
        ):
            continue
        sides = {part: (evidence.golden[name], ours[name]) for part, name in names.items()}
        if any(side.ndim != 2 or side.shape[1] != NEIGHBOURS for both in sides.values() for side in both):
            continue
        count = min(len(side) for both in sides.values() for side in both)
        pieces.append(
            {"start": timeline.start(names["ids"], evidence.meta, evidence.golden), "step": 0.02, "count": count}
            | {
                part: {
                    who: numbers.add(side[:count], "i4" if part == "ids" else "f4")
                    for who, side in zip(("original", "ours"), both, strict=True)
                }
                for part, both in sides.items()
            }
        )
    return pieces or None


def error_spectrum(sound: Sound) -> str:
    """An SVG of level over frequency: original, ours, and their difference."""
    if min(len(sound.original), len(sound.ours)) < 64:
        return ""
    curves = {
        who: measure.spectrum(samples, sound.rate)
        for who, samples in (("original", sound.original), ("ours", sound.ours), ("difference", sound.difference))
    }
    if metrics.rms(sound.difference) == 0:
        del curves["difference"]
    top = float(max(levels.max() for _, levels in curves.values()))
    low = float(max(top - 200, min(np.percentile(levels, 2) for _, levels in curves.values()) - 6))
    return svg.curves(
        {who: (hertz, np.maximum(levels, low)) for who, (hertz, levels) in curves.items()},
        "Hz",
        "dB below full scale",
        low,
        top + 4,
    )
