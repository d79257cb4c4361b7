"""Retrieval in NumPy: the nearest vectors of each content frame, their weights and their mean (docs/spec/04)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx.errors import OnnxVoiceError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

FRAMES_AT_ONCE = 256


class Index:
    """The arrays of retrieval.safetensors, and `retrieval` of voice.json."""

    def __init__(self, arrays: dict[str, npt.NDArray[Any]], facts: dict[str, Any], channels: int) -> None:
        """See docs/exported-voice.md §Retrieval.

        Args:
            arrays: the arrays of retrieval.safetensors.
            facts: `retrieval` of voice.json.
            channels: C of the voice.
        Raises:
            OnnxVoiceError: the arrays do not fit each other, the facts or the voice.
        """
        if not _fits(arrays, facts, channels):
            raise OnnxVoiceError(
                f"retrieval.safetensors does not hold an index of {facts['vectors']} vectors with {channels} channels "
                "as its voice.json states; export the voice again"
            )
        self.vectors, self.facts = arrays["vectors"], facts
        self.centroids, self.starts = arrays.get("centroids"), arrays.get("list_starts")
        self.members = arrays.get("list_ids")
        self.neighbors = int(facts["neighbors"])

    def search(self, content: Floats) -> tuple[Floats, Ids]:
        """The nearest vectors of each frame, nearest first.

        Args:
            content: float32 (n, C).
        Returns:
            Squared distances float32 (n, 8) and ids int64 (n, 8); a missing neighbor has the largest float32 and −1.
        """
        distances = np.full((len(content), self.neighbors), np.finfo(np.float32).max, np.float32)
        ids = np.full((len(content), self.neighbors), -1, np.int64)
        for i, candidates in enumerate(self.candidates(content)):
            exact = content[i].astype(np.float64) - self.vectors[candidates]
            squared = np.square(exact).sum(axis=1)
            ranking = squared
            if self.facts["metric"] != "l2":  # the largest products are chosen, and their distances returned
                products = -(self.vectors[candidates].astype(np.float64) @ content[i])
                chosen = np.argsort(products, kind="stable")[: self.neighbors]
                candidates, ranking = candidates[chosen], squared[chosen]
            order = np.argsort(ranking, kind="stable")[: self.neighbors]
            ids[i, : len(order)] = candidates[order]
            distances[i, : len(order)] = ranking[order]
        return distances, ids

    def candidates(self, content: Floats) -> list[Ids]:
        """The ids among which each frame's neighbors are searched, in the order of the search."""
        if self.centroids is None or self.starts is None or self.members is None:
            return [np.arange(len(self.vectors))] * len(content)
        probes = int(self.facts["probes"])
        chosen = []
        for frame in content:
            if self.facts["metric"] == "l2":
                far = np.square(self.centroids - frame.astype(np.float64)).sum(axis=1)
            else:
                far = -(self.centroids.astype(np.float64) @ frame)
            lists = np.argsort(far, kind="stable")[:probes]
            chosen.append(np.concatenate([self.members[self.starts[k] : self.starts[k + 1]] for k in lists]))
        return chosen

    def take(self, ids: Ids) -> Floats:
        """The vectors of ids; −1 gives the last vector, as in the originals."""
        return np.asarray(self.vectors[np.where(ids < 0, len(self.vectors) - 1, ids)])


def _fits(arrays: dict[str, npt.NDArray[Any]], facts: dict[str, Any], channels: int) -> bool:
    """Whether the arrays are those of an index with these facts and channels, and its lists hold each vector once."""
    if "vectors" not in arrays or arrays["vectors"].shape != (facts["vectors"], channels):
        return False
    if facts["kind"] == "flat":
        return True
    if not {"centroids", "list_starts", "list_ids"} <= set(arrays):
        return False
    starts, ids = arrays["list_starts"], arrays["list_ids"]
    whole = arrays["centroids"].shape == (facts["lists"], channels) and starts.shape == (facts["lists"] + 1,)
    ordered = whole and starts[0] == 0 and starts[-1] == len(ids) and bool((np.diff(starts) >= 0).all())
    return ordered and np.array_equal(np.sort(ids), np.arange(facts["vectors"]))


def weights(distances: Floats) -> Floats:
    """Inverse squares of the squared distances, divided by their sum: float32 (n, 8).

    Where a frame equals a vector, equal vectors share the weight; without neighbors the weights are 0.
    """
    with np.errstate(all="ignore"):
        raw = np.square(np.float32(1) / distances)
        made: Floats = raw / raw.sum(axis=1, keepdims=True)
    odd = ~np.isclose(made.sum(axis=1), 1)
    if odd.any():
        wide = distances[odd].astype(np.float64)
        nearest = wide.min(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            ratio = np.where(wide == nearest, 1.0, nearest / wide) ** 2
        ratio[wide >= np.finfo(np.float32).max] = 0
        total = ratio.sum(axis=1, keepdims=True)
        made[odd] = np.divide(ratio, total, out=np.zeros_like(ratio), where=total > 0)
    return made


def mean(shares: Floats, ids: Ids, index: Index) -> Floats:
    """The weighted mean of each frame's neighbors, from the nearest to the farthest: float32 (n, C)."""
    result = np.empty((len(ids), index.vectors.shape[1]), np.float32)
    for first in range(0, len(ids), FRAMES_AT_ONCE):
        part = slice(first, first + FRAMES_AT_ONCE)
        result[part] = (index.take(ids[part]) * shares[part, :, None]).sum(axis=1)
    return result


def blend(content: Floats, retrieved: Floats, rate: float, shares: Floats) -> Floats:
    """Content (1, n, C) mixed with the retrieved (n, C); frames without a neighbor keep their content."""
    blended = retrieved[None] * np.float32(rate) + np.float32(1 - rate) * content
    alone = ~shares.any(axis=1)
    blended[0, alone] = content[0, alone]
    return np.asarray(blended, np.float32)
