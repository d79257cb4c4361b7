"""A campaign of faults as tasks of an executor: the outcomes of a campaign in one process, also when a worker dies."""

from __future__ import annotations

import json
import os
import signal

import pytest

from parity.judge.states import Tier
from parity.mutants import on_executor
from parity.mutants.__main__ import main
from parity.mutants.schedule import Job, Result
from rvc.pipeline.executors import Outcome

RUNS = ["--only", "upsample-tiled", "--null", "1"]  # one fault on a small golden, and one run without a fault
execute_batch = on_executor.execute


def outcomes(path):
    """What a campaign concluded, without its durations."""
    document = json.loads(path.read_text())
    document.pop("seconds")
    return document | {"outcomes": [{**row, "seconds": 0} for row in document["outcomes"]]}


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory):
    out = tmp_path_factory.mktemp("mutants") / "alone.json"
    assert main([*RUNS, "--workers", "1", "--out", str(out)]) == 0
    return outcomes(out)


def execute_and_die_once(batch):
    """Execute a task; the worker that begins the first one is killed."""
    try:
        os.close(os.open(os.environ["DIED_ONCE"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return execute_batch(batch)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


@pytest.mark.parametrize("executor", ["processes=2", "dask=1"])
def test_workers_of_which_one_is_killed_conclude_the_same(executor, in_one_process, tmp_path, monkeypatch):
    if executor.startswith("dask"):
        pytest.importorskip("distributed")
    monkeypatch.setenv("DIED_ONCE", str(tmp_path / "died"))
    monkeypatch.setattr(on_executor, "execute", execute_and_die_once)
    out = tmp_path / "campaign.json"
    assert main([*RUNS, "--executor", executor, "--out", str(out)]) == 0
    assert (tmp_path / "died").exists()
    assert outcomes(out) == in_one_process
    assert in_one_process["mutants"] == in_one_process["killed"] == in_one_process["null_runs"] == 1


class EndsEveryTask:
    """An executor whose workers end three times in each task."""

    def results(self, function, tasks):
        yield from (Outcome(index, error="its worker process ended") for index in range(len(tasks)))


def test_a_task_that_fails_names_its_jobs():
    jobs = [Job("a", "golden"), Job("b", "golden")]
    assert list(on_executor.results(jobs, EndsEveryTask(), False, Tier.FLOAT32)) == [
        Result(job, None, f"{job.name} on golden: its worker process ended") for job in jobs
    ]


def test_an_executor_that_is_none_is_refused(capsys):
    assert main([*RUNS, "--executor", "threads"]) == 2
    sentence = "--executor is 'threads'; expected processes, processes=N, dask, dask=N or dask=ADDRESS"
    assert capsys.readouterr().err == f"parity.mutants: {sentence}\n"
