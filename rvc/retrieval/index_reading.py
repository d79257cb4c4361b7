"""Operations of faiss on an index of any kind: open it, read all its vectors, search it, and describe it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput
from rvc.retrieval.index_file import BUILD_AGAIN, id_problems
from rvc.weights.native_paths import utf8_name

UNWRITTEN = -2  # an id that faiss never gives
FAISS_ERRORS = (RuntimeError, MemoryError)  # raised by faiss for a file that it cannot read


def open_index(path: Path) -> tuple[Any, Any]:
    """Open a faiss index, mapped into memory where its kind allows that, without a table of ids around it.

    The positions of the vectors in the index inside an IDMap take the place of its ids; the vectors are the same.

    Returns:
        The index, and the object that owns its memory, which must be kept as long.
    Raises:
        BadInput: its table of ids is not the numbers 0 to V − 1; the message follows the file's name.
        RuntimeError, MemoryError: faiss cannot read the file.
    """
    import faiss

    with utf8_name(path) as name:
        try:
            owner = faiss.read_index(name, faiss.IO_FLAG_MMAP)
        except FAISS_ERRORS:  # some systems and kinds of index do not support mapping
            owner = faiss.read_index(name)
        _refuse_other_file(owner, name)
    index: Any = owner
    while isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
        problems = id_problems(faiss.vector_to_array(index.id_map), index.ntotal)
        if problems:
            raise BadInput(f"{problems[0]}; {BUILD_AGAIN}")
        index = faiss.downcast_index(index.index)
    return index, owner


def _refuse_other_file(index: Any, name: str) -> None:
    """Raise BadInput when the vectors of an index are in another file than the one of this name."""
    import faiss

    lists = inverted_lists(index)
    other = getattr(faiss.downcast_InvertedLists(lists.invlists), "filename", "") if lists is not None else ""
    if other and other != name:
        raise BadInput(f"keeps its vectors in another file, {Path(other).name}; {BUILD_AGAIN}")


def all_vectors(index: Any) -> npt.NDArray[np.float32]:
    """Every vector in the order of the ids, as the originals read them: float32 (V, C); zeros for one in no list."""
    vectors: npt.NDArray[np.float32] = index.reconstruct_n(0, index.ntotal)
    lists = inverted_lists(index)
    if lists is not None:
        absent = np.setdiff1d(np.arange(index.ntotal), stored_ids(lists))
        vectors[absent[absent < index.ntotal]] = 0
    return vectors


def nearest(
    index: Any, queries: npt.NDArray[np.float32], count: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Search an index, and check that each neighbor exists.

    faiss leaves its result as it was for some damaged files, such as a product quantizer with an unknown way to search.

    Args:
        index: an open index.
        queries: float32 (n, C), contiguous.
        count: neighbors of each query.
    Returns:
        Distances, float32 (n, count), and ids, int64 (n, count), as faiss gives them; -1 where there is no neighbor.
    Raises:
        BadInput: an id is not one of the index; the message follows the file's name.
    """
    ids = np.full((len(queries), count), UNWRITTEN, np.int64)
    distances, ids = index.search(queries, count, I=ids)
    if ids.size and (ids.min() < -1 or ids.max() >= index.ntotal):
        raise BadInput(f"gives neighbors that it does not hold when faiss searches it; {BUILD_AGAIN}")
    return distances, ids


def stored_ids(lists: Any) -> npt.NDArray[np.int64]:
    """The ids of the vectors in all inverted lists, int64 (n,)."""
    import faiss

    sizes = [int(lists.invlists.list_size(i)) for i in range(lists.nlist)]
    parts = [faiss.rev_swig_ptr(lists.invlists.get_ids(i), size) for i, size in enumerate(sizes) if size]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def inverted_lists(index: Any) -> Any:
    """The inverted-file part of an index, or None where it has none."""
    import faiss

    try:
        return faiss.extract_index_ivf(index)
    except RuntimeError:
        return None


def facts(index: Any) -> dict[str, Any]:
    """The facts of an open index as plain values, see `rvc.retrieval.index_probe.probe`."""
    lists = inverted_lists(index)
    return {
        "kind": class_names(index),
        "width": int(index.d),
        "total": int(index.ntotal),
        "metric": int(index.metric_type),
        "lists": int(lists.nlist) if lists is not None else None,
        "probes": int(lists.nprobe) if lists is not None else None,
        "is_trained": bool(index.is_trained),
        "absent": int(index.ntotal) - len(stored_ids(lists)) if lists is not None else 0,
        "problems": faults(index),
    }


def class_names(index: Any) -> str:
    """The names of faiss's classes, from the outermost to the innermost: "IndexPreTransform of IndexIVFPQ"."""
    import faiss

    names = [type(index).__name__]
    for part in ("index", "base_index"):
        if hasattr(index, part):
            inner = getattr(index, part)
            return f"{names[0]} of {class_names(faiss.downcast_index(inner))}"
    return names[0]


def faults(index: Any) -> list[str]:
    """Contradictions in an open index, each as a phrase that follows the file's name in a message."""

    lists = inverted_lists(index)
    problems = []
    if lists is not None:
        problems += id_problems(stored_ids(lists), index.ntotal)
        if lists.nprobe < 1:
            problems.append("probes no list")
    if not index.is_trained:
        problems.append("is marked as not trained")
    return problems


def short_reason(error: Exception) -> str:
    """The last part of faiss's message, without the place in its source."""
    return str(error).rsplit(": ", 1)[-1].strip()[:120] or type(error).__name__
