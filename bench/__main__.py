"""Measure ours beside an original in one run, judge it against bench/goals.toml, and keep what was measured.

python -m bench [SECTION …] [--quick] [--checkout DIR] [--original …] [--precision …] [--threads 2] [--out out/bench]

Sections, all of them by default: parity, offline, growth-ours, growth-original, rivals, kinds, live, stream, load. What
OUT already holds of the same machine and commit stays beside what is measured anew. The original is rvc-python from the
registry, or with --checkout the WebUI (then realtime has its rival too).
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.measure import child, unit
from bench.publish import plot, provenance, table
from bench.sections.plan import KINDS, SECTIONS, Plan


def main(arguments: Sequence[str] | None = None) -> int:
    """0 nothing missed, 1 a goal is missed or what was timed is not exact, 2 usage."""
    given = parser().parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    target = given.out / "result.json"
    result = provenance.resume(target, given)
    plan = Plan.of(given, result["sections"] if given.more else None)
    with tempfile.TemporaryDirectory(prefix="rvc-bench-") as scratch:
        for name in tqdm(given.sections or SECTIONS, desc="bench", unit="section", disable=None):
            before = unit.measure(given.threads)
            try:
                part = SECTIONS[name](plan, Path(scratch))
            except child.ChildFailed as failed:
                result["not_measured"][name] = str(failed)
                continue
            earlier = result["sections"].get(name, {}) if name == "kinds" else {}
            result["sections"][name] = {**earlier, **part}
            result["unit_ms"][name] = [before * 1e3, unit.measure(given.threads) * 1e3]
            result["not_measured"].pop(name, None)
            keep(result, target)
    lines = table.judged(result)
    result["figures"] = [line.table() for line in lines]
    keep(result, target)
    plot.draw(result["sections"], given.out)
    text = table.whole(result, lines)
    (given.out / "result.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    missed = [line for line in lines if line.verdict in ("fail", "not counted")]
    return 1 if missed or result["not_measured"] else 0


def keep(result: dict[str, Any], target: Path) -> None:
    """Write the result so far: a bench that is stopped has not measured in vain."""
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    known = ", ".join(SECTIONS)
    made.add_argument("sections", nargs="*", choices=(*SECTIONS, []), metavar="SECTION", help=f"of {known}; else all")
    made.add_argument("--quick", action="store_true", help="shorter sounds, fewer rounds, wider intervals")
    made.add_argument("--original", choices=("rvc-python", "webui-2026", "webui-classic"))
    made.add_argument("--checkout", type=Path, help="of a WebUI; webui-2026 unless --original says")
    made.add_argument("--precision", nargs="+", default=["float32", "bfloat16", "int8"], choices=provenance.PRECISIONS)
    made.add_argument("--more", action="store_true", help="add to the runs of the section offline that OUT holds")
    made.add_argument("--rounds", type=int, help="of whole conversions, each between two of the original's")
    made.add_argument("--lengths", type=float, nargs="+", help="seconds of audio along which memory is followed")
    made.add_argument("--kinds", nargs="+", choices=KINDS, help="voices of the section kinds, beside those of OUT")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--out", type=Path, default=Path("out/bench"))
    return made


if __name__ == "__main__":
    sys.exit(main())
