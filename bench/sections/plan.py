"""The sections of the benchmark by name, and the lengths and numbers of runs of each."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.checks import conversion_parity
from bench.judge.goals import BASE_KIND
from bench.measure import unit
from bench.measure.workload import Workload, speech
from bench.publish.provenance import original_of
from bench.sections import (
    backend_choice,
    conversions,
    exported,
    generators,
    instruction_caps,
    loading,
    memory_growth,
    realtime_blocks,
    stream_memory,
)

KINDS = (BASE_KIND, "v2-48k-f0", "v2-32k-f0", "v1-40k-f0", "v2-40k-nof0")
QUICK: dict[str, Any] = {
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
COMPLETE: dict[str, Any] = {
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
    """Lengths in seconds of audio and numbers of runs of each section.

    Attributes:
        original: name of the original to compare with.
        checkout: folder of the WebUI, if the original is one.
        precisions: precisions of rvc.
        threads: threads of each program.
        seconds: length of the section offline.
        rounds: runs of each program in the sections offline, caps, choice, rivals and exported.
        lengths: lengths of the sections growth-ours and growth-original.
        turns: turns of the section live.
        kinds: kinds of voices of the section kinds.
        generator: length of the section rivals.
        kind_seconds: length of the sections caps, choice, kinds, parity and exported.
        stream: length of the section stream.
        loads: rounds of the section load.
        earlier: sections of an earlier result, to whose runs more are added.
    """

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
    earlier: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, options: argparse.Namespace, earlier: Mapping[str, Any] | None = None) -> "Plan":
        """The plan of a command line. bfloat16 is left out where the processor emulates it."""
        precisions = [name for name in options.precision if name != "bfloat16" or unit.has_bfloat16()]
        sizes: dict[str, Any] = {**(QUICK if options.quick else COMPLETE)}
        sizes |= {
            "kinds": tuple(options.kinds or sizes["kinds"]),
            "rounds": options.rounds or sizes["rounds"],
            "lengths": tuple(options.lengths or sizes["lengths"]),
        }
        return cls(original_of(options), options.checkout, precisions, options.threads, **sizes, earlier=earlier or {})

    @property
    def fastest(self) -> str:
        """The precision of sections that are measured in only one: bfloat16 where it is measured, else float32."""
        return "bfloat16" if "bfloat16" in self.precisions else "float32"


def measure_conversions(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Complete conversions."""
    workload = Workload(speech(plan.seconds, scratch), plan.seconds, threads=plan.threads)
    return conversions.measure(
        workload, plan.precisions, plan.rounds, plan.original, plan.checkout, scratch, plan.earlier.get("offline")
    )


def measure_caps(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Conversions and live blocks under each cap on instructions, on shorter audio."""
    sound = speech(plan.kind_seconds, scratch)
    original = None if plan.original == "rvc-python" else plan.original

    def offline(variables: Mapping[str, str], precisions: list[str]) -> dict[str, Any]:
        workload = Workload(sound, plan.kind_seconds, threads=plan.threads, variables=variables)
        return conversions.measure(workload, precisions, plan.rounds, plan.original, plan.checkout, scratch)

    def live(variables: Mapping[str, str], precisions: list[str]) -> dict[str, Any]:
        return realtime_blocks.measure(
            precisions, plan.turns, original, plan.checkout, plan.threads, scratch, variables=variables
        )

    return instruction_caps.measure(plan.precisions, offline, live if original else None)


def measure_choice(plan: Plan, scratch: Path) -> dict[str, Any]:
    """The calibrated choice of backends beside every pinned one, on shorter audio."""
    workload = Workload(speech(plan.kind_seconds, scratch), plan.kind_seconds, threads=plan.threads)
    return backend_choice.measure(workload, plan.precisions, plan.rounds, plan.original, scratch)


def measure_parity(plan: Plan, scratch: Path) -> dict[str, Any]:
    """The verdict on the timed conversion, on shorter audio, since the trace of an original is large."""
    workload = Workload(speech(plan.kind_seconds, scratch), plan.kind_seconds, threads=plan.threads)
    return conversion_parity.measure(workload, plan.original, plan.checkout, scratch)


def measure_kinds(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Shorter conversions with other kinds of voices, and with BASE_KIND, which they are compared with."""
    sound = speech(plan.kind_seconds, scratch)
    precisions = [name for name in plan.precisions if name != "int8"]
    return {
        kind: conversions.measure(
            Workload(sound, plan.kind_seconds, kind, threads=plan.threads),
            precisions,
            2,
            plan.original,
            plan.checkout,
            scratch,
        )
        for kind in plan.kinds
    }


def measure_growth_of_rvc(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Memory of rvc at all lengths, in the first of the precisions."""
    precision = plan.precisions[0]
    return memory_growth.measure(
        f"ours, {precision}",
        plan.lengths,
        lambda workload: workload.rvc_command(scratch / "length.wav", "--precision", precision, profile=plan.original),
        BASE_KIND,
        plan.threads,
        scratch,
    )


def measure_growth_of_original(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Memory of the original, up to LONGEST_FOR_ORIGINAL."""
    lengths = [length for length in plan.lengths if length <= memory_growth.LONGEST_FOR_ORIGINAL]
    return memory_growth.measure(
        plan.original,
        lengths,
        lambda workload: workload.original_command(plan.original, plan.checkout),
        BASE_KIND,
        plan.threads,
        scratch,
    )


def measure_generators(plan: Plan, scratch: Path) -> dict[str, Any]:
    """The generator alone in all installed programs."""
    return generators.measure(BASE_KIND, plan.generator, plan.rounds, plan.threads, scratch)


def measure_realtime(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Realtime streams. rvc-python has none, so without a checkout rvc is measured alone."""
    original = None if plan.original == "rvc-python" else plan.original
    precisions = [name for name in plan.precisions if name != "int8"]
    return realtime_blocks.measure(precisions, plan.turns, original, plan.checkout, plan.threads, scratch)


def measure_exported(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Complete conversions with an exported voice."""
    workload = Workload(speech(plan.kind_seconds, scratch), plan.kind_seconds, threads=plan.threads)
    return exported.measure(workload, plan.rounds, plan.original, plan.checkout, scratch)


def measure_stream(plan: Plan, scratch: Path) -> dict[str, Any]:
    """A long stream."""
    return stream_memory.measure(plan.stream, plan.fastest, plan.threads, scratch)


def measure_loading(plan: Plan, scratch: Path) -> dict[str, Any]:
    """Loading and audio handling."""
    return loading.measure(plan.threads, plan.loads, scratch)


SECTIONS: Mapping[str, Callable[[Plan, Path], dict[str, Any]]] = {
    "parity": measure_parity,
    "offline": measure_conversions,
    "caps": measure_caps,
    "choice": measure_choice,
    "growth-ours": measure_growth_of_rvc,
    "growth-original": measure_growth_of_original,
    "rivals": measure_generators,
    "exported": measure_exported,
    "kinds": measure_kinds,
    "live": measure_realtime,
    "stream": measure_stream,
    "load": measure_loading,
}
