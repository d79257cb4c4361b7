"""`--executor` of the judge's commands: the executors of `rvc`."""

from parity.errors import UsageError
from rvc.errors import RvcError
from rvc.pipeline import executors
from rvc.pipeline.executors import Executor as Executor


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
