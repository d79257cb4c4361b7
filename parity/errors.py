"""Errors of the judge. Each is one sentence: what was found, what was expected, what to do."""

LONGEST, END = 1500, 300  # characters of a message, and of its end that remains when its middle is left out


class ParityError(Exception):
    """An error for the user; the command line prints it to stderr and returns exit code 2.

    A message that quotes a library or a file may be of any length; of a longer one than `LONGEST` the middle is left
    out.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message if len(message) <= LONGEST else f"{message[: LONGEST - END]} … {message[-END:]}")


class GoldenError(ParityError):
    """A golden cannot be read, or its hashes, its names or its schema are wrong."""


class TraceError(ParityError):
    """A trace cannot be read, or two taps of one run have the same name."""


class GivenUp(BaseException):
    """A run ends because its candidate does not answer any more. No call that fails is recorded with it.

    The command line prints it like a ParityError; the run keeps its finished cases.
    """


class UsageError(ParityError):
    """A command names something that does not exist."""
