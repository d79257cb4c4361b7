"""Threads that each do one part of a layer's work, where the work is too small or too scattered for torch's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch

Task = Callable[[], None]


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay for the process's life; what they call in torch runs on the one that called it."""
    made = ThreadPoolExecutor(threads, "rvc", initializer=alone)
    all_here = Barrier(threads + 1)
    for _ in range(threads):
        made.submit(all_here.wait)
    all_here.wait()
    torch.set_num_threads(threads)  # theirs stays 1; this is what threads to come will start with
    return made


def alone() -> None:
    """Have torch use this thread alone for what it calls."""
    torch.get_num_threads()  # a new thread's number is set when first asked for, and would overrule the next line
    torch.set_num_threads(1)


def work(tasks: Sequence[Task]) -> None:
    """Do all tasks, on as many threads as torch may use here; raises what the first that failed raised."""
    threads = torch.get_num_threads()
    if threads == 1 or len(tasks) == 1:
        for task in tasks:
            task()
        return
    inference = torch.is_inference_mode_enabled()

    def run(task: Task) -> None:
        with torch.inference_mode(inference):
            task()

    for done in [pool(threads).submit(run, task) for task in tasks]:
        done.result()
