"""Retrieval indexes without training: IVF,Flat files whose vectors lie near content features.

Uniform random vectors in 768 dimensions are all equally far from any content frame, and eight equal weights hide
most bugs. Therefore each list starts from an anchor, a content frame of the committed inputs rounded to 8 bits
(`reference/anchors.py`), and its vectors lie on the way to other anchors and beyond them, a little off the line: the
nearest eight of a list are then unequally far, as a voice's own frames are.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from parity.errors import UsageError
from parity.goldens import random_stream
from parity.voices.draw import Named

LISTS = 64
NAMES = {  # name: content version, vectors in each list; a list of fewer than 8 gives the neighbor -1
    "v1": ("v1", (40,) * LISTS),
    "v2": ("v2", (40,) * LISTS),
    "v1-short": ("v1", (5, 40, 40, 12, 40, 40, 40, 40) * (LISTS // 8)),
    "v2-short": ("v2", (5, 40, 40, 12, 40, 40, 40, 40) * (LISTS // 8)),
}
STEP = 1 / 32  # value of one step of the 8-bit anchors
_WAY = 64  # places on the line between two anchors
_FARTHEST = 6  # the line goes on to six times their distance
_SCATTER = 1.0  # deviation of the scatter in 8-bit steps


def tensors(name: str) -> Iterator[Named]:
    """The arrays of the index called `name`, C channels and V vectors.

    Yields:
        `centroids` float32 (64, C), `lists` int64 (V,) and `vectors` float32 (V, C), both in the order of ids.
    Raises:
        UsageError: there is no index of that name.
    """
    if name not in NAMES:
        raise UsageError(f"there is no index {name!r}; choose one of {', '.join(NAMES)}")
    version, counts = NAMES[name]
    anchors = load(files("parity").joinpath("data/content_anchors.safetensors").read_bytes())[version]
    if anchors.shape[0] < LISTS or anchors.dtype != np.int8:
        raise ValueError(f"content_anchors.safetensors holds {anchors.dtype} {anchors.shape} for {version}")
    steps = anchors.astype(np.int64)
    lists = np.repeat(np.arange(LISTS), counts)
    # insertion order is not list order, so that an id and a place in a list are never mistaken for each other
    lists = lists[np.argsort(random_stream.raw_numbers(f"index/{name}/order", len(lists)), kind="stable")]
    yield "centroids", (steps[:LISTS] * STEP).astype(np.float32)
    yield "lists", lists
    yield "vectors", _vectors(name, steps, lists)


def _vectors(name: str, anchors: NDArray[np.int64], lists: NDArray[np.int64]) -> NDArray[np.float32]:
    count, width = len(lists), anchors.shape[1]
    choice = random_stream.raw_numbers(f"index/{name}/pairs", 2 * count)
    other = (choice[:count] % np.uint64(len(anchors))).astype(np.int64)
    way = 4 + (choice[count:] % np.uint64(_FARTHEST * _WAY)).astype(np.int64)  # never quite at the start
    line = _WAY * anchors[lists] + way[:, None] * (anchors[other] - anchors[lists])  # exact, in 64ths of a step
    scatter = random_stream.integers(f"index/{name}/scatter", (count, width)) * (random_stream.SCALE * _SCATTER * STEP)
    return (line * (STEP / _WAY) + scatter).astype(np.float32)


def write(arrays: Mapping[str, NDArray[Any]], path: str) -> None:
    """Write the arrays of `tensors` as a FAISS `IVF64,Flat` file, L2, nprobe 1, laid out as the WebUI trains it."""
    import faiss

    centroids, vectors, lists = arrays["centroids"], arrays["vectors"], arrays["lists"]
    quantizer = faiss.IndexFlatL2(vectors.shape[1])
    quantizer.add(centroids)
    index = faiss.IndexIVFFlat(quantizer, vectors.shape[1], len(centroids), faiss.METRIC_L2)
    index.is_trained = True
    index.nprobe = 1
    stored: Any = index.invlists  # the stub allows None, which only a detached index has
    for number in range(len(centroids)):
        ids = np.flatnonzero(lists == number).astype(np.int64)
        codes = np.ascontiguousarray(vectors[ids]).view(np.uint8)
        stored.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    index.ntotal = len(vectors)
    faiss.write_index(index, path)
