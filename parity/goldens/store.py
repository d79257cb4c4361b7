"""Goldens on disk: `NAME/case.json` and `NAME/tensors.safetensors`. Reading checks hashes; writing replaces both files.

docs/golden-format.md describes the format for programs in other languages.
"""

import difflib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from parity import stages
from parity.errors import GoldenError as GoldenError  # re-exported for callers
from parity.goldens import case_schema, closed_schema, recipes, tensor_file, time_axes
from parity.goldens import reduction as reductions
from parity.goldens.arrays import Array, NamedArrays
from parity.goldens.fresh_folder import fresh_folder
from parity.goldens.text import parse_file
from parity.stages import Scope

JSON_NAME, DATA_NAME = "case.json", "tensors.safetensors"
GOLDENS = Path("goldens") / "cases"  # the committed goldens, from the root of the repository


def digest(value: Array) -> str:
    """The SHA-256 of an array's elements, row-major and little-endian, without shape and dtype, in hexadecimal."""
    little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.tobytes()).hexdigest()


class Case(Mapping[str, Array]):
    """One golden, read lazily: `case["seg0.flow.z"]` reads the array and checks its shape, dtype and hash.

    Reading a tensor raises GoldenError where one of these is wrong, KeyError where the golden does not have it.

    Attributes:
        folder: its folder.
        document: the content of case.json.
    """

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        self.folder, self.document = folder, document
        self._entries: Mapping[str, Any] = document["tensors"]
        self._values: dict[str, Array] = {}

    @property
    def name(self) -> str:
        """The name of the case, which is also the name of its folder."""
        return str(self.document["name"])

    @property
    def why(self) -> str:
        """Why this case exists."""
        return str(self.document["why"])

    @property
    def profile(self) -> str:
        """The original's profile name."""
        return str(self.document["profile"])

    @property
    def options(self) -> dict[str, Any]:
        """The options of the conversion; a missing one means the profile's default."""
        return dict(self.document["options"])

    @property
    def voice(self) -> dict[str, Any]:
        """kind, rate, version, f0, index and the sha256 of every weight file."""
        return dict(self.document["voice"])

    @property
    def input(self) -> dict[str, Any]:
        """file, sha256, source and licence of the input."""
        return dict(self.document["input"])

    @property
    def meta(self) -> dict[str, Any]:
        """Everything of case.json but its tensors."""
        return {name: value for name, value in self.document.items() if name not in ("tensors", "format")}

    @property
    def facts(self) -> stages.Facts:
        """What determines the tensors that the golden must hold."""
        return stages.facts(self.document)

    def as_stored(self, name: str, value: Array) -> Array:
        """A candidate's value of a tensor, reduced as the golden's is; unchanged where it has another shape."""
        reduction = reductions.of(self.document, name)
        return value if reduction is None or value.shape != reduction.shape else reduction.reduce(value)

    def entry(self, name: str) -> dict[str, Any]:
        """dtype, shape, axes, unit, step, sha256 and recipe of one tensor."""
        return dict(self._entries[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Array:
        if name not in self._entries:
            raise KeyError(name)
        if name not in self._values:
            self._values[name] = self._read(name)
        return self._values[name]

    def check(self) -> "Case":
        """Read every tensor once, so that a damaged one raises GoldenError now; returns the case itself."""
        for name in self:
            self[name]
        return self

    def after(self, made: NamedArrays) -> "Case":
        """The same case, with the tensors that a run made in place of the golden's.

        A stage of a realtime stream that is run on it continues from that run's state. Names that the golden lacks are
        ignored.
        """
        other = Case(self.folder, self.document)
        other._values = self._values | {name: value for name, value in made.items() if name in self._entries}
        return other

    def _read(self, name: str) -> Array:
        entry = self._entries[name]
        shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
        if entry["stored"]["how"] == "data":
            value = self._stored(name)
            if value.dtype != dtype or value.shape != shape:
                raise GoldenError(
                    f"{name} of {self.folder.name} is {value.dtype}{list(value.shape)} in {DATA_NAME}, but {JSON_NAME} "
                    f"states {dtype}{list(shape)}; record the case again"
                )
        else:
            value = self._make(name, entry["stored"], shape, dtype)
        if digest(value) != entry["sha256"]:
            raise GoldenError(
                f"{name} of {self.folder.name} does not match its sha256 in {JSON_NAME}; "
                "restore the file, or install rvc-parity-goldens again"
            )
        value.flags.writeable = False
        return value

    def _make(self, name: str, recipe: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A tensor computed by its recipe."""
        try:
            made = recipes.make(recipe, shape, self.__getitem__, self._stored)
            return np.ascontiguousarray(made.astype(dtype).reshape(shape))
        except (KeyError, ValueError, TypeError, IndexError, RecursionError) as error:
            raise GoldenError(
                f"{name} of {self.folder.name} cannot be made from its recipe {dict(recipe)}: {error}; "
                "record the case again"
            ) from error

    def _stored(self, name: str) -> Array:
        """An array of tensors.safetensors: a tensor, or a part from which a recipe computes one."""
        path = self.folder / DATA_NAME
        try:
            with safe_open(path, framework="numpy") as file:
                value: Array = file.get_tensor(name)
        except FileNotFoundError:
            raise GoldenError(f"{path} is missing beside {JSON_NAME}; restore it or record the case again") from None
        except (SafetensorError, TypeError) as error:  # TypeError: a name or a type of numbers that NumPy lacks
            raise GoldenError(
                f"{name} cannot be read from {path}: {error}; restore it or record the case again"
            ) from None
        return value.copy()


class MemoryCase(Case):
    """A case made of a trace's tensors, without files. Nothing that the trace lacks is required of a candidate."""

    def __init__(self, document: Mapping[str, Any], tensors: NamedArrays) -> None:
        entries = {name: {"dtype": value.dtype.name, "shape": list(value.shape)} for name, value in tensors.items()}
        missing = [name for name in stages.expected(stages.facts(document)) if name not in tensors]
        absent = dict.fromkeys(missing, "the trace has none")
        super().__init__(Path(str(document["name"])), {**document, "tensors": entries, "absent": absent})
        self._values = dict(tensors)


def open_case(folder: str | Path) -> Case:
    """Open a golden. Its JSON is checked here, each tensor when it is read (or all by `Case.check`).

    Raises:
        GoldenError: there is no case.json, or it is not JSON, does not fit the schema, or names an unknown tensor.
    """
    folder = Path(folder)
    path = folder / JSON_NAME
    try:
        document = parse_file(path)
    except FileNotFoundError:
        raise GoldenError(f"{folder} holds no {JSON_NAME}, so it is no golden; name the folder of one case") from None
    except json.JSONDecodeError as error:
        raise GoldenError(f"{path} is not JSON ({error}); restore it or record the case again") from None
    if wrong := closed_schema.check(document, case_schema.schema()):
        raise GoldenError(f"{path} does not fit the schema of {case_schema.FORMAT}: {wrong[0]}")
    for name in document["tensors"]:
        if not stages.is_known(name):
            raise GoldenError(f"{path} holds {name!r}, which is not in the stage table{_nearest(name, document)}")
    return Case(folder, document)


def _nearest(name: str, document: Mapping[str, Any]) -> str:
    """The end of a message about an unknown name: the most similar name of the stage table, if any."""
    table = stages.expected(stages.facts(document))
    near = difflib.get_close_matches(name, table, 1)
    return f" (nearest: {near[0]!r}); was a stage renamed?" if near else "; was a stage renamed?"


def cases(root: str | Path, only: str | None = None) -> list[Path]:
    """The folders of all goldens below `root`, sorted by name; with `only`, those whose name contains that text."""
    folders = sorted(path.parent for path in Path(root).glob(f"*/{JSON_NAME}") if not path.parent.name.startswith("."))
    return [folder for folder in folders if only is None or only in folder.name]


def save_case(folder: str | Path, tensors: NamedArrays, meta: Mapping[str, Any]) -> Case:
    """Write a golden. Afterwards the folder holds all of it; where writing fails, it is as it was before.

    Args:
        folder: the folder of the case; its name is the name of the case.
        tensors: every tensor of the recording by its full name, noise included, in any order.
        meta: the fields of case.json other than `format` and `tensors`; missing `segments` and `blocks` are counted.
    Returns:
        the case, read from disk and checked.
    Raises:
        GoldenError: a tensor is unknown, missing, empty, not finite or of a wrong dtype, or `meta` does not fit
            the schema.
    """
    folder = Path(folder)
    prefixes = stages.prefixes_of(tensors)
    counted = {
        "segments": sum(stages.scope_of(prefix) is Scope.SEGMENT for prefix in prefixes),
        "blocks": sum(stages.scope_of(prefix) is Scope.BLOCK for prefix in prefixes),
    }
    meta = counted | dict(meta)
    if wrong := closed_schema.check(meta, case_schema.meta_schema()):
        raise GoldenError(f"the meta of {folder.name} does not fit {case_schema.FORMAT}: {wrong[0]}")
    values = {name: np.ascontiguousarray(tensors[name]).reshape(np.shape(tensors[name])) for name in tensors}
    _refuse_bad(folder.name, values, meta)
    entries: dict[str, Any] = {}
    data: dict[str, Array] = {}
    for name in _in_order(values):
        recipe, parts = recipes.find(name, values[name], values, meta)
        data |= {name: values[name]} if recipe["how"] == "data" else parts
        entries[name] = _entry(name, values[name], recipe, meta)
    document = {"format": case_schema.FORMAT, **meta, "tensors": entries}
    _write(folder, document, data)
    return open_case(folder).check()


def _in_order(values: NamedArrays) -> list[str]:
    """Names in the order of case.json: inputs by name, then the other tensors in the order of the conversion."""
    order = stages.names(stages.prefixes_of(values))
    inputs = [name for name in values if stages.is_input(name)]
    return sorted(inputs) + [name for name in order if name in values]


def _refuse_bad(case: str, values: NamedArrays, meta: Mapping[str, Any]) -> None:
    """Raise GoldenError unless the tensors are those that the stage table requires of this case."""
    if not values:
        raise GoldenError(f"{case} holds no tensor at all; was the original run?")
    for name, value in values.items():
        if not stages.is_known(name):
            near = _nearest(name, meta)
            raise GoldenError(f"{case} was recorded with {name!r}, which is not in the stage table{near}")
        row = stages.tensor(name)
        if value.dtype.name not in row.dtypes:
            right = " or ".join(row.dtypes)
            raise GoldenError(f"{name} of {case} is {value.dtype.name}, but the stage table requires {right}")
        if value.size == 0 and name != "segment.cuts":
            raise GoldenError(f"{name} of {case} is empty; was the original interrupted?")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise GoldenError(f"{name} of {case} holds NaN or infinity; the original failed here")
    absent = set(meta.get("absent", {}))
    missing = [name for name in stages.expected(stages.facts(meta)) if name not in values and name not in absent]
    if missing:
        some = ", ".join(missing[:5])
        raise GoldenError(f"{case} lacks {some}, which this conversion must have; was a tap not reached?")


def _entry(name: str, value: Array, recipe: recipes.Recipe, meta: Mapping[str, Any]) -> dict[str, Any]:
    row = stages.tensor(name)
    return {
        "dtype": value.dtype.name,
        "shape": list(value.shape),
        "axes": list(row.axes),
        "unit": row.unit,
        "step": time_axes.step(name, meta),
        "sha256": digest(value),
        "stored": recipe,
    }


def _write(folder: Path, document: Mapping[str, Any], data: NamedArrays) -> None:
    """Write both files into a new folder, then swap it in by two renames; the next call repairs an interrupted swap."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    new = fresh_folder(folder)
    try:
        new.chmod(0o755)
        tensor_file.write({name: np.ascontiguousarray(value) for name, value in data.items()}, new / DATA_NAME)
        (new / JSON_NAME).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for path in (new / DATA_NAME, new / JSON_NAME):
            path.chmod(0o644)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
