"""Refusals of the judge: one sentence that says what was found, what was expected and what to do."""


class ParityError(Exception):
    """A sentence for the user; the command line prints it to stderr and leaves with exit code 2."""


class GoldenError(ParityError):
    """A golden that cannot be trusted: its hash, its names or its schema do not hold."""


class TraceError(ParityError):
    """A trace that cannot be read, or a tap that was heard twice."""


class UsageError(ParityError):
    """A command that asks for something that does not exist."""
