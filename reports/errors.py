"""Refusals of the report: one sentence that says what was found, what was expected and what to do."""

from parity.errors import ParityError


class ReportError(ParityError):
    """A report that cannot be made; the command line prints the sentence and leaves with exit code 2."""
