"""Refusals: found, expected, what to do, in one sentence, so that a refusal is never mistaken for a bug."""

from __future__ import annotations


class RvcError(Exception):
    """A sentence for the user; the command line prints it on stderr and ends with exit code 2."""


class BadInput(RvcError):
    """A value, a file of sound or an option that cannot be used as given."""


class BadCheckpoint(RvcError):
    """A weight file that is damaged, hostile, of another kind, or does not fit the network it names."""


class MissingExtra(RvcError):
    """An option needs a package that is not installed."""

    def __init__(self, extra: str, what: str | None = None) -> None:
        """extra : name of the optional dependency in pyproject.toml;  what : what needs it, as the user named it."""
        self.extra = extra
        super().__init__(
            f"{what or extra} needs a package that is not installed; in the project's folder: pip install '.[{extra}]'"
        )


def printable(text: str) -> str:
    """Text out of a file as one line that cannot command a terminal: anything not printable is spelt out."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
