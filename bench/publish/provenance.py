"""Machine and commit of a result, and the continuation of an earlier result."""

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


def original_of(options: argparse.Namespace) -> str:
    """The original to compare with: as named, else the WebUI where a checkout is named, else rvc-python."""
    return str(options.original or ("webui-2026" if options.checkout else "rvc-python"))


def machine(threads: int) -> dict[str, Any]:
    """Processor, machine unit and versions of libraries, as in `machine` of result.json."""
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


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def resume(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The result in `path` if it has the same machine, commit and original; else a new one.

    Args:
        path: result.json.
        options: the command line of `python -m bench`.
    """
    here = machine(options.threads)
    original = original_of(options)
    fresh: dict[str, Any] = {
        "format": "rvc-bench/1",
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": here,
        "original": original,
        "quick": options.quick,
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
