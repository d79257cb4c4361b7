"""Errors of the judge. Each is one sentence: what was found, what was expected, what to do."""


class ParityError(Exception):
    """An error for the user; the command line prints it to stderr and returns exit code 2."""


class GoldenError(ParityError):
    """A golden cannot be read, or its hashes, its names or its schema are wrong."""


class TraceError(ParityError):
    """A trace cannot be read, or two taps of one run have the same name."""


class UsageError(ParityError):
    """A command names something that does not exist."""
