"""Worker threads: the exceptions they raise, and the numbers of threads that torch uses."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from rvc.nn.kernels import workers


def test_the_exception_of_a_task_is_raised() -> None:
    def fail() -> None:
        raise ValueError("one of two")

    with pytest.raises(ValueError, match="one of two"):
        workers.run_tasks([fail, lambda: None])


def test_the_number_of_threads_of_others_does_not_change() -> None:
    before = torch.get_num_threads()
    workers.run_tasks([lambda: None] * 4)
    with ThreadPoolExecutor(1) as new:
        assert torch.get_num_threads() == new.submit(torch.get_num_threads).result() == before


def test_each_worker_computes_on_one_thread() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        threads_used: list[int] = []
        workers.run_tasks([lambda: threads_used.append(torch.get_num_threads())] * 4)
    finally:
        torch.set_num_threads(threads)
    assert threads_used == [1] * 4
