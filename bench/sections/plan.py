"""The parts of the bench by name, and how long each is: a plan to plain values."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.checks import parity
from bench.measure import unit
from bench.measure.workload import Workload, speech
from bench.sections import growth, live, load, offline, rivals, stream

KINDS = ("v2-40k-f0", "v2-48k-f0", "v2-32k-f0", "v1-40k-f0", "v2-40k-nof0")
SOON = {
    "seconds": 8.0,
    "rounds": 2,
    "lengths": (5.0, 30.0, 45.0, 60.0),
    "turns": 4,
    "kinds": KINDS[:2],
    "generator": 5.0,
    "kind_seconds": 4.0,
    "stream": 60.0,
    "loads": 3,
}
WHOLE = {
    "seconds": 30.0,
    "rounds": 3,
    "lengths": (10.0, 30.0, 120.0, 600.0),
    "turns": 10,
    "kinds": KINDS,
    "generator": 8.0,
    "kind_seconds": 8.0,
    "stream": 600.0,
    "loads": 5,
}


@dataclass(frozen=True)
class Plan:
    """What is measured, how long and how often. Lengths are seconds of audio."""

    original: str
    checkout: Path | None
    precisions: list[str]
    threads: int
    seconds: float
    rounds: int
    lengths: tuple[float, ...]
    turns: int
    kinds: tuple[str, ...]
    generator: float
    kind_seconds: float
    stream: float
    loads: int
    earlier: Mapping[str, Any] = field(default_factory=dict)  # sections to whose runs more are added

    @classmethod
    def of(cls, given: argparse.Namespace, earlier: Mapping[str, Any] | None = None) -> "Plan":
        """From the command line; bfloat16 only where the processor multiplies it itself."""
        original = given.original or ("webui-2026" if given.checkout else "rvc-python")
        precisions = [name for name in given.precision if name != "bfloat16" or unit.has_bfloat16()]
        sizes: dict[str, Any] = {**(SOON if given.quick else WHOLE)}
        sizes |= {
            "kinds": tuple(given.kinds or sizes["kinds"]),
            "rounds": given.rounds or sizes["rounds"],
            "lengths": tuple(given.lengths or sizes["lengths"]),
        }
        return cls(original, given.checkout, precisions, given.threads, **sizes, earlier=earlier or {})

    @property
    def fastest(self) -> str:
        """bfloat16 where it is measured, else float32: for what does not depend on it, and takes long."""
        return "bfloat16" if "bfloat16" in self.precisions else "float32"


def measure_offline(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Ours and the original in turn on the main workload."""
    work = Workload(speech(plan.seconds, scratch), plan.seconds, threads=plan.threads)
    return offline.measure(
        work, plan.precisions, plan.rounds, plan.original, plan.checkout, scratch, plan.earlier.get("offline")
    )


def measure_parity(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Whether the conversion that is timed passes parity; on a shorter sound, since an original's trace is large."""
    work = Workload(speech(plan.kind_seconds, scratch), plan.kind_seconds, threads=plan.threads)
    return parity.measure(work, plan.original, plan.checkout, scratch)


def measure_kinds(plan: Plan, scratch: Path) -> dict[str, Any]:
    """The same, shorter, for other voices; v2-40k-f0 again, so that like is compared with like."""
    sound = speech(plan.kind_seconds, scratch)
    precisions = [name for name in plan.precisions if name != "int8"]
    return {
        kind: offline.measure(
            Workload(sound, plan.kind_seconds, kind, threads=plan.threads),
            precisions,
            2,
            plan.original,
            plan.checkout,
            scratch,
        )
        for kind in plan.kinds
    }


def growth_ours(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Ours, at all lengths, in the first precision asked for."""
    precision = plan.precisions[0]
    return growth.measure(
        f"ours, {precision}",
        plan.lengths,
        lambda work: work.ours(scratch / "length.wav", "--precision", precision, profile=plan.original),
        "v2-40k-f0",
        plan.threads,
        scratch,
    )


def growth_original(plan: Plan, scratch: Path) -> dict[str, Any]:
    """The original, as far as it can be waited for."""
    lengths = [length for length in plan.lengths if length <= growth.ORIGINAL_UP_TO]
    return growth.measure(
        plan.original,
        lengths,
        lambda work: work.original(plan.original, plan.checkout),
        "v2-40k-f0",
        plan.threads,
        scratch,
    )


def measure_rivals(plan: Plan, scratch: Path) -> dict[str, Any]:
    """The generator alone in every program that is installed."""
    return rivals.measure("v2-40k-f0", plan.generator, plan.rounds, plan.threads, scratch)


def measure_live(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Realtime; the registry's original has none, so without a checkout ours stands alone."""
    original = None if plan.original == "rvc-python" else plan.original
    precisions = [name for name in plan.precisions if name != "int8"]
    return live.measure(precisions, plan.turns, original, plan.checkout, plan.threads, scratch)


def measure_stream(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Ten minutes through the command line."""
    return stream.measure(plan.stream, plan.fastest, plan.threads, scratch)


def measure_load(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Loading and audio handling."""
    return load.measure(plan.threads, plan.loads, scratch)


SECTIONS: Mapping[str, Callable[[Plan, Path], dict[str, Any]]] = {
    "parity": measure_parity,
    "offline": measure_offline,
    "growth-ours": growth_ours,
    "growth-original": growth_original,
    "rivals": measure_rivals,
    "kinds": measure_kinds,
    "live": measure_live,
    "stream": measure_stream,
    "load": measure_load,
}
