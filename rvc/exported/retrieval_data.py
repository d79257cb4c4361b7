"""A FAISS index as plain arrays that any language reads, and back (docs/exported-voice.md §Retrieval)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput
from rvc.retrieval.search import Index

Arrays = dict[str, npt.NDArray[Any]]


def to_arrays(index: Index) -> tuple[Arrays, dict[str, Any]]:
    """The vectors and inverted lists of an index.

    Returns:
        vectors float32 (V, C) by id; for an index with inverted lists also centroids float32 (lists, C), list_starts
        int64 (lists + 1,) and list_ids int64 (V,), the ids of each list in the order of the search. And the
        facts for voice.json: kind, metric, vectors, channels, lists, probes, neighbors.
    Raises:
        BadInput: the index stores its vectors compressed, so that plain vectors do not give its distances.
    """
    import faiss

    inner = faiss.downcast_index(index.faiss)
    metric = {faiss.METRIC_L2: "l2", faiss.METRIC_INNER_PRODUCT: "inner product"}[inner.metric_type]
    if not isinstance(inner, faiss.IndexFlat | faiss.IndexIVFFlat):
        raise BadInput(
            f"{index.name} is a {type(inner).__name__}; an exported voice holds the WebUI's kind, "
            "IndexIVFFlat, or a flat index: build one with rvc index build"
        )
    arrays: Arrays = {"vectors": index.vectors(np.arange(index.total, dtype=np.int64))}
    facts: dict[str, Any] = {"kind": "flat", "metric": metric, "vectors": index.total, "channels": index.width}
    if isinstance(inner, faiss.IndexIVFFlat):
        lists: Any = inner.invlists
        sizes = [int(lists.list_size(i)) for i in range(inner.nlist)]
        ids = [faiss.rev_swig_ptr(lists.get_ids(i), size).copy() for i, size in enumerate(sizes) if size]
        quantizer = faiss.downcast_index(inner.quantizer)
        arrays["centroids"] = np.asarray(quantizer.reconstruct_n(0, inner.nlist), np.float32)
        arrays["list_starts"] = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        arrays["list_ids"] = np.concatenate(ids).astype(np.int64) if ids else np.zeros(0, np.int64)
        facts |= {"kind": "inverted lists", "lists": int(inner.nlist), "probes": int(inner.nprobe)}
    return arrays, facts


def from_arrays(arrays: Arrays, facts: dict[str, Any], name: str) -> Index:
    """The index that `to_arrays` described; its searches return the same bits.

    Raises:
        BadInput: the arrays do not fit each other.
    """
    import faiss

    try:
        vectors = np.ascontiguousarray(arrays["vectors"], np.float32)
        width, metric = vectors.shape[1], {"l2": faiss.METRIC_L2, "inner product": faiss.METRIC_INNER_PRODUCT}
        index = faiss.IndexFlat(width, metric[facts["metric"]])
        if facts["kind"] == "flat":
            index.add(vectors)
            return Index(index, name)
        starts, ids = arrays["list_starts"].astype(np.int64), np.ascontiguousarray(arrays["list_ids"], np.int64)
        centroids = np.ascontiguousarray(arrays["centroids"], np.float32)
        fits = len(starts) == len(centroids) + 1 and np.array_equal(np.sort(ids), np.arange(len(vectors)))
        if not fits or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
            raise ValueError("its lists do not hold each vector once")
        index.add(centroids)
        lists: Any = faiss.IndexIVFFlat(index, width, len(centroids), metric[facts["metric"]])
        lists.own_fields = False
        for i in range(len(centroids)):
            members = np.ascontiguousarray(ids[starts[i] : starts[i + 1]])
            if len(members):
                codes = np.ascontiguousarray(vectors[members]).view(np.uint8)
                lists.invlists.add_entries(i, len(members), faiss.swig_ptr(members), faiss.swig_ptr(codes))
        lists.ntotal, lists.nprobe, lists.is_trained = len(ids), int(facts["probes"]), True
        lists.referenced_objects = [index]  # the centroids, which the Python object must keep alive
        return Index(lists, name)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise BadInput(f"{name} does not hold an index ({error}); export the voice again") from None


def read(path: Path, facts: dict[str, Any]) -> Index:
    """Read the retrieval file of a folder.

    Raises:
        BadInput: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path} is no safetensors file ({error}); export the voice again") from None
    return from_arrays(arrays, facts, path.name)
