"""python -m parity.mutants [--only TEXT] [--workers N] [--null N]: plant every fault, judge, print the kill matrix.

Writes out/mutants.json. Exit codes: 0 every fault was caught and nobody accused without one, 1 not so, 2 usage.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from parity import run as running
from parity import store, tolerance
from parity.errors import ParityError, UsageError
from parity.mutants import catalogue
from parity.mutants import trial as trials
from parity.mutants.fault import cost, fits
from parity.mutants.trial import Outcome

OUT = Path("out") / "mutants.json"
_worker: dict[str, Any] = {}


def assign(folders: Sequence[Path], only: str | None) -> tuple[dict[str, list[str]], list[str]]:
    """Case → names of the faults tried on it, each on the cheapest golden that has what it needs; and those without."""
    opened = (store.open_case(folder) for folder in folders)
    cases = sorted((case for case in opened if not case.facts.blocks), key=cost)  # the faults are offline ones
    plan: dict[str, list[str]] = {}
    without = []
    for fault in catalogue():
        if only and only not in fault.name and only != fault.stage:
            continue
        case = next((case for case in cases if fits(fault, case)), None)
        if case is None:
            without.append(fault.name)
        else:
            plan.setdefault(str(case.folder), []).append(fault.name)
    return plan, without


def _start() -> None:
    import torch

    from parity.candidates.rvc_torch import RvcTorch

    torch.set_num_threads(1)
    _worker.update(program=RvcTorch(), limits=tolerance.load(), cases={}, faults={f.name: f for f in catalogue()})


def _case(folder: str) -> store.Case:
    if folder not in _worker["cases"]:
        _worker["cases"] = {folder: store.open_case(folder).check()}
    case: store.Case = _worker["cases"][folder]
    return case


def _try(job: tuple[str, str]) -> Outcome:
    folder, name = job
    begin = time.monotonic()
    outcome = trials.run(_worker["faults"][name], _case(folder), _worker["program"], _worker["limits"])
    outcome.seconds = round(time.monotonic() - begin, 2)
    return outcome


def _innocent(job: tuple[str, int]) -> list[str]:
    """A run without a fault: other threads in every second one."""
    import torch

    folder, number = job
    torch.set_num_threads(1 + number % 2)
    try:
        return trials.accusations(_case(folder), _worker["program"], _worker["limits"])
    finally:
        torch.set_num_threads(1)


def work(plan: dict[str, list[str]], null: int, workers: int) -> Iterator[tuple[str, Any]]:
    """("fault", Outcome) for every fault and ("null", accused) for every run without one, as they are done."""
    jobs = [(folder, name) for folder, names in plan.items() for name in names]
    innocents = [(sorted(plan)[number % len(plan)], number // len(plan)) for number in range(null)] if plan else []
    innocents.sort()
    if workers <= 1:
        _start()
        yield from (("null", _innocent(job)) for job in innocents)
        yield from (("fault", _try(job)) for job in jobs)
        return
    import multiprocessing

    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start) as pool:
        yield from (("null", accused) for accused in pool.map(_innocent, innocents, chunksize=2))
        yield from (("fault", outcome) for outcome in pool.map(_try, jobs, chunksize=4))


def matrix(outcomes: Sequence[Outcome]) -> str:
    """One line for each fault: who it belongs to, how large it is, who was blamed, what was suggested."""
    head = ("fault", "stage", "times limit", "killed", "blamed", "cause")
    lines = [head]
    for o in outcomes:
        effect = "" if o.effect is None else f"{o.effect:.3g}"
        who = "yes" if o.blamed else ", ".join(o.accused) or "nobody"
        mark = "+" if o.right else "!" if o.wrong else " "
        lines.append((o.name, o.stage, effect, "yes" if o.killed else "NO", who, f"{mark} {o.cause}"))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m parity.mutants", description="Prove the judge by planted bugs.")
    parser.add_argument("--only", help="faults whose name contains this, or of this stage")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--null", type=int, default=100, help="runs without a fault, which have to accuse nobody")
    parser.add_argument("--goldens", type=Path, default=running.GOLDENS)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except ParityError as error:
        print(f"parity.mutants: {error}", file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    folders = store.cases(given.goldens)
    if not folders:
        raise UsageError(f"there is no case below {given.goldens}; is this the root of the repository?")
    begin = time.monotonic()
    plan, without = assign(folders, given.only)
    total = sum(map(len, plan.values())) + given.null
    outcomes: list[Outcome] = []
    accused: list[list[str]] = []
    for kind, result in tqdm(
        work(plan, given.null, given.workers),
        total=total,
        unit="run",
        desc="mutants",
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
    ):
        (outcomes if kind == "fault" else accused).append(result)
    order = [fault.name for fault in catalogue()]
    outcomes.sort(key=lambda outcome: order.index(outcome.name))
    found = trials.summary(outcomes) | {
        "null_runs": len(accused),
        "null_accusations": [names for names in accused if names],
        "untried": without,
        "seconds": round(time.monotonic() - begin, 1),
        "outcomes": [outcome.document() for outcome in outcomes],
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(matrix(outcomes))
    print(closing(found))
    good = not (found["survivors"] or found["null_accusations"] or found["untried"])
    return 0 if good else 1


def closing(found: dict[str, Any]) -> str:
    """The figures that matter."""
    count = max(found["mutants"], 1)

    def share(key: str) -> str:
        return f"{found[key]} ({100 * found[key] / count:.0f} %)"

    few = [f"{stage} {n}" for stage, n in found["fine_by_stage"].items() if n < 3]
    return "\n".join(
        [
            "",
            f"mutants {found['mutants']}, killed {share('killed')}, blamed on the right stage alone {share('blamed')}, "
            f"cause right {share('caused')}, wrong {share('miscaused')}",
            f"subtle (within 1000 times the limit) {share('subtle')}; fewer than three within 100: {listed(few)}",
            f"{found['null_runs']} runs without a fault accused somebody {len(found['null_accusations'])} times",
            f"survivors: {listed(found['survivors'])}",
            f"misblamed: {listed(found['misblamed'])}; wrong causes: {listed(found['wrong_causes'])}",
            f"idle checks: {listed(found['idle_checks'])}; no golden fits: {listed(found['untried'])}",
        ]
    )


def listed(names: Sequence[str]) -> str:
    """Names in a row, or "none"."""
    return ", ".join(names) or "none"


if __name__ == "__main__":
    sys.exit(main())
