"""`--executor` of the judge's commands: the executors of `rvc`."""

import argparse

from parity.errors import UsageError
from rvc.errors import RvcError
from rvc.pipeline import executors
from rvc.pipeline.executors import Executor


def add_option(parser: argparse._ActionsContainer, runs: str) -> None:
    """--executor NAME.

    Args:
        parser: receives the option.
        runs: what the executor runs, such as "the trials".
    """
    parser.add_argument(
        "--executor",
        metavar="NAME",
        help=f"run {runs} as tasks: processes[=N], dask[=N], or dask=ADDRESS, the scheduler of a cluster",
    )


def named(name: str | None) -> Executor | None:
    """The executor of an option; None where it was not given.

    Raises:
        UsageError: there is no such executor, or its library is not installed.
    """
    if name is None:
        return None
    try:
        return executors.named(name)
    except RvcError as error:
        raise UsageError(str(error)) from None
