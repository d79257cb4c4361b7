"""The table of measured times in the user's cache folder, one file for each processor, set of libraries and threads.

The file is written beside its place and renamed, so that a reader never finds half of it. A file that cannot be read,
or that another machine wrote, counts as missing and is measured again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from rvc.cache import folder as cache_folder
from rvc.nn.kernels import amx
from rvc.nn.kernels.backends.kernel_registry import BACKENDS
from rvc.nn.kernels.backends.shape_class import ShapeClass

FORMAT = "rvc-kernels/2"
CAPS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", amx.SWITCH)
# A backend replaces that of the fixed order where it is faster by more than this factor, which is larger after a
# measurement of a few milliseconds than after a thorough one.
FASTER = {"quick": 1.1, "thorough": 1.03}


LENGTHS = (4.0, 40.0)  # seconds of sound for which `rvc doctor` states the choice, beside that of kept networks


@dataclass(frozen=True)
class Row:
    """The times of one class of shape.

    Attributes:
        usual: the backend of the fixed order.
        seconds: the best time of one frame by backend.
        packing: the best time of packing one weight by backend, in seconds.
        rate: frames that a layer of this class computes for one second of sound.
    """

    usual: str
    seconds: Mapping[str, float]
    packing: Mapping[str, float]
    rate: float

    def cost(self, name: str, length: float | None) -> float:
        """The seconds that a backend takes for one second of sound.

        Args:
            name: the backend.
            length: seconds of sound that a weight is packed for; None where packing costs nothing, because the network
                is kept.
        """
        return self.rate * self.seconds[name] + (self.packing[name] / length if length else 0.0)

    def chosen(self, factor: float, length: float | None = None) -> str:
        """The backend to take for `length` seconds: the usual one unless another is faster by more than `factor`."""
        costs = {name: self.cost(name, length) for name in self.seconds}
        best = min(costs, key=costs.__getitem__)
        return self.usual if costs[self.usual] <= factor * costs[best] else best


@dataclass(frozen=True)
class Table:
    """What was measured on one machine.

    Attributes:
        precisions: the precisions whose classes have been measured, with the detail: "quick" or "thorough".
        rows: class of shape → the measured times of its backends.
    """

    precisions: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[ShapeClass, Row] = field(default_factory=dict)

    def chosen(self, shape: ShapeClass, length: float | None = None) -> str | None:
        """The backend to take for a class of shape, None where it was not measured.

        Args:
            shape: the class.
            length: seconds of sound that a weight is packed for; None for a network that is kept.
        """
        row = self.rows.get(shape)
        factor = FASTER.get(self.precisions.get(shape.dtype, ""), max(FASTER.values()))
        return None if row is None else row.chosen(factor, length)

    def with_rows(self, precision: str, detail: str, rows: Mapping[ShapeClass, Row]) -> Table:
        """This table with the rows of one precision, which replace its earlier ones; the same table without rows."""
        if not rows:
            return self
        return Table({**self.precisions, precision: detail}, {**self.rows, **rows})

    def document(self) -> dict[str, Any]:
        """The table as JSON values; `chosen` is for kept networks, `chosen_for` by seconds of sound."""
        rows = {
            str(shape): {
                "usual": row.usual,
                "chosen": self.chosen(shape),
                "chosen_for": {f"{length:g}": self.chosen(shape, length) for length in LENGTHS},
                "rate": row.rate,
                "seconds": dict(row.seconds),
                "packing": dict(row.packing),
            }
            for shape, row in self.rows.items()
        }
        return {"format": FORMAT, "machine": machine(), "precisions": dict(self.precisions), "rows": rows}


def machine() -> dict[str, Any]:
    """What the times depend on: the processor, the libraries, the threads and the caps on instructions."""
    return {
        "processor": _processor(),
        "torch": torch.__version__,
        "libraries": hashlib.sha256(torch.__config__.show().encode()).hexdigest()[:16],
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "tiles": amx.available(),
        "caps": {name: os.environ[name] for name in CAPS if name in os.environ},
    }


@cache
def _processor() -> str:
    """The processor's model and a digest of its instructions, by /proc/cpuinfo where there is one."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in fields.items()}
    flags = hashlib.sha256(values.get("flags", "").encode()).hexdigest()[:8]
    return f"{values.get('model name', platform.machine())} ({flags})"


def path() -> Path:
    """The file of this machine's table."""
    digest = hashlib.sha256(json.dumps(machine(), sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder("kernels") / f"{digest}.json"


def load() -> Table:
    """This machine's table; an empty one where there is none, or where the file is damaged or of another machine."""
    try:
        fields = json.loads(path().read_text(encoding="utf-8"))
        if fields["format"] != FORMAT or fields["machine"] != machine():
            return Table()
        rows = {ShapeClass.parse(name): _row(row) for name, row in fields["rows"].items()}
        precisions = {str(name): str(detail) for name, detail in fields["precisions"].items()}
        return Table(precisions, rows) if set(precisions.values()) <= set(FASTER) else Table()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Table()


def _row(fields: Any) -> Row:
    """One row of the file.  Raises ValueError, LookupError or TypeError where it is damaged."""
    seconds, packing = (
        {str(name): float(value) for name, value in fields[part].items()} for part in ("seconds", "packing")
    )
    row = Row(str(fields["usual"]), seconds, packing, float(fields["rate"]))
    times = (*seconds.values(), row.rate, *(value + 1e-12 for value in packing.values()))  # packing may take no time
    known = set(seconds) <= set(BACKENDS) and row.usual in seconds and set(packing) == set(seconds)
    if not known or not all(0 < value < 1e6 for value in times):
        raise ValueError("a row of the table is damaged")
    return row


def save(table: Table) -> Path | None:
    """Write this machine's table; None where the cache folder cannot be written to, and then nothing is kept."""
    target = path()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, suffix=".part")
    except OSError:
        return None
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(table.document(), indent=1) + "\n")
        os.replace(part, target)
    except OSError:
        Path(part).unlink(missing_ok=True)
        return None
    return target
