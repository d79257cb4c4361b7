"""`profiles`, `doctor` and `audio`: what there is to know before a conversion."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from dataclasses import asdict
from typing import Any

from rvc.cli import options
from rvc.f0 import registry
from rvc.profiles import PROFILES, Profile

NEEDED = ("numpy", "scipy", "torch", "soundfile", "soxr", "safetensors", "tqdm", "faiss-cpu", "librosa", "matplotlib")
EXTRAS = {  # optional packages that no F0 method needs: distribution → (extra, what it is for)
    "av": ("decoding", "the originals' own decoding and resampling, and formats such as m4a"),
    "sounddevice": ("live", "python -m rvc live"),
}


def extras() -> dict[str, tuple[str, str]]:
    """Every optional package: distribution → (extra, what it is for)."""
    methods: dict[str, list[registry.Method]] = {}
    for method in registry.METHODS.values():
        if method.package is not None:
            methods.setdefault(method.package.distribution, []).append(method)
    of_f0 = {}
    for distribution, users in methods.items():
        weights = f"{users[0].network.title}'s weights for " if users[0].network is not None else ""
        use = f"{weights}--f0-method {' and '.join(method.name for method in users)}"
        of_f0[distribution] = (users[0].extra or users[0].name, use)
    return of_f0 | EXTRAS


def profiles(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print the table of profiles."""
    if args.json:
        print(json.dumps({name: asdict(profile) for name, profile in PROFILES.items()}, indent=2))
        return 0
    rows = [("", *PROFILES)]
    rows += [(label, *(_cell(profile, field) for profile in PROFILES.values())) for label, field in PROFILE_ROWS]
    rows += [(f"  {m}", *("yes" if p.has(m) else "no original" for p in PROFILES.values())) for m in registry.METHODS]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()
    for profile in PROFILES.values():
        print(f"{profile.name}: {profile.original}")
    print("A method marked 'no original' runs as an announced extension; docs/divergences.md explains each choice.")
    return 0


PROFILE_ROWS = (
    ("unvoiced frames (D1)", "fill_unvoiced"),
    ("sine generator (D16)", "generation"),
    ("end of the decoded file (D15)", "flush_decoder"),
    ("F0 curve file", "f0_file"),
    ("default F0 method", "f0_method"),
    ("default index rate", "index_rate"),
    ("default protect", "protect"),
    ("default rms mix rate", "rms_mix_rate"),
    ("default filter radius", "filter_radius"),
    ("F0 methods", ""),
)
WORDS = {
    ("fill_unvoiced", True): "interpolated",
    ("fill_unvoiced", False): "kept at 0",
    ("flush_decoder", True): "complete",
    ("flush_decoder", False): "resampler's tail lost",
    ("f0_file", True): "yes",
    ("f0_file", False): "no original",
}


def _cell(profile: Profile, field: str) -> str:
    if not field:
        return ""
    value: Any = getattr(profile, field)
    return WORDS.get((field, value), str(value)) if isinstance(value, bool) else str(value)


def doctor(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print what is installed and what to do about what is not; 1 when something needed is missing."""
    found = [_package(name) for name in NEEDED]
    optional = [{**_package(name), "extra": extra, "for": use} for name, (extra, use) in extras().items()]
    device = _devices()
    missing = [row["package"] for row in found if row["version"] is None]
    if args.json:
        print(
            json.dumps({"python": platform.python_version(), "needed": found, "extras": optional, **device}, indent=2)
        )
        return 1 if missing else 0
    machine = f"{platform.system()} {platform.machine()}, processors: {os.cpu_count()}"
    print(f"Python {platform.python_version()} on {machine}")
    for row in found:
        print(f"  {row['package']:<18} {row['version'] or 'missing: pip install ' + str(row['package'])}")
    print("Optional")
    for row in optional:
        state = row["version"] or f"missing: in the project's folder, pip install '.[{row['extra']}]'"
        print(f"  {row['package']:<18} {state}; {row['for']}")
    told = f"bfloat16 in hardware: {device['bfloat16']}, matrix tiles: {device['tiles']}"
    print(f"Devices: {', '.join(device['devices'])} ({told})")
    print("Weights: HuBERT and rmvpe.pt are not part of the package; give their paths with --hubert and --rmvpe.")
    print("Everything needed is here." if not missing else f"Install {', '.join(map(str, missing))} first.")
    return 1 if missing else 0


def _package(name: str) -> dict[str, Any]:
    try:
        return {"package": name, "version": importlib.metadata.version(name)}
    except importlib.metadata.PackageNotFoundError:
        return {"package": name, "version": None}


def _devices() -> dict[str, Any]:
    if importlib.util.find_spec("torch") is None:
        return {"devices": [], "bfloat16": "unknown", "tiles": "unknown"}
    import torch

    from rvc.nn.kernels import amx

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return {"devices": devices, "bfloat16": "yes" if _bfloat16() else "no", "tiles": amx.state()}


def _bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def audio(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print what a file of sound holds."""
    from rvc.audio.tools import describe

    options.start(args)
    found = describe(args.file)
    if args.json:
        print(json.dumps({**asdict(found), "remarks": found.remarks()}, indent=2))
        return 0
    size = f"{found.samples} samples at {found.rate} Hz, channels: {found.channels}"
    print(f"{found.file}: {found.seconds:.3f} s, {size}")
    print(f"  peak {_level(found.peak)}, RMS {_level(found.rms)}, DC {found.dc:+.5f}, clipped samples {found.clipped}")
    print(f"  silent {found.silent:.0%} of the time, noise floor about {_level(found.noise_floor)}")
    for remark in found.remarks():
        print(f"  note: {remark}", file=sys.stdout)
    return 0


def _level(decibels: float | None) -> str:
    return "none" if decibels is None else f"{decibels:.1f} dBFS"
