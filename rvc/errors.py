"""The errors of rvc, one hierarchy:

    RvcError              any of the following, and states that no input should lead to
    ├── BadInput          a value, an option, an audio file or an index that cannot be used
    ├── BadCheckpoint     a weight file that is damaged, hostile, of another kind, or does not fit its network
    └── MissingExtra      an option that needs a package which is not installed

Each message is one sentence: what was found, what was expected, what to do.
"""

from __future__ import annotations

LONGEST, END = 1500, 300  # characters of a message, and of its end that remains when its middle is left out


class RvcError(Exception):
    """An error to show to the user; the command line prints it on stderr and ends with exit code 2.

    A message that quotes a library or a file may be of any length; of a longer one than `LONGEST` the middle is left
    out.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message if len(message) <= LONGEST else f"{message[: LONGEST - END]} … {message[-END:]}")


class BadInput(RvcError):
    """A value, an option, an audio file or an index that cannot be used."""


class BadCheckpoint(RvcError):
    """A weight file that is damaged, hostile, of another kind, or does not fit the network it is loaded into."""


class MissingExtra(RvcError):
    """An option needs a package that is not installed."""

    def __init__(self, extra: str, what: str | None = None) -> None:
        """Compose the message.

        Args:
            extra: the optional dependency in pyproject.toml that installs the package.
            what: the option that needs it, as the user named it; None takes `extra`.
        """
        self.extra = extra
        super().__init__(
            f"{what or extra} needs a package that is not installed; in the project's folder: pip install '.[{extra}]'"
        )


def printable(text: str) -> str:
    """Text from a file as one line without control characters: those are replaced by their escape sequences, so that
    they cannot command a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
