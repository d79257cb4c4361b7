"""FAISS indexes of the kinds that faiss writes."""

import functools
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from reliability.fuzz.mutation import raw
from reliability.fuzz.reader import NotFinite, Reader
from rvc.retrieval import index_file, index_probe, search

WIDTH, COUNT = 8, 60  # channels and vectors
TRAINED = 700  # vectors that centers are trained on, enough that faiss prints no warning
MODULES = (
    "rvc.retrieval.index_file",
    "rvc.retrieval.index_probe",
    "rvc.retrieval.index_reading",
    "rvc.retrieval.search",
)
FACTORIES = (
    "Flat",
    "IVF4,Flat",
    "IVF4,SQ8",
    "IVF4,PQ4x4",
    "IVF4,PQ4x4fs",
    "IVF4,PQ4x4,RFlat",
    "IDMap,Flat",
    "IDMap2,Flat",
    "SQ8",
    "SQfp16",
    "PQ4x4",
    "PQ4x4fs",
    "HNSW8",
    "HNSW8,SQ8",
    "NSG8",
    "PCA4,Flat",
    "L2norm,Flat",
    "RQ2x4",
    "LSQ2x4",
    "PRQ2x2x4",
    "IVF4,RQ2x4",
    "IVF4_HNSW8,Flat",
    "IMI2x2,Flat",
    "LSH",
    "Flat,RFlat",
    "RaBitQ",
    "IVF4,RaBitQ",
    "ZnLattice2x4_4",
)
WORDS = (
    *tuple(code.encode() for code in index_file.KINDS),
    b"ilar",
    b"il00",
    b"ilod",
    b"full",
    b"sprs",
    b"IBwF",
    b"VNrm",
)


def read(path: Path) -> None:
    """Open an index as a conversion does, search it and average the neighbors."""
    with forked_probe():
        index = search.load_index(path)
    query = np.random.default_rng(0).standard_normal((3, index.width), dtype=np.float32)
    distances, ids = index.search(query)
    mean = search.mean(search.weights(distances), ids, index)
    if not np.isfinite(mean).all() and np.isfinite(index.vectors(np.arange(min(index.total, 999)))).all():
        raise NotFinite(f"the neighbors in {path.name} have a mean that is not finite")


@contextmanager
def forked_probe() -> Iterator[None]:
    """Let the child process of `index_probe` be a fork of this one, which has faiss imported: 10 ms instead of 500."""
    before = index_probe.run_child
    index_probe.run_child = _fork
    index_probe.forget()
    try:
        yield
    finally:
        index_probe.run_child = before


def _fork(path: Path) -> index_probe.Ending:
    """What `index_probe.run_child` returns, from a forked process."""
    with tempfile.TemporaryFile() as output:
        process = os.fork()
        if not process:
            for number in range(1, signal.NSIG):
                if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
                    signal.signal(number, signal.SIG_DFL)
            os.dup2(output.fileno(), 1)
            code = 1
            try:
                code = index_probe.main(path)
            finally:
                os._exit(code)
        _, status = os.waitpid(process, 0)
        output.seek(0)
        return index_probe.Ending(os.waitstatus_to_exitcode(status), output.read())


def _index(factory: str, metric: int) -> Any:
    vectors = np.random.default_rng(1).standard_normal((COUNT, WIDTH), dtype=np.float32)
    index = faiss.index_factory(WIDTH, factory, metric)
    index.train(np.random.default_rng(2).standard_normal((TRAINED, WIDTH), dtype=np.float32))
    index.add(vectors)
    return index


@functools.cache
def _seeds() -> Sequence[bytes]:
    """One index of each kind that this version of faiss makes."""
    made = []
    for factory in FACTORIES:
        for metric in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT)[: 2 if "Flat" in factory else 1]:
            try:
                made.append(bytes(faiss.serialize_index(_index(factory, metric))))
            except RuntimeError:  # this version of faiss has no such kind
                continue
    return made


READERS = (Reader("FAISS index", "voice.index", _seeds, raw.with_words(*WORDS), read, MODULES),)
