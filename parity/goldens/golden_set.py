"""The set that goldens belong to: its version, and where an installation keeps it.

A set is a folder with `set.json` and `cases/`, one folder for each golden:

    {"format": "rvc-golden-set/1", "version": "1.0.0", "specification": "1.0"}

The first two numbers of the version are those of the specification that the goldens were recorded for; the third counts
later recordings. A clone holds the set in `goldens/`; the distribution `rvc-parity-goldens` installs it as a package.
"""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from parity.errors import GoldenError
from parity.goldens import closed_schema, store
from parity.goldens.text import parse_file

FORMAT = "rvc-golden-set/1"
FILE_NAME = "set.json"
PACKAGE = "rvc_parity_goldens"  # the package that the distribution rvc-parity-goldens installs
ADVICE = "name their folder with --goldens, or install rvc-parity-goldens"  # for a user whose goldens are not there
_SCHEMA = {
    "type": "object",
    "required": ["format", "version", "specification"],
    "additionalProperties": False,
    "properties": {
        "format": {"const": FORMAT},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "specification": {"type": "string", "pattern": r"^\d+\.\d+$"},
    },
}


@dataclass(frozen=True)
class GoldenSet:
    """What set.json states.

    Attributes:
        version: the version of the set, such as "1.0.0".
        specification: the version of the specification, such as "1.0".
    """

    version: str
    specification: str


def default_folder() -> Path:
    """The folder of the cases: that of a clone in the working folder, else that of the installed package."""
    if store.GOLDENS.is_dir():
        return store.GOLDENS
    package = _package()
    return store.GOLDENS if package is None else package / "cases"


def _package() -> Path | None:
    """The folder of the installed package of goldens; None where it is not installed."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0])


def documentation() -> Path | None:
    """The folder of the documentation: that of a clone in the working folder, of the installed package, or of the clone
    that this module belongs to.

    Messages of the judge name a page by the command that prints it, `rvc-parity docs PAGE`.

    Returns:
        None where none of them is there.
    """
    cases = default_folder()
    places = [cases.parent / "docs", cases.parent.parent / "docs"]
    places += [package / "docs"] if (package := _package()) is not None else []
    places.append(Path(__file__).parents[2] / "docs")
    return next((place for place in places if (place / "tutorial.md").is_file()), None)


def cases_folder(path: str | Path) -> Path:
    """The folder of the cases of a set, where `path` is the set's own folder; else `path` itself."""
    path = Path(path)
    return path / "cases" if (path / FILE_NAME).is_file() and (path / "cases").is_dir() else path


def read(folder: Path) -> GoldenSet | None:
    """The set of a folder of cases.

    Args:
        folder: the folder of the cases; set.json lies in it or beside it.
    Returns:
        None where there is no set.json, as for goldens of one's own.
    Raises:
        GoldenError: set.json does not fit FORMAT.
    """
    path = next((place / FILE_NAME for place in (folder, folder.parent) if (place / FILE_NAME).is_file()), None)
    if path is None:
        return None
    try:
        content = parse_file(path)
    except json.JSONDecodeError as error:
        raise GoldenError(f"{path} is not JSON ({error}); restore it") from None
    if wrong := closed_schema.check(content, _SCHEMA):
        raise GoldenError(f"{path} does not fit {FORMAT}: {wrong[0]}; restore it")
    return GoldenSet(content["version"], content["specification"])
