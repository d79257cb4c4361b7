"""Threads that each compute one part of a layer, where the operations are too small for torch's own threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch

Task = Callable[[], None]


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """As many threads, which live as long as the process; each runs its torch operations on itself alone."""
    executor = ThreadPoolExecutor(threads, "rvc", initializer=use_one_thread)
    all_started = Barrier(threads + 1)
    for _ in range(threads):
        executor.submit(all_started.wait)
    all_started.wait()
    torch.set_num_threads(threads)  # the workers' number stays 1; threads that start later take this one
    return executor


def use_one_thread() -> None:
    """Make torch run the operations of this thread on this thread alone."""
    torch.get_num_threads()  # the first call sets the number of a new thread, and would undo the next line
    torch.set_num_threads(1)


def run_tasks(tasks: Sequence[Task]) -> None:
    """Run all tasks on as many threads as torch may use here; the exception of the first failed task is raised."""
    threads = torch.get_num_threads()
    if threads == 1 or len(tasks) == 1:
        for task in tasks:
            task()
        return
    inference = torch.is_inference_mode_enabled()

    def run(task: Task) -> None:
        with torch.inference_mode(inference):
            task()

    for future in [pool(threads).submit(run, task) for task in tasks]:
        future.result()
