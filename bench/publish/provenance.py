"""What a result was measured on, and whether an older one may be continued."""

import argparse
import datetime
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from bench.measure import unit
from bench.measure.workload import ROOT

PRECISIONS = ("float32", "bfloat16", "int8")


def machine(threads: int) -> dict[str, Any]:
    """The processor, its unit, and the libraries."""
    second = unit.measure(threads)
    return {
        "processor": unit.facts().get("model name", platform.processor() or platform.machine()),
        "kind": unit.processor(),
        "bfloat16": unit.has_bfloat16(),
        "threads": threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "unit_ms": second * 1e3,
        "unit_gflops": unit.GFLOP / second,
    }


def commit() -> str:
    """The last commit of `rvc/`, with a + where files differ from it; "unknown" outside a repository."""
    try:
        head = _git("log", "-1", "--format=%h", "--", "rvc")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no", "rvc") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def resume(path: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The result so far where it is of this machine, commit and command line; else a new one."""
    here = machine(given.threads)
    original = given.original or ("webui-2026" if given.checkout else "rvc-python")
    fresh: dict[str, Any] = {
        "format": "rvc-bench/1",
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": here,
        "original": original,
        "quick": given.quick,
        "sections": {},
        "unit_ms": {},
        "not_measured": {},
    }
    if not path.exists():
        return fresh
    try:
        old: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = all(old[name] == fresh[name] for name in ("format", "commit", "original", "quick"))
        same = same and all(old["machine"][name] == here[name] for name in ("processor", "threads", "torch"))
    except (ValueError, KeyError, TypeError):
        return fresh
    return old if same else fresh
