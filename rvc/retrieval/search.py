"""Move each content frame towards the voice's own frames: features (n, C) → blended (1, n, C), docs/spec/04.

The index file is searched by faiss, with the number of lists to probe that the file itself carries; its vectors stay on
disk, mapped into memory. faiss is imported when an index is loaded, not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput

NEIGHBORS = 8
FAILURES = (RuntimeError, MemoryError)  # how faiss refuses a file
ROWS = 256  # frames whose neighbours are gathered at a time

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Metric = Literal["l2", "inner product", "cosine"]
ExactHits = Literal["finite", "nan"]


class Index:
    """A voice's frames, searchable.

    width  : C, the size of a vector;  total : V, how many there are
    metric : "cosine" is an inner product of unit vectors
    """

    def __init__(self, index: Any, name: str = "the index") -> None:
        """index : a faiss index;  name : how messages call it.  Raises BadInput for one without vectors."""
        import faiss

        self.faiss = index
        self.name = name
        self.width = int(index.d)
        self.total = int(index.ntotal)
        if self.total == 0:
            raise BadInput(f"{name} has no vectors, only trained centres; use the file whose name begins with 'added'")
        self.lists = _inverted_lists(index)
        if self.lists is not None:
            self.lists.make_direct_map(True)
            stored = faiss.downcast_InvertedLists(self.lists.invlists)
            if hasattr(stored, "prefetch_nthread"):  # mapped lists: the system reads ahead well enough without threads
                stored.prefetch_nthread = 0
        self.metric: Metric = "l2" if index.metric_type == faiss.METRIC_L2 else "inner product"
        if self.metric == "inner product" and self._is_unit():
            self.metric = "cosine"

    def search(self, features: Floats) -> tuple[Floats, Ids]:
        """The eight nearest vectors of each frame, nearest first.

        features : float32 (n, C)
        returns  : squared distances float32 (n, 8) and ids int64 (n, 8); missing neighbours are FLT_MAX and −1.
                   An inner-product index gives the squared distances to the vectors it finds most alike, a cosine index
                   those between directions.
        Raises BadInput when C does not fit.
        """
        self.refuse_other_width(features.shape[1])
        query = np.ascontiguousarray(features, np.float32)
        if self.metric == "cosine":
            query = query / np.maximum(np.linalg.norm(query, axis=1, keepdims=True), np.float32(1e-12))
        distances, ids = self.faiss.search(query, NEIGHBORS)
        if self.metric != "l2":
            distances, ids = self._as_distances(query, ids)
        return distances, ids

    def vectors(self, ids: Ids) -> Floats:
        """The stored vectors of these ids, float32 (…, C); −1 gives the last one, as in the originals."""
        wanted = np.ascontiguousarray(np.where(ids < 0, self.total - 1, ids).ravel(), np.int64)
        found: Floats = self.faiss.reconstruct_batch(wanted)
        return found.reshape(*ids.shape, self.width)

    def refuse_other_width(self, width: int) -> None:
        """Raises BadInput unless the content has as many channels as the index."""
        if width != self.width:
            raise BadInput(
                f"content has {width} channels, but this voice's index {self.name} has {self.width}; "
                "was the index built for another model version?"
            )

    def _is_unit(self) -> bool:
        sample = self.vectors(np.linspace(0, self.total - 1, min(self.total, 64)).astype(np.int64))
        return bool(np.allclose(np.linalg.norm(sample, axis=1), 1, atol=1e-4))

    def _as_distances(self, query: Floats, ids: Ids) -> tuple[Floats, Ids]:
        """Squared L2 between each query and the vectors found for it, sorted."""
        distances = np.full(ids.shape, np.finfo(np.float32).max, np.float32)
        for first in range(0, len(query), ROWS):
            rows = slice(first, first + ROWS)
            apart = np.square(self.vectors(ids[rows]) - query[rows, None]).sum(axis=2)
            distances[rows] = np.where(ids[rows] < 0, distances[rows], apart)
        order = np.argsort(distances, axis=1, kind="stable")
        return np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1)


def load_index(path: str | Path) -> Index:
    """Open a faiss index file, its vectors mapped rather than read.  Raises BadInput when it is none, or empty."""
    path = Path(path)
    index = read_index(path)
    found = faults(index)
    if found:
        raise BadInput(f"{path.name} {'; it '.join(found)}; the index is damaged, build it again")
    return Index(index, path.name)


def read_index(path: Path) -> Any:
    """The faiss index in a file, mapped where it can be; not yet checked.  Raises BadInput when it is none."""
    import faiss

    if not path.is_file():
        raise BadInput(f"there is no index {path}")
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except FAILURES:
        try:  # systems and kinds of index that cannot be mapped
            return faiss.read_index(str(path))
        except FAILURES as error:
            raise BadInput(f"{path} is not an index that faiss can read ({_last_words(error)})") from None


def faults(index: Any) -> list[str]:
    """What an inverted file claims that does not hold, each as a verb and its object; faiss checks the other kinds."""
    import faiss

    lists = _inverted_lists(index)
    if lists is None:
        return []
    found = []
    sizes = [int(lists.invlists.list_size(i)) for i in range(lists.nlist)]
    if sum(sizes) != index.ntotal:
        found.append(f"claims {index.ntotal} vectors, but its lists hold {sum(sizes)}")
    elif sizes:
        ids = [faiss.rev_swig_ptr(lists.invlists.get_ids(i), size) for i, size in enumerate(sizes) if size]
        if ids and not np.array_equal(np.sort(np.concatenate(ids)), np.arange(index.ntotal)):
            found.append(f"numbers its vectors otherwise than from 0 to {index.ntotal - 1}")
    if lists.nprobe < 1:
        found.append("probes no list")
    if not index.is_trained:
        found.append("says that it is not trained")
    return found


def weights(distances: Floats, exact_hits: ExactHits = "finite") -> Floats:
    """How much each neighbour counts: the inverse square of a squared distance, summing to 1 in each row.

    distances  : float32 (n, 8), squared
    exact_hits : "nan" keeps the originals' inf/inf where a frame meets a vector exactly, and 0/0 where none was found;
                 "finite" takes the limit: the vectors that were hit share the weight, and where none was found it is 0
    returns    : float32 (n, 8)
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        raw = np.square(1 / distances)
        shares: Floats = raw / raw.sum(axis=1, keepdims=True)
    odd = ~np.isclose(shares.sum(axis=1), 1)  # NaN is not close either
    if exact_hits == "finite" and odd.any():
        shares[odd] = _limit(distances[odd])
    return shares


def mean(weights: Floats, ids: Ids, index: Index) -> Floats:
    """The neighbours of each frame, weighted: float32 (n, C), summed in the order of nearness."""
    result = np.empty((len(ids), index.width), np.float32)
    for first in range(0, len(ids), ROWS):
        rows = slice(first, first + ROWS)
        result[rows] = (index.vectors(ids[rows]) * weights[rows, :, None]).sum(axis=1)
    return result


def blend(features: Floats, mean: Floats, rate: float, weights: Floats | None = None) -> Floats:
    """Mix retrieved and heard: float32 (1, n, C).

    features : float32 (1, n, C) or (n, C);  mean : float32 (n, C);  rate : 0 keeps the features, 1 replaces them
    weights  : where given, frames without any weight (nothing was found for them) stay as they are
    """
    features = features.reshape(1, *mean.shape)
    blended = mean[None] * np.float32(rate) + np.float32(1 - rate) * features
    if weights is not None:
        lost = ~weights.any(axis=1)  # NaN counts as weight: it is to be seen
        blended[0, lost] = features[0, lost]
    return blended


def _limit(distances: Floats) -> Floats:
    """The same weights in float64, scaled by the nearest neighbour so that nothing overflows."""
    wide = distances.astype(np.float64)
    nearest = wide.min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(wide == nearest, 1.0, nearest / wide) ** 2
    ratio[wide >= np.finfo(np.float32).max] = 0
    total = ratio.sum(axis=1, keepdims=True)
    shares = np.divide(ratio, total, out=np.zeros_like(ratio), where=total > 0)
    return np.asarray(shares, np.float32)


def _inverted_lists(index: Any) -> Any:
    """The inverted-file part of an index, or None where it has none."""
    import faiss

    try:
        return faiss.extract_index_ivf(index)
    except RuntimeError:
        return None


def _last_words(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1].strip()[:120] or type(error).__name__
