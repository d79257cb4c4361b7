"""A run in several processes gives the verdict of a run in one; a process that dies is one error."""

import itertools
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_case import META, Player, golden, tensors

from parity.cli import main as command_line
from parity.errors import ParityError
from parity.goldens import store
from parity.goldens.arrays import Tensors
from parity.judge.limits import Limits
from parity.judge.waivers import Waivers
from parity.runs import run as running
from parity.runs.parallel import expected_duration
from parity.runs.parallel.helpers import Helpers
from parity.runs.run import RunOptions
from parity.rvc_bridge.threads import share_cores

NAMES = ("fifth", "one", "other", "small", "third")


@pytest.fixture
def goldens(tmp_path: Path) -> Path:
    """Five cases."""
    golden(tmp_path / "goldens")
    for name in NAMES:
        if name != "small":
            store.save_case(tmp_path / "goldens" / name, tensors(), META | {"name": name})
    return tmp_path / "goldens"


class Playing(Player):
    """A candidate that is wrong in some cases."""

    def __init__(self, wrong: tuple[str, ...] = ()) -> None:
        super().__init__(tensors(), tensors())
        self._wrong = wrong

    def run(self, case: store.Case) -> Tensors:
        """The golden's tensors, or wrong ones."""
        made = super().run(case)
        if case.name in self._wrong:
            made = dict(made) | {"seg0.z_p": made["seg0.z_p"] * np.float32(1.01)}
        return made


def judged(goldens: Path, out: Path, make: "partial[Playing]", jobs: int, **options: Any) -> dict[str, Any]:
    """The verdict of a run without its times."""
    choice = RunOptions(jobs=jobs, make=make, **options)
    document = running.run(make(), goldens, out, only_stage="z_p", waivers=Waivers(), limits=Limits(), options=choice)
    for key in ("started", "seconds"):
        document.pop(key)
    for key in ("seconds", "calls"):  # a process that has called a stage less often calls it more often at the end
        (document.get("repeats") or {}).pop(key, None)
    for case in document["cases"]:
        case.pop("wall_s")
    return json.loads(json.dumps(document))


@pytest.mark.parametrize("wrong", [(), NAMES])
def test_the_verdict_does_not_depend_on_the_number_of_processes(
    goldens: Path, tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    """Where all fail, only some are called again: the same ones."""
    make = partial(Playing, wrong)
    one, three = (
        judged(goldens, tmp_path / "one", make, 1, repeats=True),
        judged(goldens, tmp_path / "three", make, 3, repeats=True),
    )
    assert [case["name"] for case in one["cases"]] == list(NAMES)
    assert one == three


def test_a_run_in_several_processes_ends_at_the_first_failure_and_can_be_continued(
    goldens: Path, tmp_path: Path
) -> None:
    make, out = partial(Playing, ("third",)), tmp_path / "out"
    ended = judged(goldens, out, make, 2, fail_fast=True)
    states = {case["name"]: case["state"] for case in ended["cases"]}
    assert {name for name, state in states.items() if state == "differs"} == {"third"}
    assert sorted([*states, *ended.get("pending", [])]) == sorted(NAMES)
    continued = judged(goldens, out, make, 2, resume=True)
    assert continued == judged(goldens, tmp_path / "one", make, 1)


class Interrupted(Playing):
    """A candidate during whose first call in the run's own process Ctrl-C is pressed, once another process has ended
    a case."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self._out = out

    def run(self, case: store.Case) -> Tensors:
        """The golden's tensors; in the first process KeyboardInterrupt."""
        if multiprocessing.parent_process() is not None:
            return super().run(case)
        end = time.monotonic() + 60
        while time.monotonic() < end and not any(path.stem in NAMES for path in (self._out / "unfinished").glob("*")):
            time.sleep(0.05)
        raise KeyboardInterrupt


def test_ctrl_c_keeps_what_other_processes_have_judged_and_leaves_no_process(goldens: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        judged(goldens, out, partial(Interrupted, out), 2)
    assert not multiprocessing.active_children()
    kept = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    assert kept["cases"]
    assert sorted([*(case["name"] for case in kept["cases"]), *kept.get("pending", [])]) == sorted(NAMES)
    continued = judged(goldens, out, partial(Playing), 1, resume=True)
    assert continued == judged(goldens, tmp_path / "one", partial(Playing), 1)


def _exit_at(task: str) -> str:
    os._exit(9)


def _dying() -> Callable[[str], str]:
    return _exit_at


def test_a_process_that_dies_is_one_error() -> None:
    tasks = ["small"]
    with Helpers(1, _dying, lambda: tasks.pop() if tasks else None) as helpers:
        while not helpers.wait(0.1):
            pass
        with pytest.raises(ParityError) as caught:
            helpers.answers()
    assert str(caught.value) == (
        "a process ended while it judged small (exit code 9); is there memory for so many processes? "
        "The finished cases are kept: the same command with --resume --jobs 1 continues"
    )


def _failing(task: str) -> str:
    raise ValueError(f"no {task}")


def _fails() -> Callable[[str], str]:
    return _failing


def test_a_mistake_in_a_process_is_one_error() -> None:
    tasks = ["small"]
    with Helpers(1, _fails, lambda: tasks.pop() if tasks else None) as helpers:
        while not helpers.wait(0.1):
            pass
        with pytest.raises(ParityError) as caught:
            helpers.answers()
    assert str(caught.value) == "small could not be judged: ValueError: no small"


def test_a_run_needs_a_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["run", "--jobs", "0"]) == 2
    assert "--jobs is 0; expected 1 or more processes" in capsys.readouterr().err


def test_goldens_are_taken_the_longest_first_and_the_short_ones_voice_by_voice() -> None:
    folders = store.cases(store.GOLDENS)
    taken = expected_duration.in_order(list(folders))
    assert sorted(taken) == sorted(folders)
    seconds = [expected_duration.of_folder(folder) for folder in taken]
    long = [value for value in seconds if value >= expected_duration.LONG]
    assert long == sorted(long, reverse=True) == seconds[: len(long)]
    voices = [str(store.open_case(folder).voice.get("kind")) for folder in taken[len(long) :]]
    assert sum(one != other for one, other in itertools.pairwise(voices)) == len(set(voices)) - 1


def test_a_golden_of_a_long_stage_alone_counts_as_long() -> None:
    alone, short = (store.GOLDENS / name for name in ("alone-long-rmvpe-2026", "v1-32k-rmvpe-classic"))
    assert expected_duration.of_folder(alone) > 2 * expected_duration.of_folder(short)


def test_the_processes_of_a_run_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for processes, threads in ((1, 4), (2, 2), (3, 1), (8, 1)):
            with share_cores(processes):
                assert torch.get_num_threads() == threads
            assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


class Sharing(Playing):
    """A candidate that is right only while its process uses its share of the cores."""

    processes = 0

    def run(self, case: store.Case) -> Tensors:
        """The golden's tensors, times half the number of processes."""
        return {name: value * np.float32(self.processes / 2) for name, value in super().run(case).items()}


@contextmanager
def counted(processes: int) -> Iterator[None]:
    """Note the number of processes while the block runs."""
    Sharing.processes = processes
    yield
    Sharing.processes = 0


def test_every_process_judges_with_its_share_of_the_cores(goldens: Path, tmp_path: Path) -> None:
    document = judged(goldens, tmp_path / "o", partial(Sharing), 2, share_cores=counted)
    assert (document["state"], document["failures"]) == ("partial", [])
    assert judged(goldens, tmp_path / "o", partial(Sharing), 2)["state"] == "differs"
