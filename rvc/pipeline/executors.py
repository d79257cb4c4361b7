"""Executors run independent tasks in several processes, on this machine or on several, and yield the results.

A task is executed by a function of one argument; both are pickled. A worker process that ends is replaced, and its task
is tried again, at most `TRIES` times in all. A task that fails does not affect the others.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from rvc.errors import BadInput, MissingExtra, RvcError

TRIES = 3  # times that a task is started, the first included, where its worker process ends
MOST_WORKERS = 256  # largest accepted number of worker processes; a choice
IN_FLIGHT = 1000  # tasks that Dask's scheduler holds at once; each costs it about 1 kB and some bookkeeping
WORKER_ENDED = f"its worker process ended {TRIES} times; is the memory sufficient?"

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Outcome:
    """A task that was executed.

    Attributes:
        index: the index of the task in the list of tasks.
        value: what the function returned; None for a task that failed.
        error: why the task failed, in one sentence; None for a task that did not fail.
    """

    index: int
    value: Any = None
    error: str | None = None


class Executor(Protocol):
    """Runs independent tasks."""

    def results(self, function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Execute `function(task)` for every task and yield each outcome as soon as it is computed, in any order."""


@dataclass(frozen=True)
class Processes:
    """Processes of this machine, started for one list of tasks."""

    workers: int

    def results(self, function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Execute the tasks; see `Executor`."""
        _let_threads_sleep()
        waiting = deque((index, 1) for index in range(len(tasks)))
        running: dict[connection.Connection, tuple[BaseProcess, int, int]] = {}  # process, index, number of the try
        idle: list[tuple[connection.Connection, BaseProcess]] = []
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    index, attempt = waiting.popleft()
                    pipe, process = idle.pop() if idle else _start_worker(function)
                    running[pipe] = process, index, attempt
                    with suppress(OSError):  # the worker ended while it was idle; then `recv` raises EOFError
                        pipe.send((index, tasks[index]))
                ready = connection.wait(list(running))
                for pipe in [pipe for pipe in running if pipe in ready]:
                    process, index, attempt = running.pop(pipe)
                    try:
                        outcome = pipe.recv()
                    except (EOFError, OSError):
                        pipe.close()
                        process.join()
                        if attempt < TRIES:
                            waiting.append((index, attempt + 1))
                        else:
                            yield Outcome(index, error=WORKER_ENDED)
                        continue
                    idle.append((pipe, process))
                    yield outcome
        finally:
            for process, _, _ in running.values():  # empty unless the caller stops early
                process.terminate()
            for pipe, process in [*idle, *((pipe, process) for pipe, (process, _, _) in running.items())]:
                pipe.close()
                process.join()


@dataclass(frozen=True)
class Dask:
    """Workers of Dask Distributed: a cluster's, or processes of this machine.

    Attributes:
        address: the address of the cluster's scheduler, such as tcp://10.0.0.1:8786; None starts workers here.
        workers: number of processes to start here.
    """

    address: str | None
    workers: int

    def results(self, function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Execute the tasks; see `Executor`.

        Raises:
            BadInput: no scheduler answers at the address, or its workers do not start here.
        """
        import dask
        import distributed

        _let_threads_sleep()
        library: Any = distributed  # Dask's functions have no type hints
        for name in ("distributed", "distributed.client"):  # the latter has a level of its own
            logging.getLogger(name).setLevel(logging.CRITICAL)  # a worker that ends is an outcome, or tried again
        with dask.config.set({"distributed.scheduler.allowed-failures": TRIES - 1}):  # a cluster has its own number
            local = self._local_cluster(library) if self.address is None else None
            try:
                client = library.Client(local or self.address)
            except (OSError, ValueError) as error:
                raise BadInput(
                    f"no Dask scheduler answers at {self.address} ({error}); start one with: dask scheduler"
                ) from None
            try:
                numbered = iter(enumerate(tasks))

                def submit(pair: tuple[int, Any]) -> Any:
                    future = client.submit(_attempt, function, *pair, pure=False)
                    indices[future.key] = pair[0]
                    return future

                indices: dict[Any, int] = {}
                completed = library.as_completed([submit(pair) for pair in islice(numbered, IN_FLIGHT)])
                for future in completed:
                    index = indices.pop(future.key)
                    failure = future.exception()
                    if failure is None:
                        yield future.result()
                    else:
                        is_killed = isinstance(failure, library.scheduler.KilledWorker)
                        yield Outcome(index, error=WORKER_ENDED if is_killed else error_sentence(failure))
                    for pair in islice(numbered, 1):
                        completed.add(submit(pair))
            finally:
                client.close()
                if local is not None:
                    local.close()

    def _local_cluster(self, library: Any) -> Any:
        # Without an address, the scheduler's pages take port 8787, or warn that another program has it.
        pages = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
        try:
            return library.LocalCluster(
                n_workers=self.workers, threads_per_worker=1, processes=True, scheduler_kwargs=pages
            )
        except (OSError, RuntimeError) as error:
            raise BadInput(f"Dask's workers do not start here ({error}); use --executor processes") from None


def named(text: str) -> Executor:
    """The executor that the value of `--executor` names: processes[=N], dask[=N] or dask=ADDRESS.

    N is the number of worker processes; without it, as many as the machine has cores.

    Raises:
        BadInput: there is no such executor, or its number of workers is out of range.
        MissingExtra: Dask Distributed is not installed.
    """
    name, _, value = text.partition("=")
    if name not in ("processes", "dask") or (name == "processes" and value and not value.isdecimal()):
        raise BadInput(f"--executor is {text!r}; expected processes, processes=N, dask, dask=N or dask=ADDRESS")
    workers = int(value) if value.isdecimal() else os.cpu_count() or 1
    if not 1 <= workers <= MOST_WORKERS:
        raise BadInput(f"--executor has {workers} workers; expected 1 to {MOST_WORKERS}")
    if name == "processes":
        return Processes(workers)
    if find_spec("distributed") is None:
        raise MissingExtra("dask", "--executor dask")
    return Dask(value if value and not value.isdecimal() else None, workers)


def error_sentence(error: BaseException) -> str:
    """Why a task failed, in one sentence."""
    return str(error) if isinstance(error, RvcError) else f"unexpected {type(error).__name__}: {error}"


def _attempt(function: Function, index: int, task: Any) -> Outcome:
    try:
        return Outcome(index, function(task))
    except Exception as error:
        return Outcome(index, error=error_sentence(error))


def _let_threads_sleep() -> None:
    """Let waiting OpenMP threads of the workers sleep; threads that wait in a loop take cores from other workers."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _start_worker(function: Function) -> tuple[connection.Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, function))
    process.start()
    there.close()
    return here, process


def _work(pipe: connection.Connection, function: Function) -> None:
    """Execute tasks until the pipe is closed, which also happens when the main process ends."""
    with suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        while True:
            pipe.send(_attempt(function, *pipe.recv()))
