"""Run `rvc profiles`, `rvc doctor` and `rvc audio`, which print information and convert nothing."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rvc.cli import options
from rvc.f0 import registry
from rvc.profiles import PROFILES, Profile

NEEDED = ("numpy", "scipy", "torch", "soundfile", "soxr", "safetensors", "tqdm", "faiss-cpu", "librosa", "matplotlib")


@dataclass(frozen=True)
class Extra:
    """An optional package: its name on PyPI, the extra that installs it, and what needs it."""

    package: str
    extra: str
    use: str


EXTRAS = (  # optional packages that no F0 method needs
    Extra("av", "decoding", "the originals' own decoding and resampling, and formats such as m4a"),
    Extra("sounddevice", "live", "rvc live"),
)
PROFILE_ROWS: tuple[tuple[str, Callable[[Profile], str]], ...] = (
    ("unvoiced frames (D1)", lambda profile: "interpolated" if profile.fill_unvoiced else "kept at 0"),
    ("sine generator (D16)", lambda profile: profile.generation),
    (
        "end of the decoded file (D15)",
        lambda profile: "complete" if profile.flush_decoder else "resampler's tail lost",
    ),
    ("F0 curve file", lambda profile: "yes" if profile.f0_file else "no original"),
    ("default F0 method", lambda profile: profile.f0_method),
    ("default index rate", lambda profile: str(profile.index_rate)),
    ("default protect", lambda profile: str(profile.protect)),
    ("default rms mix rate", lambda profile: str(profile.rms_mix_rate)),
    ("default filter radius", lambda profile: str(profile.filter_radius)),
    ("F0 methods", lambda profile: ""),
)


def optional_packages() -> list[Extra]:
    """The packages of the F0 methods, and `EXTRAS`."""
    users: dict[str, list[registry.Method]] = {}
    for method in registry.METHODS.values():
        if method.package is not None:
            users.setdefault(method.package.distribution, []).append(method)
    extras = []
    for distribution, methods in users.items():
        first = methods[0]
        weights = f"{first.network.title}'s weights for " if first.network is not None else ""
        use = f"{weights}--f0-method {' and '.join(method.name for method in methods)}"
        extras.append(Extra(distribution, first.extra or first.name, use))
    return [*extras, *EXTRAS]


def profiles(args: argparse.Namespace) -> int:
    """Print the table of profiles."""
    if args.json:
        print(json.dumps({name: asdict(profile) for name, profile in PROFILES.items()}, indent=2))
        return 0
    rows = [("", *PROFILES)]
    rows += [(label, *(cell(profile) for profile in PROFILES.values())) for label, cell in PROFILE_ROWS]
    rows += [(f"  {m}", *("yes" if p.has(m) else "no original" for p in PROFILES.values())) for m in registry.METHODS]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()
    for profile in PROFILES.values():
        print(f"{profile.name}: {profile.original}")
    print("A method marked 'no original' runs as an announced extension; docs/divergences.md explains each choice.")
    return 0


@dataclass(frozen=True)
class Package:
    """A package and its installed version, None when it is missing."""

    package: str
    version: str | None

    @classmethod
    def installed(cls, name: str) -> Package:
        """Look up the installed version of a package by its name on PyPI."""
        try:
            return cls(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            return cls(name, None)


@dataclass(frozen=True)
class Hardware:
    """Devices that torch can use, and what the processor multiplies in hardware."""

    devices: list[str]
    bfloat16: str
    tiles: str


def doctor(args: argparse.Namespace) -> int:
    """Print what is installed and how to install the rest.

    Returns:
        1 when a required package is missing, else 0.
    """
    options.start(args)
    needed = [Package.installed(name) for name in NEEDED]
    extras = [(extra, Package.installed(extra.package)) for extra in optional_packages()]
    hardware = inspect_hardware()
    missing = [row.package for row in needed if row.version is None]
    kernels = backend_table(args.calibrate) if "torch" not in missing else None
    if args.json:
        report = {
            "python": platform.python_version(),
            "needed": [asdict(row) for row in needed],
            "extras": [{**asdict(row), "extra": extra.extra, "for": extra.use} for extra, row in extras],
            **asdict(hardware),
            "backends": kernels,
        }
        print(json.dumps(report, indent=2))
        return 1 if missing else 0
    machine = f"{platform.system()} {platform.machine()}, processors: {os.cpu_count()}"
    print(f"Python {platform.python_version()} on {machine}")
    for row in needed:
        print(f"  {row.package:<18} {row.version or f'missing: pip install {row.package}'}")
    print("Optional")
    for extra, row in extras:
        state = row.version or f"missing: in the project's folder, pip install '.[{extra.extra}]'"
        print(f"  {row.package:<18} {state}; {extra.use}")
    arithmetic = f"bfloat16 in hardware: {hardware.bfloat16}, matrix tiles: {hardware.tiles}"
    print(f"Devices: {', '.join(hardware.devices)} ({arithmetic})")
    if kernels is not None:
        print_backends(kernels)
    print("Weights: HuBERT and rmvpe.pt are not part of the package; give their paths with --hubert and --rmvpe.")
    print("Everything needed is here." if not missing else f"Install {', '.join(missing)} first.")
    return 1 if missing else 0


def backend_table(calibrate: bool) -> dict[str, Any]:
    """The measured table of this machine as JSON values, measured thoroughly now where `calibrate` is set."""
    from rvc.nn import calibration  # imports torch; `rvc profiles` does not need it
    from rvc.nn.kernels.backends import measured_table

    table = calibration.calibrate(calibration.precisions_here()) if calibrate else measured_table.load()
    return {**table.document(), "file": str(measured_table.path())}


def print_backends(kernels: dict[str, Any]) -> None:
    """Print the measured choice: by class of shape the backend, and the times of all."""
    if not kernels["precisions"]:
        print("Backends: not measured yet; the first conversion measures for 0.3 s, rvc doctor --calibrate thoroughly")
        return
    measured = ", ".join(f"{name} ({detail})" for name, detail in kernels["precisions"].items())
    print(f"Backends: measured for {measured}, threads: {kernels['machine']['threads']}; {kernels['file']}")
    for shape, row in kernels["rows"].items():
        times = ", ".join(
            f"{name} {seconds * 1e6:.2f} (packing {row['packing'][name] * 1e3:.1f} ms)"
            for name, seconds in row["seconds"].items()
        )
        others = {name for name in row["chosen_for"].values() if name != row["chosen"]}
        short = "".join(f", {name} for {seconds} s" for seconds, name in row["chosen_for"].items() if name in others)
        print(f"  {shape:<42} {row['chosen'] + short:<9} µs per frame: {times}")


def inspect_hardware() -> Hardware:
    """The devices that torch sees; none when torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return Hardware([], "unknown", "unknown")
    import torch  # imported here because `rvc profiles` does not need it

    from rvc.nn.kernels import amx

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return Hardware(devices, "yes" if has_bfloat16() else "no", amx.state())


def has_bfloat16() -> bool:
    """Whether the processor has bfloat16 instructions, by /proc/cpuinfo; False where that file does not exist."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def audio(args: argparse.Namespace) -> int:
    """Print the length, levels and faults of a sound file.

    Raises:
        BadInput: the file does not exist or cannot be read as sound.
    """
    from rvc.audio.tools import describe  # imports NumPy; `rvc --help` does not need it

    options.start(args)
    facts = describe(args.file)
    if args.json:
        print(json.dumps({**asdict(facts), "remarks": facts.remarks()}, indent=2))
        return 0
    size = f"{facts.samples} samples at {facts.rate} Hz, channels: {facts.channels}"
    print(f"{facts.file}: {facts.seconds:.3f} s, {size}")
    print(f"  peak {_level(facts.peak)}, RMS {_level(facts.rms)}, DC {facts.dc:+.5f}, clipped samples {facts.clipped}")
    print(f"  silent {facts.silent:.0%} of the time, noise floor about {_level(facts.noise_floor)}")
    for remark in facts.remarks():
        print(f"  note: {remark}")
    return 0


def _level(decibels: float | None) -> str:
    return "none" if decibels is None else f"{decibels:.1f} dBFS"
