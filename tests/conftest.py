"""Every test, and every process that one starts, computes with the fixed order of backends and the same threads."""

import os
import sys
from collections.abc import Generator, Iterator

import pytest

os.environ.setdefault("RVC_BACKEND", "fixed")
# Two test processes share the processor's cores. Threads that wait for work in a loop, OpenMP's default, take the other
# process's time: four files took 233 s in two processes on two cores, and 53 s with threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture(autouse=True)
def _unchanged_process() -> Iterator[None]:
    """Undo what the command line sets for its process: environment variables and threads, on which bits depend."""
    environment = dict(os.environ)
    threads = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    yield
    if "PYTEST_CURRENT_TEST" in os.environ:  # pytest's own, and the only one that a test may leave changed
        environment["PYTEST_CURRENT_TEST"] = os.environ["PYTEST_CURRENT_TEST"]
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)
    if threads is not None and sys.modules["torch"].get_num_threads() != threads:
        sys.modules["torch"].set_num_threads(threads)
    if selection := sys.modules.get("rvc.nn.kernels.backends.selection"):
        selection.pin(None)  # the judge pins the backends for its process


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape captured text that is no UTF-8 (odd paths): pytest-xdist cannot send it to its main process."""
    report = yield
    report.sections = [(name, _escaped(text)) for name, text in report.sections]
    if isinstance(report.longrepr, str):
        report.longrepr = _escaped(report.longrepr)
    elif report.longrepr is not None and report.failed:
        report.longrepr = _escaped(str(report.longrepr))
    return report


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
