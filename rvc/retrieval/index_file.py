"""Read the header of a faiss file without faiss: its kind and sizes, and whether they agree with the file's bytes.

faiss trusts a file's numbers and can end the process on a wrong one. The kinds that RVC's trainers write, vectors of
float32 with or without inverted lists (`LAYOUTS`), are followed here to their last byte; what disagrees is refused.
Every other kind is first opened in a child process (`rvc.retrieval.index_probe`). Numbers are little-endian.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput

HEADER = "<i q q q ? i"  # dimension, vectors, two unused numbers, whether it is trained, metric
METRICS = {  # faiss::MetricType; RVC's indexes have 1, a few tools write 0
    0: "inner product",
    1: "L2",
    2: "L1",
    3: "Linf",
    4: "Lp",
    20: "Canberra",
    21: "Bray-Curtis",
    22: "Jensen-Shannon",
    23: "Jaccard",
    24: "L2 without NaN",
    25: "Gower",
}
USABLE_METRICS = (0, 1)  # METRIC_INNER_PRODUCT and METRIC_L2 of faiss, the metrics that a conversion searches by
METRIC_ARGUMENT = 2  # metrics from this number on have a float32 argument in the header
WIDEST = 1 << 16  # channels of a vector; content features have 256 or 768
READ_AT_ONCE = 1 << 22  # numbers of an index that are checked at a time, 16 MB
BUILD_AGAIN = "build an index with `rvc index build`"


class Reading(Enum):
    """How the files of a kind are handled."""

    CHECKED = "its bytes are checked here, then faiss reads it"
    PROBED = "a child process opens it first"
    REFUSED = "it holds no vectors of content features"


@dataclass(frozen=True)
class IndexKind:
    """One of the four-letter codes with which a faiss file begins.

    Attributes:
        what: the kind in words, with its article.
        reading: how its files are handled.
    """

    what: str
    reading: Reading = Reading.PROBED


KINDS = {
    "IxF2": IndexKind("a flat index", Reading.CHECKED),
    "IxFI": IndexKind("a flat index", Reading.CHECKED),
    "IxFl": IndexKind("a flat index", Reading.CHECKED),
    "IwFl": IndexKind("an IVF index", Reading.CHECKED),
    "IxHe": IndexKind("an LSH index, which keeps only signs of content features", Reading.REFUSED),
    "IxHE": IndexKind("an LSH index, which keeps only signs of content features", Reading.REFUSED),
    "IwSh": IndexKind("a spectral hash, which keeps only signs of content features", Reading.REFUSED),
    "IxPT": IndexKind("an index with a transform before it (PCA, OPQ, ITQ, rotation, normalization)"),
    "IxMp": IndexKind("an index with a table of ids (IDMap)"),
    "IxM2": IndexKind("an index with a table of ids (IDMap2)"),
    "IxRF": IndexKind("an index with refinement"),
    "IxSQ": IndexKind("a scalar quantizer"),
    "IwSq": IndexKind("an IVF index of a scalar quantizer"),
    "IwSQ": IndexKind("an IVF index of a scalar quantizer"),
    "IvSQ": IndexKind("an IVF index of a scalar quantizer"),
    "IxPq": IndexKind("a product quantizer"),
    "IxPQ": IndexKind("a product quantizer"),
    "IxPo": IndexKind("a product quantizer"),
    "IPfs": IndexKind("a product quantizer with fast scan"),
    "IwPQ": IndexKind("an IVF index of a product quantizer"),
    "IvPQ": IndexKind("an IVF index of a product quantizer"),
    "IwQR": IndexKind("an IVF index of a product quantizer with refinement"),
    "IvQR": IndexKind("an IVF index of a product quantizer with refinement"),
    "IwPf": IndexKind("an IVF index of a product quantizer with fast scan"),
    "IxRq": IndexKind("a residual quantizer"),
    "IxRQ": IndexKind("a residual quantizer"),
    "IwRQ": IndexKind("an IVF index of a residual quantizer"),
    "IxLS": IndexKind("a local search quantizer"),
    "IwLS": IndexKind("an IVF index of a local search quantizer"),
    "IxPR": IndexKind("a product of residual quantizers"),
    "IwPR": IndexKind("an IVF index of a product of residual quantizers"),
    "IxPL": IndexKind("a product of local search quantizers"),
    "IwPL": IndexKind("an IVF index of a product of local search quantizers"),
    "IxLa": IndexKind("a lattice quantizer"),
    "Ix2L": IndexKind("a two-layer quantizer"),
    "Ixrq": IndexKind("a RaBitQ index"),
    "Irfn": IndexKind("a RaBitQ index with fast scan"),
    "Iwrq": IndexKind("an IVF index of RaBitQ"),
    "Iwrn": IndexKind("an IVF index of RaBitQ with fast scan"),
    "IxFP": IndexKind("a flat Panorama index"),
    "IwP2": IndexKind("an IVF Panorama index"),
    "IwFd": IndexKind("an IVF index without duplicates"),
    "IvFl": IndexKind("an IVF index of an old format"),
    "IvFL": IndexKind("an IVF index of an old format"),
    "IHNf": IndexKind("an HNSW index"),
    "IHNp": IndexKind("an HNSW index of a product quantizer"),
    "IHNs": IndexKind("an HNSW index of a scalar quantizer"),
    "IHN2": IndexKind("an HNSW index of a two-layer quantizer"),
    "IHNc": IndexKind("an HNSW index of CAGRA"),
    "INSf": IndexKind("an NSG index"),
    "INSp": IndexKind("an NSG index of a product quantizer"),
    "INSs": IndexKind("an NSG index of a scalar quantizer"),
    "INNf": IndexKind("an NN-descent index"),
}
BINARY = IndexKind("a binary index, which compares bits", Reading.REFUSED)  # codes that begin with IB
UNKNOWN = IndexKind("a faiss index of an unknown kind")


class UnusableIndex(BadInput):
    """An index that is not damaged, but from which retrieval cannot read the vectors of content features."""


@dataclass
class IndexFile:
    """What a faiss file states about itself.

    Attributes:
        path: the file.
        code: the four letters at its start.
        width: channels of a vector.
        total: number of vectors.
        metric: number of the metric, a key of `METRICS`.
        is_trained: whether the file states that it is trained.
        lists: number of inverted lists, None for a kind without them or a kind that is not followed here.
        probes: lists that a search visits, as `lists`.
        is_checked: whether the file was followed to its last byte.
        spans: where vectors lie, (offset, number of vectors); for a checked file.
        absent: vectors of a checked file that are in no list; faiss counts those that hold NaN and stores none of them.
        problems: contradictions, each a phrase that follows the file's name in a message.
    """

    path: Path
    code: str
    width: int
    total: int
    metric: int
    is_trained: bool
    lists: int | None = None
    probes: int | None = None
    is_checked: bool = False
    spans: list[tuple[int, int]] = field(default_factory=list)
    absent: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def kind(self) -> IndexKind:
        """The entry of `KINDS`."""
        return kind_of(self.code)

    @property
    def metric_name(self) -> str:
        """The metric in words."""
        return METRICS.get(self.metric, f"metric {self.metric}")

    def describe(self) -> str:
        """The kind in words, with its code."""
        return f"{self.kind.what} ({self.code})"

    def vectors(self) -> Iterator[npt.NDArray[np.float32]]:
        """The vectors of a checked file in pieces, float32 (n, width); the file is read, not mapped."""
        step = max(READ_AT_ONCE // self.width, 1)
        with self.path.open("rb") as file:
            for offset, count in self.spans:
                file.seek(offset)
                for first in range(0, count, step):
                    rows = min(step, count - first)
                    yield np.fromfile(file, "<f4", rows * self.width).reshape(-1, self.width)

    def count_irregular(self, complete: bool = False) -> int:
        """The number of vectors of a checked file that hold NaN or infinity, or are in no list.

        faiss puts no such vector into a list, and a search returns none. The vectors in lists, of which a file may hold
        gigabytes, are therefore read only for a `complete` count.
        """
        if self.lists is not None and not complete:
            return self.absent
        return self.absent + sum(irregular(rows) for rows in self.vectors())


def irregular(rows: npt.NDArray[np.float32]) -> int:
    """The number of vectors, float32 (n, C), that hold NaN or infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(rows.sum(dtype=np.float64)):
            return 0
    return int((~np.isfinite(rows)).any(axis=1).sum())


def code_of(path: Path) -> str:
    """The four letters at the start of a faiss file."""
    with path.open("rb") as file:
        return file.read(4).decode("latin1")


def kind_of(code: str) -> IndexKind:
    """The kind of a four-letter code."""
    return BINARY if code.startswith("IB") else KINDS.get(code, UNKNOWN)


def read(path: Path) -> IndexFile:
    """Read a faiss file's header, and follow the kinds of `Reading.CHECKED` to their last byte.

    Raises:
        BadInput: the file is cut short or damaged, or of a kind or a metric that retrieval cannot use.
    """
    with path.open("rb") as file:
        cursor = _Cursor(file, path.name)
        try:
            return _read(path, cursor)
        except _Unfollowed as unfollowed:
            return unfollowed.header


def _read(path: Path, cursor: _Cursor) -> IndexFile:
    code = cursor.code()
    kind = kind_of(code)
    if kind.reading is Reading.REFUSED:
        raise UnusableIndex(f"{path.name} is {kind.what} ({code}), from which no features can be read; {BUILD_AGAIN}")
    header = _header(path, cursor, code)
    if header.metric not in USABLE_METRICS:
        raise UnusableIndex(
            f"{path.name} compares vectors by {header.metric_name}, expected L2 or inner product; {BUILD_AGAIN}"
        )
    if kind.reading is Reading.PROBED:
        return header
    LAYOUTS[code](header, cursor)
    header.is_checked = True
    if not header.is_trained:
        header.problems.append("is marked as not trained")
    return header


def _header(path: Path, cursor: _Cursor, code: str) -> IndexFile:
    width, total, _, _, trained, metric = cursor.numbers(HEADER)
    if metric >= METRIC_ARGUMENT:
        cursor.skip(4)
    if not 0 < width <= WIDEST or total < 0:
        raise BadInput(f"{path.name} states {total} vectors of {width} channels; it is damaged, download it again")
    return IndexFile(path, code, width, total, metric, trained != 0)


def _flat(header: IndexFile, cursor: _Cursor) -> None:
    """Follow the vectors of a flat index: their number of floats, then the floats."""
    (floats,) = cursor.numbers("<Q")
    header.spans = [(cursor.position, header.total)]
    if floats != header.width * header.total:
        stored = floats / header.width
        raise BadInput(
            f"{header.path.name} declares {header.total} vectors, but holds {stored:.10g}; the index is damaged, build "
            "it again"
        )
    cursor.skip(4 * floats)


def _inverted(header: IndexFile, cursor: _Cursor) -> None:
    """Follow an IVF index: the centers of its lists, a table of ids, the lists' sizes, then each list."""
    lists, probes = cursor.numbers("<QQ")
    header.lists, header.probes = lists, probes
    code = cursor.code()
    if kind_of(code).reading is not Reading.CHECKED or code == "IwFl":
        raise _Unfollowed(header)  # the centers are in an index of their own kind
    centers = _header(header.path, cursor, code)
    _flat(centers, cursor)
    if (centers.width, centers.total) != (header.width, lists):
        header.problems.append(
            f"declares {lists} lists of {header.width} channels, but has {centers.total} centers of {centers.width}"
        )
    kind, entries = cursor.numbers("<BQ")
    cursor.skip(8 * entries)
    if kind == 2:  # a hash table of (id, place)
        (pairs,) = cursor.numbers("<Q")
        cursor.skip(16 * pairs)
    form = cursor.code()
    if form == "ilod":
        raise UnusableIndex(f"{header.path.name} keeps its vectors in another file; {BUILD_AGAIN}")
    if form == "il00":
        sizes = np.zeros(0, np.int64)
    elif form == "ilar":
        sizes = _list_sizes(header, cursor, lists)
    else:
        raise _Unfollowed(header)
    numbers: list[npt.NDArray[np.int64]] = []
    for size in sizes.tolist():
        if size:
            header.spans.append((cursor.position, size))
            cursor.skip(4 * header.width * size)
            numbers.append(cursor.array("<i8", size))
    ids = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
    header.problems += id_problems(ids, header.total)
    header.absent = header.total - len(ids)
    if probes < 1:
        header.problems.append("probes no list")


def _list_sizes(header: IndexFile, cursor: _Cursor, lists: int) -> npt.NDArray[np.int64]:
    """The number of vectors in each list that is not empty, int64 (n,)."""
    stored, code_size = cursor.numbers("<QQ")
    if (stored, code_size) != (lists, 4 * header.width):
        raise BadInput(
            f"{header.path.name} declares {lists} lists of {4 * header.width} bytes for a vector, but stores {stored} "
            f"of {code_size}; the index is damaged, build it again"
        )
    form = cursor.code()
    (count,) = cursor.numbers("<Q")
    sizes = cursor.array("<i8", count)
    if form == "sprs":  # pairs of a list's number and its size
        numbers, sizes = sizes[0::2], sizes[1::2]
        is_right = len(numbers) == len(sizes) and bool(((numbers >= 0) & (numbers < lists)).all())
    else:
        is_right = form == "full" and count == lists
    if not is_right or (sizes < 0).any():
        raise BadInput(f"{header.path.name} has a table of lists that does not fit them; the index is damaged")
    return sizes


def id_problems(ids: npt.NDArray[np.int64], total: int) -> list[str]:
    """A phrase for ids that are not different numbers from 0 to total − 1; none when they are.

    faiss counts vectors that hold NaN and puts them into no list, so that fewer ids than `total` are accepted, but not
    less than half.

    Args:
        ids: int64 (n,), the ids of the vectors that are stored.
        total: the number of vectors that the index declares.
    """
    if not total <= 2 * len(ids) <= 2 * total:
        return [f"declares {total} vectors, but its lists hold {len(ids)}"]
    ordered = np.sort(ids)
    if (ordered[1:] == ordered[:-1]).any():
        return [f"gives several of its vectors one number, expected the numbers 0 to {total - 1}"]
    if len(ids) and (ordered[0] < 0 or ordered[-1] >= total):
        return [
            f"numbers its vectors from {ordered[0]} to {ordered[-1]} (add_with_ids of faiss), expected 0 to {total - 1}"
        ]
    return []


LAYOUTS = {"IxF2": _flat, "IxFI": _flat, "IxFl": _flat, "IwFl": _inverted}


class _Unfollowed(Exception):
    """A file of a checked kind that contains a part of another kind."""

    def __init__(self, header: IndexFile) -> None:
        super().__init__()
        self.header = header


class _Cursor:
    """Reads numbers one after another, and refuses to go beyond the end of the file."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        self.size = os.fstat(file.fileno()).st_size
        self.position = 0

    def code(self) -> str:
        """Four letters."""
        return self._bytes(4).decode("latin1")

    def numbers(self, form: str) -> tuple[int, ...]:
        """Numbers as `struct` describes them."""
        return struct.unpack(form, self._bytes(struct.calcsize(form)))

    def array(self, dtype: str, count: int) -> npt.NDArray[np.int64]:
        """An array of 8-byte numbers."""
        return np.frombuffer(self._bytes(8 * count), dtype).astype(np.int64)

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        self._refuse_beyond(count)
        self.position += count
        self.file.seek(self.position)

    def _bytes(self, count: int) -> bytes:
        self._refuse_beyond(count)
        data = self.file.read(count)
        self.position += count
        return data

    def _refuse_beyond(self, count: int) -> None:
        if self.position + count > self.size:
            raise BadInput(
                f"{self.name} is cut short or damaged: it has {self.size:,} bytes, and its header describes at least "
                f"{self.position + count:,}; download it again"
            )
