"""Maps from a program's own names to those of the stage table, in TOML: names, prefixes, axes and dtypes.

    format = "rvc-names/1"
    source = "where the names come from"
    prefix = "rvc."                   # optional: removed from every name of the dump that begins with it
    [[tensor]]
    from = "hubert.features"          # a name of the dump, or a list of them; {n} stands for a number
    to = "seg{n}.hubert.features"     # the tensor of docs/spec/00-overview.md
    transpose = [0, 2, 1]             # optional: the dump's axis at each place
    dtype = "int64"                   # optional, only without loss

A tensor is brought to the golden's form where that changes no value: axes of length 1 are added and removed, and a
dtype is widened.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from parity import stages
from parity.errors import UsageError
from parity.foreign_dumps import forms
from parity.goldens.arrays import Array, NamedArrays, Tensors

FORMAT = "rvc-names/1"
SHIPPED = Path(__file__).with_name("maps")
_FIELDS = {"from", "to", "transpose", "dtype"}


@dataclass(frozen=True)
class Row:
    """One tensor: its names in the dump, its name in the stage table, and what is done to its form."""

    names: tuple[str, ...]
    to: str
    transpose: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class NameMap:
    """A map.

    Attributes:
        source: where the names come from.
        prefix: what every name of the dump begins with.
        rows: its tensors.
    """

    source: str
    prefix: str
    rows: tuple[Row, ...]


SPECIFIED = NameMap(
    "the specification (rvc-parity docs spec/00-overview)", "", ()
)  # the names of the stage table themselves


@dataclass
class Renamed:
    """A dump under the names of the stage table.

    Attributes:
        tensors: full name → array.
        unknown: names of the dump that the map does not have.
        changes: what was done to the form of tensors that need no map.
    """

    tensors: Tensors = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def shipped() -> dict[str, Path]:
    """Name → file of the maps that are part of the project."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def load(name: str) -> NameMap:
    """A map that is part of the project, or one in a file.

    Raises:
        UsageError: there is no such map, or it is wrong.
    """
    path = shipped().get(name, Path(name))
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        if not path.is_file():
            raise UsageError(f"there is no map {name}; give a TOML file, or one of {', '.join(shipped())}") from None
        raise UsageError(f"{path} is no TOML file ({error}); parity/foreign_dumps/name_map.py describes it") from None
    listed = document.get("tensor", [])
    if document.get("format") != FORMAT or not isinstance(listed, list) or not (listed or document.get("prefix")):
        raise UsageError(f'{path} is no map of names; it has format = "{FORMAT}" and a [[tensor]] for each tensor')
    rows = tuple(_row(path, entry) for entry in listed)
    return NameMap(str(document.get("source", "")), str(document.get("prefix", "")), rows)


def _row(path: Path, entry: object) -> Row:
    if not isinstance(entry, dict) or not {"from", "to"} <= entry.keys() or entry.keys() - _FIELDS:
        raise UsageError(f"{path}: a [[tensor]] has from and to, and may have transpose and dtype; found {entry}")
    names = entry["from"] if isinstance(entry["from"], list) else [entry["from"]]
    to, dtype, transpose = entry["to"], entry.get("dtype"), entry.get("transpose")
    if not isinstance(to, str) or not stages.is_known(to.replace("{n}", "0")):
        raise UsageError(
            f"{path}: {to} is no tensor of the specification (rvc-parity docs spec/00-overview); "
            "one of a segment is seg0.flow.z"
        )
    if not all(isinstance(name, str) and ("{n}" in name) == ("{n}" in to) for name in names):
        raise UsageError(f"{path}: from = {entry['from']} and to = {to} must both have {{n}}, or neither")
    if dtype is not None and dtype not in ("float32", "float64", "int16", "int64"):
        raise UsageError(f"{path}: dtype = {dtype} of {to} is not one of float32, float64, int16, int64")
    if transpose is not None and (
        not isinstance(transpose, list) or sorted(transpose, key=str) != list(range(len(transpose)))
    ):
        raise UsageError(f"{path}: transpose = {transpose} of {to} does not name each axis once, from 0")
    return Row(tuple(names), to, None if transpose is None else tuple(transpose), dtype)


def rename(dump: NamedArrays, names: NameMap, golden: NamedArrays) -> Renamed:
    """Bring a dump to the names and the form of a golden.

    Raises:
        UsageError: two tensors of the dump get one name, or a form cannot be changed without loss.
    """
    renamed, known = Renamed(), set[str]()
    plain = {name.removeprefix(names.prefix): name for name in dump}
    # A folder of folders has slashes where the specification has dots.
    dotted = {own.replace("/", "."): name for own, name in plain.items() if not stages.is_known(own)}
    for row in names.rows:
        for name, to in [(plain[own], to) for own, to in _matches(row, plain)]:
            if to in renamed.tensors:
                raise UsageError(f"{name} and another tensor of the dump are both {to}; name one of them in the map")
            renamed.tensors[to] = _formed(name, dump[name], row, golden.get(to))
            known.add(name)
    for own, name in (plain | {own: name for own, name in dotted.items() if own not in plain}).items():
        # Names of the stage table need no map.
        if name not in known and stages.is_known(own) and own not in renamed.tensors:
            renamed.tensors[own] = forms.formed(dump[name], golden[own]) if own in golden else forms.native(dump[name])
            if change := forms.change(dump[name], renamed.tensors[own]):
                renamed.changes += (f"{own} from {change}",)
            known.add(name)
    renamed.unknown = tuple(name for name in dump if name not in known)
    return renamed


def _matches(row: Row, plain: Mapping[str, str]) -> list[tuple[str, str]]:
    """(name in the dump, name in the stage table) of every tensor that a row means."""
    matched: list[tuple[str, str]] = []
    for pattern in row.names:
        expression = re.escape(pattern).replace(r"\{n\}", r"(\d+)", 1)
        for name in plain:
            if match := re.fullmatch(expression, name):
                matched.append((name, row.to.replace("{n}", match[1]) if match.groups() else row.to))
    return matched


def _formed(name: str, value: Array, row: Row, golden: Array | None) -> Array:
    if row.transpose is not None:
        if len(row.transpose) != value.ndim:
            raise UsageError(f"{name} has {value.ndim} axes, but its transpose in the map names {len(row.transpose)}")
        value = value.transpose(row.transpose)
    if row.dtype is not None:
        value = _cast(name, value, np.dtype(row.dtype))
    return forms.row_major(forms.native(value)) if golden is None else forms.formed(value, golden)


def _cast(name: str, value: Array, dtype: np.dtype[np.generic]) -> Array:
    with np.errstate(all="ignore"):
        changed = value.astype(dtype)
    if not np.array_equal(changed.astype(value.dtype), value, equal_nan=value.dtype.kind == "f"):
        raise UsageError(f"{name} is {value.dtype} and loses values as {dtype}; write it as {dtype}, or drop the dtype")
    return changed
