"""Measure rvc beside an original in one run and compare it with bench/goals.toml.

python -m bench [SECTION …] [--quick] [--checkout DIR] [--original …] [--precision …] [--threads 2] [--out out/bench]

Sections, by default all: parity, offline, caps, choice, growth-ours, growth-original, rivals, exported, kinds, live,
stream, load. Sections that OUT holds of the same machine and commit are kept where they are not measured again. The
original is rvc-python from the package registry, or with --checkout the WebUI, which also has a realtime stream to
compare with.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.judge import goals
from bench.judge.intervals import Outcome
from bench.measure import child, unit
from bench.publish import plot, provenance, table
from bench.sections.plan import KINDS, SECTIONS, Plan


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0; 1 where a goal is missed, a section failed or timed output is not exact; 2 for a usage error.
    """
    options = parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / "result.json"
    result = provenance.resume(target, options)
    plan = Plan.of(options, result["sections"] if options.more else None)
    with tempfile.TemporaryDirectory(prefix="rvc-bench-") as scratch:
        for name in tqdm(options.sections or SECTIONS, desc="bench", unit="section", disable=None):
            before = unit.measure(options.threads)
            try:
                section = SECTIONS[name](plan, Path(scratch))
            except child.ChildFailed as failed:
                result["not_measured"][name] = str(failed)
                continue
            earlier = result["sections"].get(name, {}) if name == "kinds" else {}
            result["sections"][name] = {**earlier, **section}
            result["unit_ms"][name] = [before * 1e3, unit.measure(options.threads) * 1e3]
            result["not_measured"].pop(name, None)
            save(result, target)
    judged = goals.judge_all(result["sections"])
    result["figures"] = [one.document() for one in judged]
    save(result, target)
    plot.draw(result["sections"], options.out)
    text = table.document(result, judged)
    (options.out / "result.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    missed = [one for one in judged if one.outcome in (Outcome.FAIL, Outcome.NOT_COUNTED)]
    return 1 if missed or result["not_measured"] else 0


def save(result: dict[str, Any], target: Path) -> None:
    """Write the result so far, so that an interrupted run keeps its measurements."""
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    known = ", ".join(SECTIONS)
    made.add_argument(
        "sections", nargs="*", choices=(*SECTIONS, []), metavar="SECTION", help=f"one or more of {known}; default: all"
    )
    made.add_argument("--quick", action="store_true", help="shorter audio, fewer rounds, wider intervals")
    made.add_argument(
        "--original", choices=("rvc-python", "webui-2026", "webui-classic"), help="program to compare with"
    )
    made.add_argument("--checkout", type=Path, help="folder of a WebUI; webui-2026 unless --original names another")
    made.add_argument("--precision", nargs="+", default=list(provenance.PRECISIONS), choices=provenance.PRECISIONS)
    made.add_argument("--more", action="store_true", help="add runs to those of the section offline in OUT")
    made.add_argument(
        "--rounds", type=int, help="runs of each precision in the section offline, each between two of the original"
    )
    made.add_argument(
        "--lengths", type=float, nargs="+", help="seconds of audio for the sections growth-ours and growth-original"
    )
    made.add_argument(
        "--kinds", nargs="+", choices=KINDS, help="voices of the section kinds, in addition to those in OUT"
    )
    made.add_argument("--threads", type=int, default=2, help="threads of each program")
    made.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the result")
    return made


if __name__ == "__main__":
    sys.exit(main())
