"""What an ONNX file is: the program whose interface it has, its inputs, and where its noise comes from.

The file is read as a protocol buffer, field by field, without the package onnx and without its weights. Field numbers
are those of onnx.proto (ONNX, Apache License 2.0).
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rvc.errors import BadInput

MODEL = {"ir_version": 1, "producer_name": 2, "producer_version": 3, "graph": 7, "opset_import": 8, "metadata": 14}
GRAPH = {"node": 1, "initializer": 5, "input": 11, "output": 12}
ELEMENT_TYPES = {1: "float32", 7: "int64", 10: "float16", 11: "float64", 6: "int32", 9: "bool"}
NOISE_OPERATIONS = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
MOST_FIELDS = 1 << 19  # fields that are read of a file; measured: 16 253 in a voice, 6651 in HuBERT
MAX_FIELD = 1 << 31  # bytes in one field, the limit of protocol buffers
OWN, CLASSIC, W_OKADA, MOE, UNKNOWN = (
    "rvc",
    "classic WebUI export",
    "w-okada voice changer",
    "MoeVoiceStudio / CharaMix",
    "unknown",
)


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph.

    Attributes:
        name: its name.
        dtype: the type of its elements, "?" for one that is not listed above.
        shape: a number for a fixed axis, a name for one whose length varies.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass
class OnnxFile:
    """The parts of an ONNX file that show what it is.

    Attributes:
        producer: the program that wrote it, as it states.
        opset: the version of the operations, 0 where none is stated.
        inputs, outputs: the graph's ports; weights that older files list among the inputs are left out.
        operations: names of the operations that occur.
        metadata: the file's own entries.
    """

    producer: str = ""
    ir_version: int = 0
    opset: int = 0
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> OnnxFile:
    """Read what an ONNX file is.

    Raises:
        BadInput: the file is damaged or no ONNX file.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _model(_View(content))
    except (ValueError, IndexError, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name} is no complete ONNX file ({error}); export or download it again") from None


class _View:
    """Bytes of a mapped file; slices are views of the same map, so weights are not read."""

    def __init__(
        self, content: Any, start: int = 0, stop: int | None = None, fields: Iterator[int] | None = None
    ) -> None:
        self.content, self.start = content, start
        self.stop = len(content) if stop is None else stop
        self.fields = itertools.count() if fields is None else fields  # counts the fields read of the whole file

    def __len__(self) -> int:
        return self.stop - self.start

    def part(self, first: int, last: int) -> _View:
        """The bytes first … last."""
        if last > len(self):
            raise ValueError("it ends within a field")
        return _View(self.content, self.start + first, self.start + last, self.fields)

    def byte(self, i: int) -> int:
        """One byte."""
        if i >= len(self):
            raise ValueError("it ends within a number")
        return int(self.content[self.start + i])

    def text(self) -> str:
        """All bytes as text."""
        return bytes(self.content[self.start : self.stop]).decode("utf-8")


def _fields(view: _View) -> Iterator[tuple[int, int | _View]]:
    """Field number and value of every field: a number, or the bytes of a text or a message."""
    at = 0
    while at < len(view):
        key, at = _number(view, at)
        kind, tag = key & 7, key >> 3
        if tag == 0:
            raise ValueError("it has a field without a number")
        if next(view.fields) >= MOST_FIELDS:
            raise ValueError(f"it has more than {MOST_FIELDS} fields")
        if kind == 0:
            value, at = _number(view, at)
            yield tag, value
        elif kind == 2:
            length, at = _number(view, at)
            if length > MAX_FIELD:
                raise ValueError("a field is larger than the format allows")
            yield tag, view.part(at, at + length)
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("it has a field of an unknown kind")


def _number(view: _View, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = view.byte(at)
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")


def _model(view: _View) -> OnnxFile:
    file, has_graph = OnnxFile(), False
    for tag, value in _fields(view):
        if tag == MODEL["ir_version"] and isinstance(value, int):
            file.ir_version = value
        elif isinstance(value, int):
            continue
        elif tag == MODEL["producer_name"]:
            file.producer = value.text()
        elif tag == MODEL["opset_import"]:
            file.opset = max(
                [file.opset, *(number for t, number in _fields(value) if t == 2 and isinstance(number, int))]
            )
        elif tag == MODEL["metadata"]:
            entry = {t: part.text() for t, part in _fields(value) if isinstance(part, _View)}
            file.metadata[entry.get(1, "")] = entry.get(2, "")
        elif tag == MODEL["graph"]:
            has_graph = True
            _graph(value, file)
    if not has_graph:
        raise ValueError("it has no graph")
    return file


def _graph(view: _View, file: OnnxFile) -> None:
    held: set[str] = set()
    inputs: list[Port] = []
    for tag, value in _fields(view):
        if isinstance(value, int):
            continue
        if tag == GRAPH["node"]:
            file.operations.update(part.text() for t, part in _fields(value) if t == 4 and isinstance(part, _View))
        elif tag == GRAPH["initializer"]:
            held.update(part.text() for t, part in _fields(value) if t == 8 and isinstance(part, _View))
        elif tag == GRAPH["input"]:
            inputs.append(_port(value))
        elif tag == GRAPH["output"]:
            file.outputs.append(_port(value))
    file.inputs = [port for port in inputs if port.name not in held]


def _port(view: _View) -> Port:
    name, dtype = "", "?"
    shape: tuple[int | str, ...] = ()
    for tag, value in _fields(view):
        if tag == 1 and isinstance(value, _View):
            name = value.text()
        elif tag == 2 and isinstance(value, _View):
            for _, tensor in _fields(value):
                if isinstance(tensor, _View):
                    dtype, shape = _tensor_type(tensor)
    return Port(name, dtype, shape)


def _tensor_type(view: _View) -> tuple[str, tuple[int | str, ...]]:
    dtype = "?"
    shape: list[int | str] = []
    for tag, value in _fields(view):
        if tag == 1 and isinstance(value, int):
            dtype = ELEMENT_TYPES.get(value, "?")
        elif tag == 2 and isinstance(value, _View):
            for _, dimension in _fields(value):
                length: int | str = "?"
                for t, part in _fields(dimension) if isinstance(dimension, _View) else ():
                    length = part if isinstance(part, int) else part.text() if t == 2 else length
                shape.append(length)
    return dtype, tuple(shape)


def dialect(file: OnnxFile) -> str:
    """The program whose interface a file has, one of the names above."""
    ports = {port.name: port for port in file.inputs}
    if {"content", "speaker", "noise_z"} <= set(ports):
        return OWN
    if {"feats", "p_len", "sid"} <= set(ports):
        return W_OKADA
    if {"phone", "phone_lengths", "ds"} <= set(ports):
        speakers = ports["ds"]
        is_mixed = speakers.dtype.startswith("float") or len(speakers.shape) == 2 or "vol" in ports
        return MOE if is_mixed else CLASSIC
    return UNKNOWN


def noise(file: OnnxFile) -> str:
    """Where the noise of a synthesizer comes from, and how it is scaled, in a phrase."""
    ports = {port.name for port in file.inputs}
    drawn = sorted(file.operations & set(NOISE_OPERATIONS))
    kind = dialect(file)
    if kind == OWN:
        return "inputs noise_z and noise_source, standard normal; the graph multiplies them (0.66666 and the source's)"
    if "rnd" in ports:
        inside = "; the source's noise is drawn inside" if drawn else ""
        return f"input rnd, which the graph does not scale: multiply standard normal numbers by 0.66666 (D17){inside}"
    if drawn:
        return f"drawn inside the graph ({', '.join(drawn)}), so two runs differ and no run can be repeated"
    return "none: neither an input nor an operation draws it"


def describe(path: Path) -> dict[str, object]:
    """What `rvc inspect` prints of an ONNX file.  Raises BadInput."""
    file = read(path)
    kind = dialect(file)
    fixed = [
        f"{port.name} axis {axis} is always {length}"
        for port in file.inputs
        for axis, length in enumerate(port.shape)
        if isinstance(length, int) and length > 1 and axis > 0 and not _is_channels(port, axis)
    ]
    content = next((port for port in file.inputs if port.name in ("content", "phone", "feats")), None)
    width = content.shape[-1] if content is not None and content.shape else None
    what = {
        OWN: "the synthesizer of a folder that rvc export wrote; give the folder with --model",
        UNKNOWN: "no interface that is known; --model takes the .pth from which it was exported",
    }.get(kind, "a synthesizer for another program; --model takes the .pth from which it was exported")
    return {
        "kind": "ONNX model",
        "dialect": kind,
        "producer": file.producer or None,
        "opset": file.opset,
        "ir_version": file.ir_version,
        "inputs": [f"{port.name} {port.dtype} {_shape(port)}" for port in file.inputs],
        "outputs": [f"{port.name} {port.dtype} {_shape(port)}" for port in file.outputs],
        "content_channels": width if isinstance(width, int) else None,
        "fixed_lengths": fixed,
        "noise": noise(file),
        "metadata": file.metadata,
        "missing": [] if kind == OWN else [f"{path.name} is {what}"],
        "odd": [what] if kind == OWN else [],
    }


def voice_of(path: Path) -> tuple[str, str] | None:
    """What a synthesizer in ONNX is, and what to do with it, in the words of a refusal; None for an unknown file."""
    try:
        kind = dialect(read(path))
    except BadInput:
        return None
    if kind == UNKNOWN:
        return None
    if kind == OWN:
        return "the synthesizer of a folder that rvc export wrote", "give the folder itself with --model"
    return (
        f"a voice in ONNX for another program ({kind})",
        "give the .pth from which it was exported, or the folder that rvc export --format onnx makes of that",
    )


def _is_channels(port: Port, axis: int) -> bool:
    """Whether an axis counts channels, whose number is fixed in every export, rather than time."""
    last = len(port.shape) - 1
    if port.name in ("content", "phone", "feats", "ds"):
        return axis == last
    return port.name in ("rnd", "noise_z") and axis == 1


def _shape(port: Port) -> str:
    return "(" + ", ".join(str(length) for length in port.shape) + ("," if len(port.shape) == 1 else "") + ")"
