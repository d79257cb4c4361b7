"""Threads that each do a part: what they raise, and whose number of threads they change."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from rvc.nn.kernels import workers


def test_workers_raise_what_a_task_raised() -> None:
    def fail() -> None:
        raise ValueError("one of two")

    with pytest.raises(ValueError, match="one of two"):
        workers.work([fail, lambda: None])


def test_workers_leave_the_number_of_threads_alone() -> None:
    before = torch.get_num_threads()
    workers.work([lambda: None] * 4)
    with ThreadPoolExecutor(1) as new:
        assert torch.get_num_threads() == new.submit(torch.get_num_threads).result() == before


def test_each_worker_computes_on_one_thread() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen: list[int] = []
        workers.work([lambda: seen.append(torch.get_num_threads())] * 4)
    finally:
        torch.set_num_threads(threads)
    assert seen == [1] * 4
