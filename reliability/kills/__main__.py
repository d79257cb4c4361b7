"""`nox -s kills`: kill commands at random moments; every output must be whole or absent, and a second run finishes.

Exit code 0: nothing was lost. 1: a file was half-written, or a command did not finish after the kills.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from parity.goldens import fresh_folder
from reliability.fuzz.targets.judge_files import ROOT
from reliability.kills.tasks import TASKS, Task, command, is_whole

EARLIEST = 0.3  # share of a command's duration before which it only imports libraries, so that a kill shows nothing
LATEST = 1.15  # share of the last complete run's duration at which the latest kill is; runs differ in length
MOST_TRIES = 3  # runs for each kill; a run that ends before its kill is followed by another one
LONGEST = 600.0  # seconds that a command may run
TEMPORARY = (".part", ".new", ".old")  # endings of files and folders that are renamed when they are complete
FAILED = (0, 1, 4)  # exit codes of complete runs: the judge's differs and partial are results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all tasks."""
    parser = argparse.ArgumentParser(prog="nox -s kills --", description="Kill commands at random moments.")
    parser.add_argument("--kills", type=int, default=200, help="number of kills of all tasks together (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default 0)")
    parser.add_argument("--task", default="", metavar="TEXT", help="only tasks whose names contain TEXT")
    parser.add_argument("--figures", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    tasks = [task for task in TASKS if options.task in task.name]
    if not tasks:
        print(
            f"no task has {options.task!r} in its name; they are {', '.join(task.name for task in TASKS)}",
            file=sys.stderr,
        )
        return 2
    choices = random.Random(options.seed)
    rows = []
    for place, task in enumerate(tasks):
        kills = options.kills // len(tasks) + (place < options.kills % len(tasks))
        rows.append(run(task, kills, choices))
        print("{task:<18} {kills:>4} kills, {ended_before} ended before; {problems}".format(**rows[-1]), flush=True)
    if options.figures:
        options.figures.write_text(json.dumps({"seed": options.seed, "tasks": rows}, indent=1) + "\n", encoding="utf-8")
    return int(any(row["problems"] for row in rows))


def run(task: Task, kills: int, choices: random.Random) -> dict[str, object]:
    """Kill one command several times in one folder, then let it finish.

    Args:
        task: the command.
        kills: how many times it is killed while it runs.
        choices: chooses the moments.
    Returns:
        `task`, `kills`, `ended_before` (further runs, which had ended when they were to be killed), `problems`.
    """
    with tempfile.TemporaryDirectory(prefix="rvc-kills-") as name:
        right, work = Path(name) / "right", Path(name) / "work"
        for folder in (right, work):
            folder.mkdir()
            task.prepare(folder)
        begin = time.monotonic()
        problems = _finish(task, right)
        duration = time.monotonic() - begin
        expected = _contents(task, right)
        if not expected:
            problems.append(f"{task.name} writes none of {task.outputs}")
        before, met, ended = _contents(task, work), 0, 0
        while met < kills and met + ended < MOST_TRIES * kills:
            task.renew(work)
            took = _kill(task, work, duration * choices.uniform(EARLIEST, LATEST))
            if took is None:
                met += 1
            else:
                ended, duration = ended + 1, took
            problems += [text for text in _damaged(task, work, expected, before) if text not in problems]
        task.renew(work)
        problems += _finish(task, work)
        after = _contents(task, work)
        if met < kills:
            problems.append(f"only {met} of {kills} kills met a running command")
        if after.keys() != expected.keys() or (not task.varying and after != expected):
            problems.append("a run after the kills does not give the result of one that was not killed")
        problems += [f"{path.relative_to(work)} is left" for path in work.rglob(".*") if _is_temporary(path)]
    return {"task": task.name, "kills": met, "ended_before": ended, "problems": problems}


def _kill(task: Task, folder: Path, seconds: float) -> float | None:
    """Start a command and kill it and its children; returns the seconds that it ran where it ended before."""
    begin = time.monotonic()
    with _start(task, folder) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None
    return time.monotonic() - begin


def _finish(task: Task, folder: Path) -> list[str]:
    """Run a command to its end; returns what went wrong."""
    with _start(task, folder) as process:
        try:
            _, printed = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return [f"{task.name} does not end"]
    if process.returncode in (FAILED if task.varying else (0,)):
        return []
    return [f"{task.name} ends with {process.returncode}: {printed.decode(errors='replace').strip()[-300:]}"]


def _start(task: Task, folder: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RVC_CACHE": str(folder / "cache"),
    }
    return subprocess.Popen(
        command(task),
        cwd=folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _contents(task: Task, folder: Path) -> dict[str, bytes]:
    """The outputs by name; hidden files and folders are those that are renamed when they are complete."""
    paths = sorted({path for pattern in task.outputs for path in folder.glob(pattern) if path.is_file()})
    names = [path.relative_to(folder) for path in paths]
    return {str(name): (folder / name).read_bytes() for name in names if not any(part[0] == "." for part in name.parts)}


def _is_temporary(path: Path) -> bool:
    return path.suffix in TEMPORARY or fresh_folder.FORM.fullmatch(path.name) is not None


def _damaged(task: Task, folder: Path, expected: dict[str, bytes], before: dict[str, bytes]) -> list[str]:
    """What is half-written: neither as before the run nor as after it."""
    if task.varying:
        return [f"{name} is cut" for name in _contents(task, folder) if not is_whole(folder / name)]
    return [
        f"{name} is half-written"
        for name, content in _contents(task, folder).items()
        if content not in (expected.get(name), before.get(name))
    ]


if __name__ == "__main__":
    sys.exit(main())
