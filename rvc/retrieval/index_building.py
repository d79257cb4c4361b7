"""Building a retrieval index as the WebUI's trainer does, and describing one (docs/spec/04 §4.5)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.audio.output import check_target
from rvc.errors import BadInput, MissingExtra
from rvc.retrieval import search
from rvc.retrieval.search import NEIGHBORS, Floats, Index
from rvc.voice_kinds import version_of_width
from rvc.weights.whole_files import atomically

K_MEANS_ABOVE = 200_000  # vectors; more are replaced by the centers of k-means (docs/spec/04 §4.5)
CENTERS = 10_000  # centers of k-means (docs/spec/04 §4.5)
BATCH = 8192  # vectors added at a time
Report = Callable[[str, int, int], None]  # called with the step's name, and how much of it is done of how much


def no_progress(what: str, done: int, total: int) -> None:
    """A `Report` that does nothing."""


def read_features(paths: Iterable[Path]) -> Floats:
    """Read .npy files of content features (rows, C) and join them in the order of their names.

    Returns:
        float32 (V, C).
    Raises:
        BadInput: a file cannot be read or has another shape, or there are no vectors.
    """
    arrays: list[Floats] = []
    for path in sorted(paths, key=lambda path: path.name):
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read as an array: {str(error).splitlines()[0]}") from None
        if array.ndim != 2 or array.dtype.kind != "f" or array.shape[1] not in (256, 768):
            raise BadInput(f"{path} is {array.dtype} {list(array.shape)}; expected float rows of 256 (v1) or 768 (v2)")
        if arrays and array.shape[1] != arrays[0].shape[1]:
            widths = f"{array.shape[1]} channels, the files before it {arrays[0].shape[1]}"
            raise BadInput(f"{path} has {widths}; keep one version of them")
        arrays.append(array.astype(np.float32))
    if not arrays or sum(map(len, arrays)) == 0:
        raise BadInput("there are no features to index; give .npy files or recordings")
    return np.concatenate(arrays)


def lists_for(rows: int) -> int:
    """The number of inverted lists: 16·√rows, limited to one per 39 rows and at least 1 (docs/spec/04 §4.5)."""
    return max(min(int(16 * math.sqrt(rows)), rows // 39), 1)


def build(features: Floats, seed: int = 0, report: Report = no_progress) -> Any:
    """Build a trained faiss index that is searched with nprobe 1.

    The vectors are permuted with NumPy's legacy generator; more than 200,000 are replaced by 10,000 k-means centers.

    Args:
        features: float32 (V, C).
        seed: the seed of the permutation and of k-means.
        report: called with the progress of each step.
    Raises:
        BadInput: a value is not finite.
        MissingExtra: k-means is needed and scikit-learn is not installed.
    """
    import faiss

    if not np.isfinite(features).all():
        raise BadInput("the features have values that are not finite; extract them again")
    generator = np.random.RandomState(seed)  # the legacy generator, which the trainer uses
    rows = features[generator.permutation(len(features))]
    if len(rows) > K_MEANS_ABOVE:
        report("k-means", 0, 1)
        rows = _centers(rows, generator)
        report("k-means", 1, 1)
    index = faiss.index_factory(rows.shape[1], f"IVF{lists_for(len(rows))},Flat")
    faiss.extract_index_ivf(index).nprobe = 1
    report("training", 0, 1)
    index.train(rows)
    report("training", 1, 1)
    for first in range(0, len(rows), BATCH):
        index.add(rows[first : first + BATCH])
        report("adding", min(first + BATCH, len(rows)), len(rows))
    return index


def save(index: Any, path: Path) -> None:
    """Write a faiss index; on an error no file is left behind.

    Raises:
        BadInput: the file cannot be written.
    """
    import faiss

    check_target(path, "OUT", None)
    atomically(path, lambda part: faiss.write_index(index, part))


def describe(index: Index, queries: Floats | None = None) -> dict[str, Any]:
    """The kind, size and quality of an index, as plain values.

    Args:
        index: a loaded index.
        queries: float32 (n, C), the content features of a recording; None uses stored vectors to which noise of a tenth
            of their deviation is added.
    """
    ivf = index.lists
    sample = _sample(index)
    probe = queries if queries is not None else _with_noise(sample)
    distances, ids = index.search(probe)
    exact = _exhaustive(index, probe)
    nearest = distances[:, 0]
    return {
        "file": index.name,
        "kind": type(index.faiss).__name__,
        "dimension": index.width,
        "version": version_of_width(index.width) or "unknown",
        "metric": index.metric,
        "ntotal": index.total,
        "nlist": int(ivf.nlist) if ivf is not None else None,
        "nprobe": int(ivf.nprobe) if ivf is not None else None,
        "state": "added",
        "recall_at_8": _recall(ids, exact),
        "queries": "the recording" if queries is not None else "stored vectors, moved",
        "duplicates": round(_duplicates(sample), 4),
        "frames_hit_exactly": round(float((nearest == 0).mean()), 6),
        "median_distance": round(float(np.median(np.sqrt(nearest))), 4),
        "frames_with_fewer_than_8": round(float((ids < 0).any(axis=1).mean()), 4),
    }


def change(index: Index, content: Floats, rate: float = 1.0) -> dict[str, float]:
    """How much retrieval changes content features: the relative RMS of the change, and the mean cosine similarity.

    Args:
        index: a loaded index.
        content: float32 (n, C).
        rate: the index rate, 0 to 1.
    """
    distances, ids = index.search(content)
    weights = search.weights(distances)
    blended = search.blend(content, search.mean(weights, ids, index), rate, weights)[0]
    size = float(np.sqrt(np.square(content, dtype=np.float64).mean()))
    change = float(np.sqrt(np.square(blended - content, dtype=np.float64).mean()))
    lengths = np.linalg.norm(blended, axis=1) * np.linalg.norm(content, axis=1)
    cosine = (blended * content).sum(axis=1) / np.maximum(lengths, 1e-12)
    return {"relative_change": round(change / max(size, 1e-12), 4), "mean_cosine": round(float(cosine.mean()), 4)}


def _centers(rows: Floats, generator: np.random.RandomState) -> Floats:
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError:
        raise MissingExtra("index", f"k-means over {len(rows)} vectors") from None
    batch = 256 * (os.cpu_count() or 1)
    means = MiniBatchKMeans(CENTERS, batch_size=batch, init="random", compute_labels=False, random_state=generator)
    return np.asarray(means.fit(rows).cluster_centers_, np.float32)


def _recall(ids: npt.NDArray[np.int64], exact: npt.NDArray[np.int64]) -> float:
    """The share of the eight exact neighbors that the index returns too."""
    shares = [len(set(a) & set(b)) / len(b) for a, b in zip(ids, exact, strict=True)]
    return round(float(np.mean(shares)), 4)


def _sample(index: Index, count: int = 2000) -> Floats:
    chosen = np.random.default_rng(0).choice(index.total, min(index.total, count), replace=False)
    return index.vectors(np.sort(chosen).astype(np.int64))


def _with_noise(sample: Floats, count: int = 200) -> Floats:
    noise = np.random.default_rng(1).standard_normal((min(count, len(sample)), sample.shape[1]), dtype=np.float32)
    return np.asarray(sample[: len(noise)] + noise * np.float32(0.1) * sample.std(axis=0), np.float32)


def _duplicates(sample: Floats) -> float:
    return 1 - len(np.unique(sample, axis=0)) / len(sample)


def _exhaustive(index: Index, queries: Floats) -> npt.NDArray[np.int64]:
    """Ids of the eight nearest of all vectors, int64 (n, 8), by exhaustive search in batches."""
    import faiss

    if index.metric == "cosine":
        queries = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), np.float32(1e-12))
    metric = faiss.METRIC_L2 if index.metric == "l2" else faiss.METRIC_INNER_PRODUCT
    best: tuple[Any, Any] | None = None
    for first in range(0, index.total, BATCH):
        ids = np.arange(first, min(first + BATCH, index.total))
        scores, positions = faiss.knn(queries, index.vectors(ids), min(NEIGHBORS, len(ids)), metric)
        positions = positions + first
        if best is not None:
            scores = np.concatenate([best[0], scores], 1)
            positions = np.concatenate([best[1], positions], 1)
        order = np.argsort(scores if index.metric == "l2" else -scores, 1, "stable")[:, :NEIGHBORS]
        best = np.take_along_axis(scores, order, 1), np.take_along_axis(positions, order, 1)
    assert best is not None  # an Index has vectors
    return np.asarray(best[1], np.int64)
