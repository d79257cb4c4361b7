"""The error of this package for the user, and how an original's own failure becomes one."""

from typing import Any


class Refusal(Exception):
    """A request that cannot be met; the message states what was found, what was expected, and what to do.

    The commands of this package print it to stderr and exit with code 2.
    """


def refuse_failure(answer: Any) -> None:
    """Raise Refusal if the original failed: `VC.vc_single` returns (traceback text, (None, None)) for any exception."""
    if isinstance(answer, tuple) and answer and isinstance(answer[0], str) and "Traceback" in answer[0]:
        raise Refusal(f"the original failed:\n{answer[0]}")
