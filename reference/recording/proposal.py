"""What a proposal changes, in words: stage by stage bit-identical, within the original's own spread, or changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.goldens.store import Case

SPREAD = Path(__file__).parents[2] / "parity" / "data" / "spread.json"
MARGIN = 5.0  # the spread was sampled on a few machines; the same margin as the judge's
UNMEASURED = {"float": 3e-5, "wave": 5e-5, "hz": 2e-6}  # relative RMS
UNMEASURED_NETWORK = {"float": 3e-3, "wave": 5e-4, "hz": 2e-6}  # F0 from a network moves the source's phase
FLOOR = 5e-7  # four steps of float32: nothing is closer to itself on another processor
NETWORKS = ("rmvpe", "crepe", "crepe-tiny", "fcpe")
IDENTICAL, WITHIN, CHANGED, NEW, GONE = "bit-identical", "within the original's own spread", "changed", "new", "gone"


@dataclass(frozen=True)
class Line:
    """One stage: its worst tensor decides."""

    stage: str
    state: str
    said: str


def compare(old: Case | None, new: Mapping[str, Any], network: bool, allowed: Mapping[Any, float]) -> list[Line]:
    """Each stage of the new recording beside the committed one, in flow order."""
    if old is None:
        return [Line("all", NEW, f"{len(new)} tensors; nothing is committed under this name")]
    by_stage: dict[str, list[tuple[str, str]]] = {}
    for name in in_order({*new, *old}):
        stage = stages.stage_of(name)
        found = by_stage.setdefault(stage.name if stage else "given", [])
        found.append(_tensor(name, old, new, network, allowed))
    order = [IDENTICAL, WITHIN, NEW, GONE, CHANGED]
    lines = []
    for stage_name, found in by_stage.items():
        state = max((state for state, _ in found), key=order.index)
        lines.append(Line(stage_name, state, next(said for one, said in found if one == state)))
    return lines


def in_order(names: set[str]) -> list[str]:
    """What is given first, then the flow's order."""
    flow = stages.names(stages.prefixes_of(names))
    return sorted(name for name in names if stages.stage_of(name) is None) + [name for name in flow if name in names]


def _tensor(name: str, old: Case, new: Mapping[str, Any], network: bool, allowed: Any) -> tuple[str, str]:
    if name not in old:
        return NEW, f"{name} is not in the committed golden"
    if name not in new:
        return GONE, f"{name} is in the committed golden, but was not recorded"
    before, after = old[name], new[name]
    if before.dtype != after.dtype or before.shape != after.shape:
        form = f"{before.dtype}{list(before.shape)} became {after.dtype}{list(after.shape)}"
        return CHANGED, f"{name}: {form}"
    if before.tobytes() == after.tobytes():
        return IDENTICAL, ""
    kind = stages.tensor(name).kind
    gap = after.astype(np.float64) - before.astype(np.float64)
    local = stages.split(name)[1]
    if kind == "decision":
        limit, count = allowed.get((local, network, "unequal"), 0.0), int((gap != 0).sum())
        return (WITHIN if count <= limit else CHANGED), f"{name}: {count} of {gap.size} differ, spread allows {limit:g}"
    if kind == "pcm":
        limit = 64 if network else 8
        return (WITHIN if np.abs(gap).max() <= limit else CHANGED), f"{name}: {int(np.abs(gap).max())} steps of {limit}"
    centred = before - before.mean() if kind == "wave" else before
    size = float(np.sqrt(np.mean(np.square(centred.astype(np.float64)))))
    relative = float(np.sqrt(np.mean(np.square(gap)))) / size if size else float("inf")
    typed = (UNMEASURED_NETWORK if network else UNMEASURED).get(kind, 0.0)
    limit = allowed.get((local, network, "relative_rms"), allowed.get((local, None, "relative_rms"), typed))
    limit = max(limit, FLOOR)
    return (WITHIN if relative <= limit else CHANGED), f"{name}: relative RMS {relative:.2g}, spread allows {limit:.2g}"


def spread(path: Path = SPREAD) -> dict[tuple[str, bool | None, str], float]:
    """How far the original is from itself, chained, times the margin: (tensor, F0 from a network, metric) → limit."""
    if not path.is_file():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
    return {
        (entry["tensor"], entry["network_f0"], entry["metric"]): MARGIN * max(entry["by_variant"].values())
        for entry in entries
        if entry["mode"] == "chained" and entry["metric"] in ("relative_rms", "unequal")
    }


def table(name: str, lines: list[Line]) -> str:
    """For a person to read: one row for each stage that is not bit-identical, and how many are."""
    same = sum(line.state == IDENTICAL for line in lines)
    rows = [f"{name}: {same} of {len(lines)} stages bit-identical"]
    rows += [f"  {line.stage:20} {line.state:34} {line.said}" for line in lines if line.state != IDENTICAL]
    return "\n".join(rows)
