"""The manifest: pinned digests of everything that candidates are judged by, and what differs from it.

`parity/data/manifest.json` holds the sha256 of every golden, of the limits in force, of the measured spread and of the
waivers. A case.json holds the sha256 of each tensor, so that its own digest pins the whole golden. The command
`rvc-parity manifest` compares, and `rvc-parity manifest --write` pins the current state:

    {"format": "rvc-manifest/1", "limits": SHA256, "spread": SHA256, "waivers": SHA256, "golden_set": VERSION,
     "goldens": {NAME: SHA256, ...}}

Goldens of a set of another version are judged all the same, and the verdict states the version of their set.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parity import stages
from parity.errors import ParityError
from parity.goldens import closed_schema, golden_set, store
from parity.goldens.text import parse as parse_json
from parity.goldens.text import parse_file, write_json
from parity.judge import limits, metrics, waivers
from parity.judge.limits import Limits
from parity.judge.states import Mode
from parity.judge.waivers import Waivers
from parity.stages import TensorName

FORMAT = "rvc-manifest/1"
FILE = Path(__file__).parents[1] / "data" / "manifest.json"
_LISTED = 5  # names that a sentence lists; the rest are counted
_SHA = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_PIN = "restore it, or pin it: rvc-parity manifest --write"
_SCHEMA = {
    "type": "object",
    "required": ["format", "limits", "spread", "waivers", "golden_set", "goldens"],
    "additionalProperties": False,
    "properties": {
        "format": {"const": FORMAT},
        "limits": _SHA,
        "spread": _SHA,
        "waivers": _SHA,
        "goldens": {"type": "object", "additionalProperties": _SHA},
        "golden_set": {"type": ["string", "null"]},
    },
}


@dataclass(frozen=True)
class Material:
    """The digests of what candidates are judged by.

    Attributes:
        limits: the digest of every limit in force.
        spread: the digest of the content of spread.json.
        waivers: the digest of the waivers of parity/data/waivers.json.
        goldens: name of the folder → digest of its case.json, by content.
        golden_set: the version of the set that the goldens belong to; None for goldens of no set.
    """

    limits: str
    spread: str
    waivers: str
    goldens: Mapping[str, str]
    golden_set: str | None = None


@dataclass(frozen=True)
class Comparison:
    """What a run is judged by, beside the manifest.

    Attributes:
        manifest: the sha256 of the manifest itself.
        judged_by: the digests of the run.
        altered: one sentence for each pinned item that has another content. Each is a failure of the run.
        notes: one sentence for everything that the manifest does not pin, or that is missing.
        missing: pinned goldens that the folder lacks; 0 for a folder without any pinned golden.
    """

    manifest: str
    judged_by: Material
    altered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: int = 0

    def document(self) -> dict[str, Any]:
        """The comparison as verdict.json holds it."""
        return {
            "sha256": self.manifest,
            "altered": list(self.altered),
            "notes": list(self.notes),
            "judged_by": asdict(self.judged_by) | {"goldens": dict(self.judged_by.goldens)},
        }


def content_digest(value: Any) -> str:
    """The sha256 of a JSON value, whatever its layout in the file."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


def golden_digest(folder: Path) -> str:
    """The digest of a golden: of the content of its case.json, or of its bytes where that is no JSON."""
    content = (folder / store.JSON_NAME).read_bytes()
    try:
        return content_digest(parse_json(content.decode("utf-8")))
    except ValueError:
        return hashlib.sha256(content).hexdigest()


def limits_digest(in_force: Limits) -> str:
    """The digest of every limit: each tensor of the stage table, in each mode, by each metric, for each kind of F0."""
    values = {}
    for stage in stages.every():
        for row in stage.makes:
            name = str(TensorName(stage.scope, 0, row.name))
            for mode in Mode:
                for metric in metrics.metrics(name):
                    for network in (False, True):
                        limit = in_force.find(name, mode, metric, network).limit
                        values[f"{stage.name} {name} {mode} {metric} {network}"] = limit
    return content_digest(values)


def material(folders: Iterable[Path], in_force: Limits | None = None) -> Material:
    """The digests of some goldens, and of the limits, the spread and the waivers of the package.

    Args:
        folders: the folders of the goldens.
        in_force: the limits; those of spread.json unless given.
    """
    folders = list(folders)
    its_set = golden_set.read(folders[0].parent) if folders else None
    return Material(
        limits_digest(in_force if in_force is not None else limits.load()),
        content_digest(limits.read()),
        content_digest(waivers.load().rows),
        {folder.name: golden_digest(folder) for folder in folders},
        its_set.version if its_set is not None else None,
    )


def document(pinned: Material) -> dict[str, Any]:
    """The manifest as its file holds it."""
    return {
        "format": FORMAT,
        "limits": pinned.limits,
        "spread": pinned.spread,
        "waivers": pinned.waivers,
        "golden_set": pinned.golden_set,
        "goldens": dict(sorted(pinned.goldens.items())),
    }


def read(path: Path = FILE) -> Material:
    """The pinned digests.

    Raises:
        ParityError: the file is missing, is no JSON, or is no manifest.
    """
    try:
        content = parse_file(path)
    except FileNotFoundError:
        raise ParityError(f"there is no {path}; restore it from the release that you use") from None
    except json.JSONDecodeError as error:
        raise ParityError(f"{path} is not JSON ({error}); restore it from the release that you use") from None
    if wrong := closed_schema.check(content, _SCHEMA):
        raise ParityError(f"{path} does not fit {FORMAT}: {wrong[0]}; restore it from the release that you use")
    return Material(content["limits"], content["spread"], content["waivers"], content["goldens"], content["golden_set"])


def write(folders: Sequence[Path], path: Path | None = None) -> Material:
    """Pin some goldens with the limits, the spread and the waivers of the package; returns what is pinned."""
    pinned, path = material(folders), path or FILE
    write_json(path, document(pinned))
    return pinned


def compare(
    folders: Sequence[Path],
    given_limits: Limits | None = None,
    given_waivers: Waivers | None = None,
    path: Path | None = None,
) -> Comparison:
    """What a run is judged by, beside the pinned digests.

    Args:
        folders: all goldens of the run's folder, chosen or not.
        given_limits: limits that the caller chose; None for those of the package.
        given_waivers: waivers that the caller chose; None for those of the package.
        path: the manifest; that of the package unless given.
    """
    pinned, judged_by = read(path or FILE), material(folders, given_limits)
    other_set = judged_by.golden_set is not None and judged_by.golden_set != pinned.golden_set
    if other_set:
        altered, notes = list[str](), [_of_other_set(judged_by.golden_set, pinned.golden_set)]
    else:
        altered, notes = _goldens(pinned.goldens, judged_by.goldens)
    if judged_by.spread != pinned.spread:
        altered.append(f"the measured spread, {limits.SPREAD.name}, is not the pinned one; {_PIN}")
    if given_limits is not None and judged_by.limits != pinned.limits:
        notes.append("the limits were given by the caller and are not the pinned ones")
    elif judged_by.limits != pinned.limits:
        altered.append(f"the limits are not the pinned ones; {_PIN}")
    if judged_by.waivers != pinned.waivers:
        altered.append(f"the waivers, {waivers.FILE.name}, are not the pinned ones; {_PIN}")
    if given_waivers is not None and given_waivers.rows and content_digest(given_waivers.rows) != pinned.waivers:
        notes.append(f"{len(given_waivers.rows)} waivers were given that the manifest does not pin")
    missing = set(pinned.goldens) - set(judged_by.goldens)
    if len(missing) == len(pinned.goldens) or other_set:
        missing = set()
    if missing:
        notes.append(f"{len(missing)} of {len(pinned.goldens)} pinned goldens are missing: {_listed(missing)}")
    return Comparison(content_digest(document(pinned)), judged_by, tuple(altered), tuple(notes), missing=len(missing))


def _of_other_set(version: str | None, pinned: str | None) -> str:
    """The sentence about a whole set of another version, such as an older one that a user keeps."""
    return f"these are the goldens of set {version}; the manifest pins those of set {pinned}, and no other"


def _goldens(pinned: Mapping[str, str], present: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The sentences about goldens: those with another content, and those that the manifest does not hold."""
    other = [name for name in present if name in pinned and present[name] != pinned[name]]
    unknown = [name for name in present if name not in pinned]
    altered, notes = list[str](), list[str]()
    if len(other) == 1:
        altered.append(f"the golden {other[0]} is not the pinned one; {_PIN}")
    elif other:
        altered.append(f"{len(other)} goldens are not the pinned ones: {_listed(other)}; {_PIN}")
    if unknown:
        notes.append(f"{len(unknown)} of {len(present)} goldens are not in the manifest: {_listed(unknown)}")
    return altered, notes


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - _LISTED
    return ", ".join(ordered[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
