"""The section caps: conversions and live blocks with the instructions of other processors, both sides capped alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.measure import unit


@dataclass(frozen=True)
class InstructionSet:
    """A cap on instructions, as torch, oneDNN and MKL read it from the environment.

    Attributes:
        name: the name in result.json.
        flags: the flags of /proc/cpuinfo that a processor with the set has; on other processors it is not measured.
        level: the value of ATEN_CPU_CAPABILITY.
        onednn: the value of ONEDNN_MAX_CPU_ISA.
        mkl: the value of MKL_ENABLE_INSTRUCTIONS.
        tiers: the precisions besides float32 that the set has instructions for.
    """

    name: str
    flags: frozenset[str]
    level: str
    onednn: str
    mkl: str
    tiers: tuple[str, ...] = ()

    def variables(self) -> dict[str, str]:
        """The environment variables of the cap; AMX is outside of every set."""
        return {
            "ATEN_CPU_CAPABILITY": self.level,
            "ONEDNN_MAX_CPU_ISA": self.onednn,
            "DNNL_MAX_CPU_ISA": self.onednn,
            "MKL_ENABLE_INSTRUCTIONS": self.mkl,
            "RVC_TILES": "0",
        }


SETS = (
    InstructionSet("AVX2", frozenset({"avx2", "fma"}), "avx2", "AVX2", "AVX2"),
    InstructionSet("AVX-512", frozenset({"avx512f", "avx512bw"}), "avx512", "AVX512_CORE", "AVX512"),
    InstructionSet(
        "AVX-512 with VNNI", frozenset({"avx512_vnni"}), "avx512", "AVX512_CORE_VNNI", "AVX512_E1", ("int8",)
    ),
    InstructionSet(
        "AVX-512 with bfloat16",
        frozenset({"avx512_bf16"}),
        "avx512",
        "AVX512_CORE_BF16",
        "AVX512_E1",
        ("int8", "bfloat16"),
    ),
)
Measure = Callable[[Mapping[str, str], list[str]], dict[str, Any]]


def measure(precisions: list[str], offline: Measure, live: Measure | None) -> dict[str, Any]:
    """Measure every set that this processor has.

    Args:
        precisions: of rvc, those to measure. One that a set has no instructions for is left out, except float32.
        offline: measures conversions with environment variables, in precisions.
        live: measures live blocks with environment variables, in precisions; None where the original has no stream.
    Returns:
        The section: `sets` with `offline`, `live` and the environment `variables` by name; `missing` with the reason.
    """
    flags = set(unit.facts().get("flags", "").split())
    sets: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for instructions in SETS:
        lacking = sorted(instructions.flags - flags)
        if lacking:
            missing[instructions.name] = f"not measured: this processor lacks {', '.join(lacking)}"
            continue
        tiers = [name for name in precisions if name == "float32" or name in instructions.tiers]
        part: dict[str, Any] = {"variables": instructions.variables()}
        part["offline"] = offline(instructions.variables(), tiers)
        if live is not None:
            part["live"] = live(instructions.variables(), [name for name in tiers if name != "int8"])
        sets[instructions.name] = part
    return {"sets": sets, "missing": missing}
