"""Retrieval: content features (n, C) → features blended with similar ones of the voice (1, n, C), docs/spec/04.

The index is searched by faiss; the index file itself sets the number of lists that are probed. Its vectors stay on
disk, mapped into memory. faiss is imported when an index is loaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput
from rvc.retrieval import index_file, index_probe, index_reading
from rvc.weights.other_files import refuse_other_file
from rvc.weights.recognizers import Role, refuse_folder

NEIGHBORS = 8  # index vectors retrieved for each frame (docs/spec/04 §4.2)
FRAMES_AT_ONCE = 256  # frames whose neighbors are in memory at the same time

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Metric = Literal["l2", "inner product", "cosine"]
ExactHits = Literal["finite", "nan"]


class Index:
    """A searchable set of content features of the voice.

    Attributes:
        width: C, the number of channels of a vector.
        total: V, the number of vectors.
        metric: the metric of the faiss index; "cosine" is an inner product of unit vectors.
        irregular: how many vectors hold NaN or infinity or are in no list; these are no neighbors of any frame.
    """

    def __init__(
        self, index: Any, name: str = "the index", *, irregular: int = 0, matrix: Floats | None = None
    ) -> None:
        """Wrap a faiss index.

        Args:
            index: a faiss index.
            name: its name in messages.
            irregular: the number of its vectors that hold NaN or infinity.
            matrix: float32 (V, C), all vectors; None reads single vectors from the index when they are needed, which
                is exact for vectors that are stored as float32.
        Raises:
            BadInput: the index has no vectors.
        """
        import faiss

        self.faiss = index
        self.owner = index  # keeps the memory of `index` alive
        self.name = name
        self.width = int(index.d)
        self.total = int(index.ntotal)
        self.irregular = irregular
        self.matrix = matrix
        if self.total == 0:
            raise BadInput(empty(name, index.is_trained))
        self.lists = index_reading.inverted_lists(index)
        if self.lists is not None and matrix is None:
            self.lists.set_direct_map_type(faiss.DirectMap.NoMap)  # type: ignore[attr-defined]
            self.lists.make_direct_map(True)
        if self.lists is not None:
            stored = faiss.downcast_InvertedLists(self.lists.invlists)
            if hasattr(stored, "prefetch_nthread"):  # lists on disk: faiss starts no prefetch threads
                stored.prefetch_nthread = 0  # the operating system reads mapped pages ahead
        self.metric: Metric = "l2" if index.metric_type == faiss.METRIC_L2 else "inner product"
        if self.metric == "inner product" and self._is_unit():
            self.metric = "cosine"

    @property
    def warnings(self) -> list[str]:
        """What the user should know of the index, one sentence each."""
        if not self.irregular:
            return []
        return [
            f"{self.irregular} of {self.total} vectors of the index {self.name} hold NaN or infinity, or are in no "
            "list for that reason; they are not used"
        ]

    def search(self, features: Floats) -> tuple[Floats, Ids]:
        """Find the eight nearest vectors of each frame, nearest first.

        An inner-product index returns the squared distances to the vectors of largest product; a cosine index returns
        those between unit vectors.

        Args:
            features: float32 (n, C).
        Returns:
            Squared distances, float32 (n, 8), and ids, int64 (n, 8); a missing neighbor has FLT_MAX and -1.
        Raises:
            BadInput: the index has another number of channels, or gives neighbors that it does not hold.
        """
        self.refuse_other_width(features.shape[1])
        query = np.ascontiguousarray(features, np.float32)
        if self.metric == "cosine":
            query = query / np.maximum(np.linalg.norm(query, axis=1, keepdims=True), np.float32(1e-12))
        try:
            distances, ids = index_reading.nearest(self.faiss, query, NEIGHBORS)
        except BadInput as refusal:
            raise BadInput(f"{self.name} {refusal}") from None
        if self.irregular:
            missing = ~np.isfinite(distances) | (distances >= np.finfo(np.float32).max)
            distances = np.where(missing, np.finfo(np.float32).max, distances)
            ids = np.where(missing, -1, ids)
        if self.metric != "l2":
            distances, ids = self._as_distances(query, ids)
        return distances, ids

    def vectors(self, ids: Ids) -> Floats:
        """The stored vectors of these ids: float32 (…, C); id -1 returns the last vector, as in the originals."""
        valid = np.ascontiguousarray(np.where(ids < 0, self.total - 1, ids).ravel(), np.int64)
        vectors: Floats = self.faiss.reconstruct_batch(valid) if self.matrix is None else self.matrix[valid]
        unused = np.ones(len(valid), bool) if self.irregular else (ids < 0).ravel()
        if unused.any():  # a missing neighbor has the weight 0, and 0·NaN is NaN
            vectors[unused & ~np.isfinite(vectors).all(axis=1)] = 0
        return vectors.reshape(*ids.shape, self.width)

    def refuse_other_width(self, width: int) -> None:
        """Raise BadInput unless content features of that many channels fit the index."""
        if width != self.width:
            raise BadInput(
                f"content features have {width} channels, but the index {self.name} has {self.width}; "
                "was the index built for another model version?"
            )

    def _is_unit(self) -> bool:
        sample = self.vectors(np.linspace(0, self.total - 1, min(self.total, 64)).astype(np.int64))
        return bool(np.allclose(np.linalg.norm(sample, axis=1), 1, atol=1e-4))

    def _as_distances(self, query: Floats, ids: Ids) -> tuple[Floats, Ids]:
        """Squared L2 distances between each query and its neighbors, in ascending order, and the ids in that order."""
        distances = np.full(ids.shape, np.finfo(np.float32).max, np.float32)
        for first in range(0, len(query), FRAMES_AT_ONCE):
            frames = slice(first, first + FRAMES_AT_ONCE)
            squared = np.square(self.vectors(ids[frames]) - query[frames, None]).sum(axis=2)
            distances[frames] = np.where(ids[frames] < 0, distances[frames], squared)
        order = np.argsort(distances, axis=1, kind="stable")
        return np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1)


def load_index(path: str | Path) -> Index:
    """Load a faiss index file; vectors of float32 are mapped into memory, those of other kinds are decoded into it.

    Raises:
        BadInput: the file is missing, damaged, empty, not an index, or of a kind or metric that faiss or retrieval
            cannot use.
    """
    path = Path(path)
    header = examine(path)
    problems = list(header.problems)
    irregular = 0
    if header.is_checked:
        irregular = 0 if problems else header.count_irregular()
    else:
        facts = index_probe.probe(path, header.describe())
        problems, irregular = facts["problems"], facts["irregular"]
    if problems:
        raise BadInput(f"{path.name} {'; it '.join(problems)}; {index_file.BUILD_AGAIN}")
    if irregular and irregular == header.total:
        raise BadInput(f"all vectors of {path.name} hold NaN or infinity; {index_file.BUILD_AGAIN}")
    try:
        index, owner = index_reading.open_index(path)
        is_exact = header.is_checked and not header.absent
        matrix = None if is_exact or not index.ntotal else index_reading.all_vectors(index)
    except index_reading.FAISS_ERRORS as error:
        reason = index_reading.short_reason(error)
        raise BadInput(f"{path} is not an index that faiss can read ({reason})") from None
    loaded = Index(index, path.name, irregular=irregular, matrix=matrix)
    loaded.owner = owner
    return loaded


def examine(path: Path) -> index_file.IndexFile:
    """Read an index file's header, see `rvc.retrieval.index_file.read`.

    Raises:
        BadInput: the file is missing, not an index, damaged, or of a kind or metric that retrieval cannot use.
    """
    refuse_folder(path, Role.INDEX)
    if not path.is_file():
        raise BadInput(f"there is no index {path}")
    refuse_other_file(path, Role.INDEX)
    with path.open("rb") as file:
        start = file.read(4)
    if not re.fullmatch(rb"I[A-Za-z][A-Za-z0-9]{2}", start):
        raise BadInput(f"{path} is not an index that faiss can read; {index_file.BUILD_AGAIN}")
    return index_file.read(path)


def empty(name: str, is_trained: bool) -> str:
    """The message for an index without vectors."""
    if is_trained:
        return f"{name} has no vectors, only trained centers; use the file whose name begins with 'added'"
    return f"{name} has no vectors; {index_file.BUILD_AGAIN}"


def weights(distances: Floats, exact_hits: ExactHits = "finite") -> Floats:
    """The weight of each neighbor: the inverse square of its squared distance, divided by the sum over the neighbors.

    Args:
        distances: float32 (n, 8), squared.
        exact_hits: what to do where a frame equals a vector (inf/inf) or has no neighbor (0/0). "nan" returns NaN, as
            the originals do. "finite" returns the limit: equal vectors share the weight; without neighbors it is 0.
    Returns:
        float32 (n, 8), with a sum of 1 in each row that has a neighbor.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        raw = np.square(1 / distances)
        weights: Floats = raw / raw.sum(axis=1, keepdims=True)
    irregular = ~np.isclose(weights.sum(axis=1), 1)  # True for a sum of NaN too
    if exact_hits == "finite" and irregular.any():
        weights[irregular] = _finite_weights(distances[irregular])
    return weights


def mean(weights: Floats, ids: Ids, index: Index) -> Floats:
    """The weighted mean of each frame's neighbors, summed from the nearest to the farthest.

    Args:
        weights: float32 (n, 8).
        ids: int64 (n, 8).
        index: the index whose vectors `ids` number.
    Returns:
        float32 (n, C).
    """
    result = np.empty((len(ids), index.width), np.float32)
    for first in range(0, len(ids), FRAMES_AT_ONCE):
        frames = slice(first, first + FRAMES_AT_ONCE)
        result[frames] = (index.vectors(ids[frames]) * weights[frames, :, None]).sum(axis=1)
    return result


def blend(features: Floats, mean: Floats, rate: float, weights: Floats | None = None) -> Floats:
    """Mix content features with the retrieved ones.

    Args:
        features: float32 (1, n, C) or (n, C), one frame per 20 ms.
        mean: float32 (n, C), the weighted mean of each frame's neighbors.
        rate: 0 keeps `features`, 1 replaces them.
        weights: float32 (n, 8); frames whose weights are all 0, which have no neighbor, keep their features. None
            mixes every frame.
    Returns:
        float32 (1, n, C).
    """
    features = features.reshape(1, *mean.shape)
    blended = mean[None] * np.float32(rate) + np.float32(1 - rate) * features
    if weights is not None:
        without_neighbor = ~weights.any(axis=1)  # False for NaN weights, so that NaN reaches the result
        blended[0, without_neighbor] = features[0, without_neighbor]
    return blended


def _finite_weights(distances: Floats) -> Floats:
    """`weights` for rows where its formula gives NaN or a sum other than 1: float32 (n, 8).

    Computed in float64 from the ratios to the nearest distance, which do not overflow.
    """
    wide = distances.astype(np.float64)
    nearest = wide.min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(wide == nearest, 1.0, nearest / wide) ** 2
    ratio[wide >= np.finfo(np.float32).max] = 0
    total = ratio.sum(axis=1, keepdims=True)
    weights = np.divide(ratio, total, out=np.zeros_like(ratio), where=total > 0)
    return np.asarray(weights, np.float32)
