"""How many threads the networks of one of several processes use.

Two threads that compute one layer wait for each other by spinning. Where each of several processes uses a thread for
each core, the threads of the other processes hold the cores meanwhile: on two cores, two processes with two threads
each took up to eight times the processor time that they take with one thread each.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def share_cores(processes: int) -> Iterator[None]:
    """Let torch use this process's share of the cores while the block runs.

    Args:
        processes: how many processes compute at once, this one included.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, cores // processes)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
