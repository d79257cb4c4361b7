"""A batch has the same bytes in one process, in several and on Dask, also when a worker is killed."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc.cli import batch_tasks
from rvc.cli.main import main
from rvc.errors import BadInput
from rvc.pipeline import executors
from rvc.pipeline.executors import Dask, Outcome, Processes
from tests.unit.plain_tasks import work
from tests.unit.tiny import write_hubert, write_voice

RATE = 16000
FILES = 5


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """A folder of short recordings, one of which is none, the options that convert them, and what one process makes."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "in").mkdir()
    for number in range(FILES):
        tone = 0.3 * np.sin(2 * np.pi * (150 + 20 * number) * np.arange(RATE // 4) / RATE)
        soundfile.write(folder / "in" / f"{number}.wav", tone, RATE)
    (folder / "in" / "broken.wav").write_bytes(b"no sound")
    voice, hubert = write_voice(folder / "voice.pth"), write_hubert(folder / "hubert")
    options = ["--model", str(voice), "--hubert", str(hubert), "--f0-method", "pm", "--json"]
    assert main(["convert", str(folder / "in"), str(folder / "serial"), *options]) == 1
    return folder, options


def digests(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def once(path):
    """Whether this is the first call with `path`, in any process."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def convert_and_die_once(task):
    """Convert a file; the process that begins file 2 for the first time is killed."""
    if task.source.name == "2.wav" and once(task.target.parent.parent / "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    return convert_task(task)


convert_task = batch_tasks.convert_task


def check(batch, out, executor, monkeypatch, capfd):
    folder, options = batch
    monkeypatch.setattr(batch_tasks, "convert_task", convert_and_die_once)
    assert main(["convert", str(folder / "in"), str(out), *options, "--executor", executor]) == 1
    printed = capfd.readouterr()
    assert (out.parent / "killed").exists()
    assert digests(out) == digests(folder / "serial") and len(digests(out)) == FILES
    report = json.loads(printed.out)
    assert [Path(entry["input"]).name for entry in report["files"]] == [*(f"{n}.wav" for n in range(5)), "broken.wav"]
    assert report["failed"] == 1 and "error" in report["files"][-1]
    assert printed.err.startswith("rvc: broken.wav: ") and printed.err.count("\n") == 1, printed.err
    (out / "1.wav").unlink()
    assert main(["convert", str(folder / "in"), str(out), *options]) == 1
    again = json.loads(capfd.readouterr().out)["files"]
    assert [entry.get("finished_before", False) for entry in again] == [True, False, True, True, True, False]
    assert digests(out) == digests(folder / "serial")


def test_processes_of_which_one_is_killed_have_the_bytes_of_one_process(batch, tmp_path, monkeypatch, capfd):
    check(batch, tmp_path / "out", "processes=2", monkeypatch, capfd)


def test_dask_workers_of_which_one_is_killed_have_the_bytes_of_one_process(batch, tmp_path, monkeypatch, capfd):
    pytest.importorskip("distributed")
    check(batch, tmp_path / "out", "dask=2", monkeypatch, capfd)


def test_a_cluster_of_dasks_own_tools_has_the_bytes_of_one_process(batch, tmp_path, capfd):
    pytest.importorskip("distributed")
    folder, options = batch
    dask, file = [sys.executable, "-m", "dask"], tmp_path / "scheduler.json"
    scheduler = [
        *dask,
        "scheduler",
        "--scheduler-file",
        str(file),
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
    ]
    worker = [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(command, cwd=tmp_path, **quiet) for command in (scheduler, worker)]
    try:
        while not file.exists():
            assert started[0].poll() is None
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        out = tmp_path / "out"
        assert main(["convert", str(folder / "in"), str(out), *options, "--executor", f"dask={address}"]) == 1
        assert digests(out) == digests(folder / "serial")
        assert json.loads(capfd.readouterr().out)["failed"] == 1
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_task_that_fails_or_kills_its_worker_does_so_alone():
    outcomes = Processes(2).results(work, ["slow", "a", "die", "fail", "b"])
    assert sorted(outcomes, key=lambda outcome: outcome.index) == [
        Outcome(0, "SLOW"),
        Outcome(1, "A"),
        Outcome(2, error="its worker process ended 3 times; is the memory sufficient?"),
        Outcome(3, error="unexpected ValueError: no such thing"),
        Outcome(4, "B"),
    ]


def test_dask_does_not_warn_of_a_port_that_another_program_has():
    """Two batches on one machine; pytest makes an error of a warning."""
    pytest.importorskip("distributed")
    with ExitStack() as stack:
        with suppress(OSError):  # another program has it already
            stack.enter_context(socket.create_server(("127.0.0.1", 8787)))
        assert list(Dask(None, 1).results(work, ["a"])) == [Outcome(0, "A")]


def test_workers_of_dask_that_do_not_start_are_one_sentence(monkeypatch):
    distributed = pytest.importorskip("distributed")

    def not_started(**options):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "LocalCluster", not_started)
    with pytest.raises(BadInput) as refusal:
        next(Dask(None, 1).results(work, ["a"]))
    assert str(refusal.value) == ("Dask's workers do not start here (Nanny failed to start.); use --executor processes")


def test_an_executor_that_is_abandoned_ends_its_processes():
    results = Processes(2).results(work, ["a", "slow", "slow", "slow"])
    assert next(results).error is None
    assert multiprocessing.active_children()
    results.close()
    assert not multiprocessing.active_children()


REFUSED = {
    "threads": "--executor is 'threads'; expected processes, processes=N, dask, dask=N or dask=ADDRESS",
    "processes=two": "--executor is 'processes=two'; expected processes, processes=N, dask, dask=N or dask=ADDRESS",
    "processes=0": "--executor has 0 workers; expected 1 to 256",
    "dask=300": "--executor has 300 workers; expected 1 to 256",
}


@pytest.mark.parametrize("executor", REFUSED)
def test_an_executor_that_is_none_is_refused(batch, tmp_path, capsys, executor):
    folder, options = batch
    command = ["convert", str(folder / "in"), str(tmp_path / "out"), *options, "--executor", executor]
    assert main(command) == 2
    assert capsys.readouterr().err == f"rvc: {REFUSED[executor]}\n"
    assert not (tmp_path / "out").exists()


def test_without_dask_its_executor_is_refused(batch, tmp_path, capsys, monkeypatch):
    folder, options = batch
    monkeypatch.setattr(executors, "find_spec", lambda name: None)
    assert main(["convert", str(folder / "in"), str(tmp_path / "out"), *options, "--executor", "dask"]) == 2
    assert capsys.readouterr().err == (
        "rvc: --executor dask needs a package that is not installed; in the project's folder: pip install '.[dask]'\n"
    )


def test_an_address_where_no_scheduler_answers_is_refused(batch, tmp_path, capsys, monkeypatch):
    pytest.importorskip("distributed")
    import dask

    folder, options = batch
    command = ["convert", str(folder / "in"), str(tmp_path / "out"), *options, "--executor", "dask=tcp://127.0.0.1:9"]
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert main(command) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rvc: no Dask scheduler answers at tcp://127.0.0.1:9 (")
    assert error.endswith("); start one with: dask scheduler")


def test_one_file_with_an_executor_is_refused(batch, tmp_path, capsys):
    folder, options = batch
    source = folder / "in" / "0.wav"
    assert main(["convert", str(source), str(tmp_path / "a.wav"), *options, "--executor", "processes"]) == 2
    assert capsys.readouterr().err == f"rvc: --executor is for several files, but {source} is one; leave it out\n"
