"""Processes that execute tasks beside this one; the death of one is one error.

Each process serves one thread of this process, which sends it a task and waits for the answer. All of them, and this
process itself, take their tasks from one list. A helper ignores Ctrl-C; leaving the block ends it.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from parity.errors import ParityError

Serve = Callable[[str], Any]


class HelperDied(ParityError):
    """A process ended while it executed a task."""


class Helpers:
    """Processes that take tasks until none is left. Use it as a context manager."""

    def __init__(self, number: int, start: Callable[[], Serve], take: Callable[[], str | None]) -> None:
        """Prepare the processes.

        Args:
            number: the number of processes.
            start: called once in each process, and has to be picklable; returns what executes a task.
            take: gives the next task, None where none is left; called in several threads at once.
        """
        self._number, self._start, self._take = number, start, take
        self._processes: list[BaseProcess] = []
        self._threads: list[threading.Thread] = []
        self._lock, self._answers, self._error = threading.Lock(), list[tuple[str, Any]](), list[ParityError]()

    def __enter__(self) -> "Helpers":
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin take the other processes' cores
        context = multiprocessing.get_context("spawn")
        for _ in range(self._number):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, self._start), daemon=True)
            process.start()
            there.close()
            self._processes.append(process)
            self._threads.append(threading.Thread(target=self._feed, args=(here, process), daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def answers(self) -> list[tuple[str, Any]]:
        """The tasks that ended since the last call, each with its answer.

        Raises:
            HelperDied: a process ended.
            ParityError: a task raised it.
        """
        with self._lock:
            if self._error:
                raise self._error[0]
            ended, self._answers = self._answers, []
            return ended

    def wait(self, seconds: float) -> bool:
        """Wait for the helpers at most so long; whether all of them have ended their work."""
        for thread in self._threads:
            thread.join(seconds / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def _feed(self, connection: Connection, process: BaseProcess) -> None:
        """Send tasks to one process until none is left or one fails."""
        while not self._error and (task := self._take()) is not None:
            try:
                connection.send(task)
                answer = connection.recv()
            except (EOFError, OSError):
                process.join(1)
                answer = HelperDied(
                    f"a process ended while it judged {task} (exit code {process.exitcode}); is there memory for so "
                    "many processes? The finished cases are kept: the same command with --resume --jobs 1 continues"
                )
            with self._lock:
                if isinstance(answer, BaseException):
                    error = answer if isinstance(answer, ParityError) else ParityError(f"{task}: {answer!r}")
                    self._error.append(error)
                else:
                    self._answers.append((task, answer))


def _serve(connection: Connection, start: Callable[[], Serve]) -> None:
    """Execute tasks until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that a terminal's Ctrl-C also reaches ends this one
    execute: Serve | None = None
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            execute = execute or start()
            connection.send(execute(task))
        except ParityError as error:
            connection.send(ParityError(str(error)))
        except Exception as error:
            connection.send(ParityError(f"{task} could not be judged: {type(error).__name__}: {error}"))
