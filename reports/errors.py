"""Errors of the report: each message names the problem, what was expected and what to do."""

from parity.errors import ParityError


class ReportError(ParityError):
    """No report can be made from the input; the command line prints the message and exits with code 2."""
