"""Faults of retrieval and content: search, weights, blending, doubling, protection."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity.goldens.store import Case
from parity.mutants.fault import Fault, after, around
from parity.rvc_bridge.offline import RvcTorch
from rvc.content import alignment
from rvc.retrieval import search as retrieval

Index = retrieval.Index


def _searched(change: Any) -> Any:
    def search(original: Any, self: Any, features: Any) -> Any:
        distances, ids = original(self, features)
        return change(distances, ids)

    return search


@contextmanager
def _probe_more(program: RvcTorch, case: Case) -> Iterator[None]:
    with program.parts(case).borrow_index(program.config(case)) as index:
        if index is None:
            raise ValueError("this case has no index")
        before, index.faiss.nprobe = index.faiss.nprobe, index.faiss.nlist
        try:
            yield
        finally:
            index.faiss.nprobe = before


def _share(raw: Any) -> Any:
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


def _weighed(raw: Any) -> Any:
    return lambda original, distances, *rest: _share(raw(distances.astype(np.float64)))


def _few(k: int) -> Any:
    return lambda d: np.where(np.arange(d.shape[1]) < k, 1 / d**2, 0)


def _mean(change: Any) -> Any:
    return lambda original, weights, ids, index: change(original, weights, ids, index)


def _half_vectors(original: Any, weights: Any, ids: Any, index: Any) -> Any:
    vectors = index.vectors(ids).astype(np.float16).astype(np.float32)
    return (vectors * weights[..., None]).sum(axis=1)


def _blended(rate: Any) -> Any:
    return lambda original, features, mean, given, *rest: original(features, mean, rate(given))


def _linear(original: Any, features: Any) -> Any:
    n = features.shape[1]
    at = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    part = (at - low).astype(np.float32)[:, None]
    return features[:, low] * (1 - part) + features[:, np.minimum(low + 1, n - 1)] * part


def _early(original: Any, features: Any) -> Any:
    doubled = original(features)
    return np.concatenate([doubled[:, 1:], doubled[:, -1:]], axis=1)


def _protected(change: Any) -> Any:
    def protect(original: Any, blended: Any, unblended: Any, hz: Any, amount: float) -> Any:
        return change(original, blended, unblended, hz, amount)

    return protect


def _ceil_protect(f: Any, blended: Any, unblended: Any, hz: Any, amount: float) -> Any:
    return f(blended, unblended, np.where(hz > 0, 0.5, 200).astype(np.float32), amount)


INDEX = ("index",)
FULL = ("index", "long lists")
PROTECT = ("protected",)
FAULTS = [
    Fault(
        "search-root",
        "retrieval.search",
        "distances are not squared",
        around(Index, "search", _searched(lambda d, i: (np.sqrt(d), i))),
        FULL,
        ("root of distances",),
    ),
    Fault(
        "search-exact",
        "retrieval.search",
        "every list is searched: more right, yet no parity",
        _probe_more,
        FULL,
        ("exact search",),
    ),
    Fault(
        "search-reversed",
        "retrieval.search",
        "the far one first",
        around(Index, "search", _searched(lambda d, i: (d[:, ::-1].copy(), i[:, ::-1].copy()))),
        FULL,
        ("reversed neighbours",),
    ),
    Fault(
        "search-nearest",
        "retrieval.search",
        "k = 1, as in wok",
        around(Index, "search", _searched(lambda d, i: (np.repeat(d[:, :1], 8, 1), np.repeat(i[:, :1], 8, 1)))),
        FULL,
        ("nearest only",),
    ),
    Fault(
        "search-ids-from-1",
        "retrieval.search",
        "ids count from 1",
        around(Index, "search", _searched(lambda d, i: (d, i + 1))),
        FULL,
        ("ids from 1", "offset"),
    ),
    Fault(
        "search-exchanged",
        "retrieval.search",
        "the rows of the last two neighbours exchanged",
        around(Index, "search", _searched(lambda d, i: (d, i[:, [0, 1, 2, 3, 4, 5, 7, 6]]))),
        FULL,
    ),
    Fault(
        "search-one-late",
        "retrieval.search",
        "rows come one frame late",
        around(Index, "search", _searched(lambda d, i: (np.roll(d, 1, 0), np.roll(i, 1, 0)))),
        FULL,
        ("shift by 1 frame",),
    ),
    Fault(
        "weights-1/d",
        "retrieval.weights",
        "1/d for 1/d²",
        around(retrieval, "weights", _weighed(lambda d: 1 / d)),
        FULL,
        ("1/d instead of 1/d²",),
    ),
    Fault(
        "weights-root",
        "retrieval.weights",
        "the root is taken first",
        around(retrieval, "weights", _weighed(lambda d: 1 / np.sqrt(d))),
        FULL,
        ("root before weighting",),
    ),
    Fault(
        "weights-k-7",
        "retrieval.weights",
        "seven neighbours count",
        around(retrieval, "weights", _weighed(_few(7))),
        FULL,
        ("fewer neighbours",),
    ),
    Fault(
        "weights-k-4",
        "retrieval.weights",
        "four neighbours count",
        around(retrieval, "weights", _weighed(_few(4))),
        FULL,
        ("fewer neighbours",),
    ),
    Fault(
        "weights-uniform",
        "retrieval.weights",
        "all alike",
        around(retrieval, "weights", _weighed(np.ones_like)),
        FULL,
        ("equal weights",),
    ),
    Fault(
        "weights-epsilon",
        "retrieval.weights",
        "0.1 is added to distances",
        around(retrieval, "weights", _weighed(lambda d: 1 / (d + 0.1) ** 2)),
        FULL,
        ("epsilon",),
    ),
    Fault(
        "weights-over-frames",
        "retrieval.weights",
        "normalised over frames",
        around(
            retrieval, "weights", lambda f, d, *rest: (1 / d**2 / (1 / d**2).sum(0, keepdims=True)).astype(np.float32)
        ),
        FULL,
        ("normalised over frames",),
    ),
    Fault(
        "mean-unweighted",
        "retrieval.mean",
        "a plain mean",
        around(retrieval, "mean", _mean(lambda f, w, i, index: f(np.full_like(w, 1 / 8), i, index))),
        FULL,
    ),
    Fault(
        "mean-next-row",
        "retrieval.mean",
        "rows are one off",
        around(retrieval, "mean", _mean(lambda f, w, i, index: f(w, np.minimum(i + 1, index.total - 1), index))),
        FULL,
    ),
    Fault(
        "mean-half",
        "retrieval.mean",
        "the vectors are kept in half precision",
        around(retrieval, "mean", _mean(_half_vectors)),
        FULL,
    ),
    Fault(
        "mean-late",
        "retrieval.mean",
        "one frame late",
        after(retrieval, "mean", lambda x: np.roll(x, 1, 0)),
        FULL,
        ("shift by 1 frame",),
    ),
    Fault(
        "blend-exchanged",
        "retrieval.blended",
        "1 − rate for rate",
        around(retrieval, "blend", _blended(lambda rate: 1 - rate)),
        ("index", "unevenly blended"),
        ("exchanged index rate", "another index rate"),
    ),
    Fault(
        "blend-off",
        "retrieval.blended",
        "the index has no effect",
        around(retrieval, "blend", _blended(lambda rate: 0.0)),
        INDEX,
        ("missing retrieval", "another index rate"),
    ),
    Fault(
        "blend-0.7",
        "retrieval.blended",
        "another tool's default",
        around(retrieval, "blend", _blended(lambda rate: 0.7 if rate != 0.7 else 0.75)),
        INDEX,
        ("another index rate", "exchanged index rate"),
    ),
    Fault(
        "blend-subtle",
        "retrieval.blended",
        "the rate is a byte of 255ths",
        around(retrieval, "blend", _blended(lambda rate: round(rate * 255) / 255 + 1e-4)),
        INDEX,
        ("another index rate",),
    ),
    Fault(
        "upsample-linear",
        "content.upsampled",
        "linear for nearest, as in rvc-rs",
        around(alignment, "upsample", _linear),
        (),
        ("linear upsampling",),
        ("content.protected",),
    ),
    Fault(
        "upsample-tiled",
        "content.upsampled",
        "the sequence is repeated, not each frame",
        around(alignment, "upsample", lambda f, x: np.concatenate([x, x], axis=1)),
        (),
        ("tiled",),
        ("content.protected",),
    ),
    Fault(
        "upsample-early",
        "content.upsampled",
        "half a frame early",
        around(alignment, "upsample", _early),
        (),
        ("half a frame early", "shift by 1 frame"),
        ("content.protected",),
    ),
    Fault(
        "protect-missing",
        "content.protected",
        "no protection",
        around(alignment, "protect", _protected(lambda f, a, b, hz, amount: a)),
        PROTECT,
        ("missing protect",),
    ),
    Fault(
        "protect-exchanged",
        "content.protected",
        "1 − p for p",
        around(
            alignment,
            "protect",
            _protected(
                lambda f, a, b, hz, amount: (
                    f(a, b, hz, min(1 - amount, 0.4999))
                    if amount > 0.5
                    else np.where((hz < 1)[..., None], a * np.float32(1 - amount) + b * np.float32(amount), a)
                )
            ),
        ),
        PROTECT,
        ("exchanged protect", "another protect", "missing protect"),
    ),
    Fault(
        "protect-voiced",
        "content.protected",
        "voiced frames are protected",
        around(alignment, "protect", _protected(_ceil_protect)),
        PROTECT,
        ("protect on voiced frames",),
    ),
    Fault(
        "protect-late",
        "content.protected",
        "voicing is one frame off",
        around(alignment, "protect", _protected(lambda f, a, b, hz, amount: f(a, b, np.roll(hz, 1, 1), amount))),
        PROTECT,
        ("protect one frame off",),
    ),
    Fault(
        "protect-amount",
        "content.protected",
        "a thousandth more",
        around(alignment, "protect", _protected(lambda f, a, b, hz, amount: f(a, b, hz, amount + 1e-3))),
        PROTECT,
        ("another protect",),
    ),
    Fault(
        "protect-after-blend",
        "content.protected",
        "the copy is taken after the blend, as in wok",
        around(alignment, "protect", _protected(lambda f, a, b, hz, amount: f(a, a, hz, amount) * np.float32(1))),
        PROTECT,
        ("missing protect",),
    ),
]
