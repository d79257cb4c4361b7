"""The description of one reader under test, and the result of one input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from reliability.fuzz.mutation.raw import Mutator
from rvc.errors import RvcError

REFUSALS = (RvcError, ParityError)
TORCH_FILES = (  # the modules of `Reader.modules` that read files of torch.save
    "rvc.weights.torch_files.archives",
    "rvc.weights.torch_files.placeholders",
    "rvc.weights.torch_files.refused_names",
    "rvc.weights.torch_files.safe_unpickler",
    "rvc.weights.torch_files.state_dict",
    "rvc.weights.torch_files.stored_tensor",
)


class NotOneSentence(Exception):
    """A command line ended with another exit code than 0 and 2, or printed no sentence or several."""


class NotFinite(Exception):
    """A reader returned NaN or infinity without a refusal."""


@dataclass(frozen=True)
class Reader:
    """One reader of files.

    Attributes:
        name: the name in figures and in the names of folders.
        file: the name under which an input is written; a folder for an input that is a bundle of files.
        seeds: makes valid inputs.
        mutate: changes an input.
        read: reads the file or folder; returns, or raises one of `REFUSALS`.
        modules: the project's modules whose coverage the campaign reports.
        is_bundle: an input is several files (`mutation.bundles`).
        is_full_size: its networks have their real sizes; few inputs are tried, without guidance.
        loading: inputs that a process reads first, untimed, so that libraries are imported and compiled and caches of
            the program are filled; without them the first two of `seeds`.
    """

    name: str
    file: str
    seeds: Callable[[], Sequence[bytes]]
    mutate: Mutator
    read: Callable[[Path], Any]
    modules: tuple[str, ...]
    is_bundle: bool = False
    is_full_size: bool = False
    loading: Callable[[], Sequence[bytes]] | None = None

    @property
    def slug(self) -> str:
        """The name as the name of a folder."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)


class Kind(StrEnum):
    """What a reader did with an input."""

    USED = "used"
    REFUSED = "refused"
    DEFECT = "defect"


@dataclass(frozen=True)
class Outcome:
    """The result of one input.

    Attributes:
        kind: what the reader did.
        signature: the error's type and the project's line, which distinguish a defect from others; "" for no defect.
        detail: the refusal, or the traceback of a defect.
    """

    kind: Kind
    signature: str = ""
    detail: str = ""
