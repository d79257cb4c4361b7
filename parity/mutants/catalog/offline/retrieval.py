"""Faults of retrieval: search, weights, mean, blending."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, replaced
from parity.rvc_bridge.rvc_torch import RvcTorch
from rvc.retrieval import search as retrieval
from rvc.retrieval.search import Index

Neighbors = tuple[Array, Array]  # distances float32 (frames, 8) and ids int64 (frames, 8)


def _change_neighbors(change: Callable[[Array, Array], Neighbors]) -> Patch:
    """Replace the result of the search by `change(distances, ids)`."""

    def search(original: Original, self: Index, features: Array) -> Neighbors:
        distances, ids = original(self, features)
        return change(distances, ids)

    return around(Index, "search", search)


def _change_search(
    query: Callable[[Array], Array] | None = None, distances: Callable[[Array], Array] | None = None
) -> Patch:
    """Change the query, or the distances that the search returns."""

    def search(original: Original, self: Index, features: Array) -> Neighbors:
        exact, ids = original(self, query(features) if query else features)
        return (distances(exact) if distances else exact), ids

    return around(Index, "search", search)


@contextmanager
def _search_every_list(program: RvcTorch, case: Case) -> Iterator[None]:
    """Search as many lists as the index has."""
    with program.voice(case).borrow_index() as index:
        if index is None:
            raise ValueError("this case has no index")
        with replaced(index.faiss, "nprobe", index.faiss.nlist):
            yield


def _distances_by_expansion(original: Original, self: Index, features: Array) -> Neighbors:
    """|x|² − 2 x·y + |y|² in float32, as a matrix product gives it."""
    _, ids = original(self, features)
    vectors = self.vectors(ids)
    cross = np.einsum("nc,nkc->nk", features, vectors)
    squared = np.square(features).sum(1)[:, None] - 2 * cross + np.square(vectors).sum(2)
    return np.maximum(squared, 0).astype(np.float32), ids


def _normalize_per_frame(raw: Array) -> Array:
    return np.asarray((raw / raw.sum(axis=1, keepdims=True)).astype(np.float32))


def weights_with(raw: Callable[[Array], Array]) -> Patch:
    """Weights proportional to `raw(distances)`, with a sum of 1 in each frame."""
    return around(
        retrieval, "weights", lambda original, distances, *rest: _normalize_per_frame(raw(distances.astype(np.float64)))
    )


def _nearest_only(k: int) -> Callable[[Array], Array]:
    return lambda d: np.where(np.arange(d.shape[1]) < k, 1 / d**2, 0)


def _weights_from_distances(raw: Callable[[Array], Array], added_to_sum: float = 0.0) -> Patch:
    """Weights proportional to `raw(distances)`, divided by their sum plus a number."""

    def weights(original: Original, distances: Array, *rest: object) -> Array:
        unscaled = raw(distances.astype(np.float64))
        return np.asarray((unscaled / (unscaled.sum(axis=1, keepdims=True) + added_to_sum)).astype(np.float32))

    return around(retrieval, "weights", weights)


def change_mean(
    vectors: Callable[[Array], Array] | None = None, products: Callable[[Array], Array] | None = None
) -> Patch:
    """Change the vectors that the weighted mean is taken of, or their products with the weights."""

    def mean(original: Original, weights: Array, ids: Array, index: Index) -> Array:
        stored = index.vectors(ids)
        weighted = (vectors(stored) if vectors else stored) * weights[..., None]
        return np.asarray((products(weighted) if products else weighted).sum(axis=1))

    return around(retrieval, "mean", mean)


def _change_mean_weights(change: Callable[[Array], Array]) -> Patch:
    """Change the weights that the mean is taken with."""
    return around(retrieval, "mean", lambda original, weights, *rest: original(change(weights), *rest))


def _blend_at_rate(rate: Callable[[float], float]) -> Patch:
    """Blend at another rate, computed from the right one."""
    return around(
        retrieval, "blend", lambda original, features, mean, right, *rest: original(features, mean, rate(right))
    )


def _change_blend(
    rate: Callable[[float], float] | None = None, change: Callable[[Array], Array] | None = None
) -> Patch:
    """Change the rate, or the blended features."""

    def blend(original: Original, features: Array, mean: Array, right: float, *rest: object) -> Array:
        blended: Array = original(features, mean, rate(right) if rate else right, *rest)
        return change(blended) if change else blended

    return around(retrieval, "blend", blend)


FAULTS = [
    Fault(
        "search-root",
        "retrieval.search",
        "distances are not squared",
        _change_neighbors(lambda d, i: (np.sqrt(d), i)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("root of distances",),
    ),
    Fault(
        "search-exact",
        "retrieval.search",
        "every list is searched: more accurate, but not what the original does",
        Patch(_search_every_list),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("exact search",),
    ),
    Fault(
        "search-reversed",
        "retrieval.search",
        "neighbors sorted farthest first",
        _change_neighbors(lambda d, i: (d[:, ::-1].copy(), i[:, ::-1].copy())),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("reversed neighbours",),
    ),
    Fault(
        "search-nearest",
        "retrieval.search",
        "k = 1, as in wok",
        _change_neighbors(lambda d, i: (np.repeat(d[:, :1], 8, 1), np.repeat(i[:, :1], 8, 1))),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("nearest only",),
    ),
    Fault(
        "search-ids-from-1",
        "retrieval.search",
        "ids are counted from 1",
        _change_neighbors(lambda d, i: (d, i + 1)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("ids from 1", "offset"),
    ),
    Fault(
        "search-exchanged",
        "retrieval.search",
        "the ids of the last two neighbors are exchanged",
        _change_neighbors(lambda d, i: (d, i[:, [0, 1, 2, 3, 4, 5, 7, 6]])),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "search-one-late",
        "retrieval.search",
        "neighbors come one frame late",
        _change_neighbors(lambda d, i: (np.roll(d, 1, 0), np.roll(i, 1, 0))),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "search-half-distances",
        "retrieval.search",
        "distances in half precision",
        _change_search(distances=reduced_precision.half),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("half precision",),
    ),
    Fault(
        "search-half-query",
        "retrieval.search",
        "the query in half precision",
        _change_search(reduced_precision.half),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "search-quiet",
        "retrieval.search",
        "the query over 32767",
        _change_search(reduced_precision.over_32767),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "search-fixed",
        "retrieval.search",
        "distances in sixteenths",
        _change_search(distances=reduced_precision.fixed(4)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("fixed point",),
    ),
    Fault(
        "search-expanded",
        "retrieval.search",
        "distances of TF32 products",
        around(Index, "search", lambda f, self, x: _distances_by_expansion(f, self, reduced_precision.tf32(x))),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "weights-1/d",
        "retrieval.weights",
        "1/d instead of 1/d²",
        weights_with(lambda d: 1 / d),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("1/d instead of 1/d²",),
    ),
    Fault(
        "weights-root",
        "retrieval.weights",
        "the root is taken first",
        weights_with(lambda d: 1 / np.sqrt(d)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("root before weighting",),
    ),
    Fault(
        "weights-k-7",
        "retrieval.weights",
        "only seven neighbors count",
        weights_with(_nearest_only(7)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("fewer neighbours",),
    ),
    Fault(
        "weights-k-4",
        "retrieval.weights",
        "only four neighbors count",
        weights_with(_nearest_only(4)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("fewer neighbours",),
    ),
    Fault(
        "weights-uniform",
        "retrieval.weights",
        "all weights are equal",
        weights_with(np.ones_like),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("equal weights",),
    ),
    Fault(
        "weights-epsilon",
        "retrieval.weights",
        "0.1 is added to distances",
        weights_with(lambda d: 1 / (d + 0.1) ** 2),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("epsilon",),
    ),
    Fault(
        "weights-over-frames",
        "retrieval.weights",
        "normalized over frames",
        around(
            retrieval, "weights", lambda f, d, *rest: (1 / d**2 / (1 / d**2).sum(0, keepdims=True)).astype(np.float32)
        ),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("normalised over frames",),
    ),
    Fault(
        "weights-1e-2",
        "retrieval.weights",
        "0.01 is added to distances",
        _weights_from_distances(lambda d: 1 / (d + 1e-2) ** 2),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("epsilon",),
    ),
    Fault(
        "weights-sum-1e-9",
        "retrieval.weights",
        "1e-9 is added to the sum",
        _weights_from_distances(lambda d: 1 / d**2, 1e-9),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("gain", "epsilon of the sum"),
    ),
    Fault(
        "weights-16-bit",
        "retrieval.weights",
        "kept in 16 bits",
        after(retrieval, "weights", reduced_precision.fixed(16)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("fixed point",),
    ),
    Fault(
        "weights-half",
        "retrieval.weights",
        "half precision",
        after(retrieval, "weights", reduced_precision.half),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("half precision",),
    ),
    Fault(
        "mean-unweighted",
        "retrieval.mean",
        "a plain mean",
        around(retrieval, "mean", lambda f, w, i, index: f(np.full_like(w, 1 / 8), i, index)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "mean-next-row",
        "retrieval.mean",
        "vectors of the next id",
        around(retrieval, "mean", lambda f, w, i, index: f(w, np.minimum(i + 1, index.total - 1), index)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "mean-half",
        "retrieval.mean",
        "the vectors are kept in half precision",
        change_mean(reduced_precision.half),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "mean-late",
        "retrieval.mean",
        "one frame late",
        after(retrieval, "mean", lambda x: np.roll(x, 1, 0)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "mean-half-weights",
        "retrieval.mean",
        "weights in half precision",
        _change_mean_weights(reduced_precision.half),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "mean-16-bit-weights",
        "retrieval.mean",
        "weights in 16 bits",
        _change_mean_weights(reduced_precision.fixed(16)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
    ),
    Fault(
        "mean-fixed-16",
        "retrieval.mean",
        "16.16 fixed point",
        after(retrieval, "mean", reduced_precision.fixed(16)),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("fixed point",),
    ),
    Fault(
        "mean-fp24",
        "retrieval.mean",
        "24-bit floats, cut off",
        after(retrieval, "mean", reduced_precision.fp24_cut),
        needs=(Need.INDEX, Need.EIGHT_NEIGHBORS),
        causes=("fewer bits",),
    ),
    Fault(
        "blend-exchanged",
        "retrieval.blended",
        "1 - rate instead of rate",
        _blend_at_rate(lambda rate: 1 - rate),
        needs=(Need.INDEX, Need.INDEX_RATE_NOT_HALF),
        causes=("exchanged index rate", "another index rate"),
    ),
    Fault(
        "blend-off",
        "retrieval.blended",
        "the index has no effect",
        _blend_at_rate(lambda rate: 0.0),
        needs=(Need.INDEX,),
        causes=("missing retrieval", "another index rate"),
    ),
    Fault(
        "blend-0.7",
        "retrieval.blended",
        "another tool's default",
        _blend_at_rate(lambda rate: 0.7 if rate != 0.7 else 0.75),
        needs=(Need.INDEX,),
        causes=("another index rate", "exchanged index rate"),
    ),
    Fault(
        "blend-subtle",
        "retrieval.blended",
        "the rate is rounded to 255ths",
        _blend_at_rate(lambda rate: round(rate * 255) / 255 + 1e-4),
        needs=(Need.INDEX,),
        causes=("another index rate",),
    ),
    Fault(
        "blend-16-bit-rate",
        "retrieval.blended",
        "the rate in 16 bits",
        _change_blend(reduced_precision.slider(16)),
        needs=(Need.INDEX,),
        causes=("another index rate",),
    ),
    Fault(
        "blend-slider",
        "retrieval.blended",
        "a slider's step too much",
        _change_blend(lambda rate: rate + 1e-5),
        needs=(Need.INDEX,),
        causes=("another index rate",),
    ),
    Fault(
        "blend-fp24",
        "retrieval.blended",
        "24-bit floats",
        _change_blend(change=reduced_precision.fp24),
        needs=(Need.INDEX,),
        causes=("fewer bits",),
    ),
    Fault(
        "blend-fixed-16",
        "retrieval.blended",
        "16.16 fixed point",
        _change_blend(change=reduced_precision.fixed(16)),
        needs=(Need.INDEX,),
        causes=("fixed point",),
    ),
]
