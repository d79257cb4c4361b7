"""Compare a proposal with the committed golden: each stage bit-identical, within the original's spread, or changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.goldens.store import Case

SPREAD = Path(__file__).parents[2] / "parity" / "data" / "spread.json"
MARGIN = 5.0  # factor on the measured spread, which comes from a few machines; the judge uses the same factor
UNMEASURED = {"float": 3e-5, "wave": 5e-5, "hz": 2e-6}  # relative RMS allowed for tensors without a measured spread
# Relative RMS allowed for tensors without a measured spread where F0 comes from a network, which moves the phase.
UNMEASURED_NETWORK = {"float": 3e-3, "wave": 5e-4, "hz": 2e-6}
# Int16 steps by which a PCM tensor may differ, without and with F0 from a network. They are choices, not measurements.
PCM_STEPS, PCM_STEPS_NETWORK = 8, 64
FLOOR = 5e-7  # least relative RMS allowed: about four steps of float32, the spread between two processors
IDENTICAL, WITHIN, CHANGED, NEW, GONE = "bit-identical", "within the original's own spread", "changed", "new", "gone"


@dataclass(frozen=True)
class Line:
    """The result of one stage: the state of its worst tensor, and a description of the difference."""

    stage: str
    state: str
    detail: str


def compare(old: Case | None, new: Mapping[str, Any], network: bool, allowed: Mapping[Any, float]) -> list[Line]:
    """Compare each stage of the new recording with the committed one, in the order of the conversion.

    Args:
        old: the committed golden, None if there is none.
        new: tensors by name.
        network: True if F0 comes from a network; its spread is larger.
        allowed: the result of `spread`.
    """
    if old is None:
        return [Line("all", NEW, f"{len(new)} tensors; nothing is committed under this name")]
    by_stage: dict[str, list[tuple[str, str]]] = {}
    for name in in_order({*new, *old}):
        stage = stages.stage_of(name)
        results = by_stage.setdefault(stage.name if stage else "input", [])
        results.append(_compare_tensor(name, old, new, network, allowed))
    order = [IDENTICAL, WITHIN, NEW, GONE, CHANGED]
    lines = []
    for stage_name, results in by_stage.items():
        worst = max((state for state, _ in results), key=order.index)
        lines.append(Line(stage_name, worst, next(detail for state, detail in results if state == worst)))
    return lines


def in_order(names: set[str]) -> list[str]:
    """Inputs first, then the order of the conversion."""
    order = stages.names(stages.prefixes_of(names))
    return sorted(name for name in names if stages.is_input(name)) + [name for name in order if name in names]


def _compare_tensor(name: str, old: Case, new: Mapping[str, Any], network: bool, allowed: Any) -> tuple[str, str]:
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
    local = stages.TensorName.parse(name).local
    if kind == "decision":
        limit, count = allowed.get((local, network, "unequal"), 0.0), int((gap != 0).sum())
        return (WITHIN if count <= limit else CHANGED), f"{name}: {count} of {gap.size} differ, spread allows {limit:g}"
    if kind == "pcm":
        limit = PCM_STEPS_NETWORK if network else PCM_STEPS
        return (WITHIN if np.abs(gap).max() <= limit else CHANGED), f"{name}: {int(np.abs(gap).max())} steps of {limit}"
    centered = before - before.mean() if kind == "wave" else before
    size = float(np.sqrt(np.mean(np.square(centered.astype(np.float64)))))
    relative = float(np.sqrt(np.mean(np.square(gap)))) / size if size else float("inf")
    unmeasured = (UNMEASURED_NETWORK if network else UNMEASURED).get(kind, 0.0)
    limit = allowed.get((local, network, "relative_rms"), allowed.get((local, None, "relative_rms"), unmeasured))
    limit = max(limit, FLOOR)
    return (WITHIN if relative <= limit else CHANGED), f"{name}: relative RMS {relative:.2g}, spread allows {limit:.2g}"


def spread(path: Path = SPREAD) -> dict[tuple[str, bool | None, str], float]:
    """Limits from parity/data/spread.json, chained: (tensor, F0 from a network, metric) to spread times `MARGIN`."""
    if not path.is_file():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    elsewhere = {row["name"] for row in document["variants"] if row["environment"].get("device", "cpu") != "cpu"}
    limits = {}
    for entry in document["entries"]:
        values = [value for name, value in entry["by_variant"].items() if name not in elsewhere]
        if values and entry["mode"] == "chained" and entry["metric"] in ("relative_rms", "unequal"):
            limits[entry["tensor"], entry["network_f0"], entry["metric"]] = MARGIN * max(values)
    return limits


def table(name: str, lines: list[Line]) -> str:
    """A text table: how many stages are bit-identical, and one row for each stage that is not."""
    same = sum(line.state == IDENTICAL for line in lines)
    rows = [f"{name}: {same} of {len(lines)} stages bit-identical"]
    rows += [f"  {line.stage:20} {line.state:34} {line.detail}" for line in lines if line.state != IDENTICAL]
    return "\n".join(rows)
