"""An IVF,Flat file is read without faiss by the layout of docs/spec/04 §4.1.1."""

import struct
from pathlib import Path

import faiss
import numpy as np
import pytest


class Reader:
    """The layout as a port reads it: little endian, without padding."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return int(value)

    def tag(self) -> str:
        self.at += 4
        return self.data[self.at - 4 : self.at].decode("ascii")

    def values(self, dtype: str, count: int) -> np.ndarray:
        made = np.frombuffer(self.data, dtype, count, self.at)
        self.at += made.nbytes
        return made

    def header(self) -> tuple[int, int]:
        """d and ntotal of an index; the metric must be L2."""
        d, ntotal = self.take("i"), self.take("q")
        assert (self.take("q"), self.take("q")) == (1 << 20, 1 << 20)
        assert self.take("B") == 1  # trained
        assert self.take("i") == 1  # L2
        return d, ntotal


def read(data: bytes) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, int]:
    """Centroids, the ids of each list, the vectors by id, and nprobe."""
    file = Reader(data)
    assert file.tag() == "IwFl"
    d, ntotal = file.header()
    nlist, nprobe = file.take("Q"), file.take("Q")
    assert file.tag() == "IxF2"
    assert file.header() == (d, nlist)
    centroids = file.values("<f4", file.take("Q")).reshape(nlist, d)
    assert file.take("B") == 0  # no map from ids to places
    assert file.take("Q") == 0
    assert file.tag() == "ilar"
    assert (file.take("Q"), file.take("Q")) == (nlist, 4 * d)
    form = file.tag()
    table = file.values("<u8", file.take("Q"))
    sizes = np.zeros(nlist, np.int64)
    if form == "full":
        sizes[:] = table
    else:
        assert form == "sprs"
        sizes[table[0::2].astype(int)] = table[1::2]
    lists, vectors = [], np.zeros((ntotal, d), np.float32)
    for size in sizes:
        codes = file.values("<f4", int(size) * d).reshape(-1, d)
        ids = file.values("<i8", int(size))
        vectors[ids] = codes
        lists.append(ids)
    assert file.at == len(data)
    return centroids, lists, vectors, nprobe


@pytest.mark.parametrize(("count", "nlist"), [(200, 4), (3, 8)])
def test_the_layout_holds_every_vector_and_centroid(tmp_path: Path, count: int, nlist: int) -> None:
    rng = np.random.default_rng(0)
    right = rng.standard_normal((count, 16)).astype(np.float32)
    quantizer = faiss.IndexFlatL2(16)
    quantizer.add(rng.standard_normal((nlist, 16)).astype(np.float32))
    index = faiss.IndexIVFFlat(quantizer, 16, nlist)
    index.is_trained = True
    index.add(right)
    faiss.write_index(index, str(tmp_path / "added.index"))
    centroids, lists, vectors, nprobe = read((tmp_path / "added.index").read_bytes())
    assert np.array_equal(vectors, right)
    assert np.array_equal(centroids, quantizer.reconstruct_n(0, nlist))
    assert (sum(map(len, lists)), nprobe) == (count, 1)
    assert all((np.diff(ids) > 0).all() for ids in lists)
