"""Indexes of every kind that faiss writes are used as the originals use them, or refused before anything long runs."""

import struct

import faiss
import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.retrieval import index_file, index_probe
from rvc.retrieval.search import load_index
from rvc.voices.inspection import inspect

WIDTH = 32


def vectors(count=300, seed=0):
    return np.random.default_rng(seed).standard_normal((count, WIDTH), dtype=np.float32)


def write(path, factory, metric=faiss.METRIC_L2, ids=None, rows=None, nprobe=None):
    rows = vectors() if rows is None else rows
    index = faiss.index_factory(WIDTH, factory, metric)
    index.train(vectors())
    index.add(rows) if ids is None else index.add_with_ids(rows, ids)
    if nprobe is not None:
        faiss.extract_index_ivf(index).nprobe = nprobe
    faiss.write_index(index, str(path))
    return path


@pytest.mark.parametrize("nprobe", [1, 3, 64])
@pytest.mark.parametrize("table", ["none", "array", "hash"])
def test_inverted_lists_of_float32_are_followed_to_their_last_byte(tmp_path, nprobe, table):
    index = faiss.index_factory(WIDTH, "IVF8,Flat")
    index.train(vectors())
    index.add(vectors())
    index.nprobe = nprobe
    if table != "none":
        index.set_direct_map_type(faiss.DirectMap.Array if table == "array" else faiss.DirectMap.Hashtable)
    faiss.write_index(index, str(tmp_path / "a.index"))
    header = index_file.read(tmp_path / "a.index")
    assert (header.is_checked, header.problems, header.count_irregular()) == (True, [], 0)
    facts = (header.width, header.total, header.metric_name, header.lists, header.probes)
    assert facts == (WIDTH, 300, "L2", 8, nprobe)
    stored = np.concatenate(list(header.vectors()))
    assert np.array_equal(np.sort(stored, axis=0), np.sort(vectors(), axis=0))
    loaded = load_index(tmp_path / "a.index")
    distances, ids = loaded.search(vectors(9, 1))
    expected = index.search(vectors(9, 1), 8)
    assert np.array_equal(distances, expected[0])
    assert np.array_equal(ids, expected[1])
    assert np.array_equal(loaded.vectors(ids[ids >= 0]), vectors()[ids[ids >= 0]])


@pytest.mark.parametrize("factory", ["Flat", "IVF8,Flat"])
def test_an_index_cut_at_any_byte_is_refused_by_its_size(tmp_path, factory):
    whole = write(tmp_path / "whole.index", factory).read_bytes()
    for length in [*range(4, 200), *range(200, len(whole), 997), len(whole) - 1]:
        (tmp_path / "a.index").write_bytes(whole[:length])
        with pytest.raises(BadInput, match=r"a\.index is cut short or damaged: it has [\d,]+ bytes, and its header"):
            index_file.read(tmp_path / "a.index")


def test_no_damaged_header_ends_in_anything_but_a_sentence(tmp_path):
    whole = write(tmp_path / "whole.index", "IVF8,Flat").read_bytes()
    draw = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(whole)
        place = int(draw.integers(4, 1500))
        damaged[place : place + 8] = struct.pack("<q", int(draw.choice([-1, 0, 1, 2**31, 2**62, 299])))
        (tmp_path / "a.index").write_bytes(damaged)
        try:
            header = index_file.read(tmp_path / "a.index")
        except BadInput as refusal:
            assert str(refusal).startswith("a.index ")
            assert "\n" not in str(refusal)
        else:
            assert header.width > 0


@pytest.mark.parametrize(
    "factory",
    ["PCA16,IVF8,Flat", "HNSW8", "IVF8,SQ8", "IVF8_HNSW8,Flat", "IVF8,PQ8x4,RFlat"],
)
def test_other_kinds_give_the_originals_vectors_and_neighbors(tmp_path, factory):
    path = write(tmp_path / "a.index", factory)
    original = faiss.read_index(str(path))
    loaded = load_index(path)
    distances, ids = loaded.search(vectors(20, 1))
    expected = original.search(vectors(20, 1), 8)
    assert np.array_equal(distances, expected[0])
    assert np.array_equal(ids, expected[1])
    assert np.array_equal(loaded.vectors(np.arange(300)), original.reconstruct_n(0, 300))
    report = inspect(path)
    assert (report["kind"], report["ntotal"], report["playable"]) == ("index", 300, True)
    assert report["structure"].startswith("Index")


@pytest.mark.parametrize("factory", ["IDMap,Flat", "IDMap2,IVF8,Flat"])
def test_a_table_of_ids_that_numbers_every_vector_changes_nothing(tmp_path, factory):
    order = np.random.default_rng(2).permutation(300)
    loaded = load_index(write(tmp_path / "a.index", factory, ids=order, nprobe=8 if "IVF" in factory else None))
    distances, ids = loaded.search(vectors(5, 1))
    exact = np.square(vectors(5, 1)[:, None] - vectors()[None]).sum(2)
    assert distances == pytest.approx(np.sort(exact, axis=1)[:, :8], rel=1e-4)
    assert np.array_equal(loaded.vectors(ids), vectors()[np.argsort(exact, axis=1)[:, :8]])


@pytest.mark.parametrize("factory", ["IVF8,Flat", "IDMap,Flat", "IVF8,SQ8"])
def test_ids_of_another_range_are_named(tmp_path, factory):
    path = write(tmp_path / "a.index", factory, ids=np.arange(300) * 3 + 7)
    with pytest.raises(
        BadInput,
        match=r"^a\.index numbers its vectors from 7 to 904 \(add_with_ids of faiss\), expected 0 to 299; build an "
        r"index with `rvc index build`$",
    ):
        load_index(path)


def test_a_kind_that_crashes_faiss_is_refused(tmp_path):
    path = write(tmp_path / "a.index", "IVF8,PQ8x4fs")
    with pytest.raises(BadInput) as refusal:
        load_index(path)
    assert str(refusal.value) == (
        "a.index is an IVF index of a product quantizer with fast scan (IwPf), and faiss fails when it reads its "
        "vectors (it crashes with SIGSEGV); build an index with `rvc index build`"
    )


def test_an_index_whose_search_gives_nothing_is_refused(tmp_path):
    index = faiss.index_factory(WIDTH, "PQ8x4")
    index.train(vectors())
    index.add(vectors())
    index.search_type = 99  # faiss knows no such way to search, and leaves the result as it was
    faiss.write_index(index, str(tmp_path / "a.index"))
    with pytest.raises(BadInput) as refusal:
        load_index(tmp_path / "a.index")
    assert str(refusal.value) == (
        "a.index gives neighbors that it does not hold when faiss searches it; build an index with `rvc index build`"
    )


def test_neighbors_are_checked_in_every_search(tmp_path, monkeypatch):
    loaded = load_index(write(tmp_path / "a.index", "Flat"))
    monkeypatch.setattr(loaded, "faiss", faiss.index_factory(WIDTH, "PQ8x4"))
    loaded.faiss.train(vectors())
    loaded.faiss.search_type = 99
    with pytest.raises(BadInput, match=r"^a\.index gives neighbors that it does not hold when faiss searches it"):
        loaded.search(vectors(3, 1))


@pytest.mark.parametrize("factory", ["ITQ16,LSH", "IVF8,FlatDedup"])
def test_a_kind_whose_vectors_cannot_be_read_back_is_refused(tmp_path, factory):
    path = write(tmp_path / "a.index", factory)
    with pytest.raises(
        BadInput, match=r"a\.index is .*, and faiss fails when it reads its vectors \(.*not implemented"
    ):
        load_index(path)


def binary(path):
    index = faiss.IndexBinaryFlat(WIDTH)
    index.add(np.zeros((10, WIDTH // 8), np.uint8))
    faiss.write_index_binary(index, str(path))
    return path


def on_disk(path):
    path.write_bytes(write(path, "IVF8,Flat").read_bytes().replace(b"ilar", b"ilod", 1))
    return path


@pytest.mark.parametrize(
    "make, message",
    [
        (binary, "is a binary index, which compares bits (IBxF), from which no features can be read"),
        (on_disk, "keeps its vectors in another file"),
        (lambda p: write(p, "LSH"), "is an LSH index, which keeps only signs of content features (IxHe)"),
        (lambda p: write(p, "Flat", faiss.METRIC_L1), "compares vectors by L1, expected L2 or inner product"),
        (lambda p: write(p, "IVF8,Flat", faiss.METRIC_Linf), "compares vectors by Linf, expected L2 or inner product"),
        (lambda p: write(p, "Flat", faiss.METRIC_Canberra), "compares vectors by Canberra, expected L2 or inner"),
    ],
)
def test_what_retrieval_cannot_use_is_refused_without_faiss(tmp_path, make, message):
    path = make(tmp_path / "a.index")
    with pytest.raises(BadInput) as refusal:
        index_file.read(path)
    assert str(refusal.value).startswith(f"a.index {message}")
    assert str(refusal.value).endswith("; build an index with `rvc index build`")


@pytest.mark.parametrize("factory", ["Flat", "IVF8,Flat", "IVF8,SQfp16"])
def test_vectors_that_are_not_finite_are_counted_and_not_used(tmp_path, factory):
    rows = vectors()
    rows[5], rows[7, 3], rows[299] = np.nan, np.inf, np.nan
    path = write(tmp_path / "a.index", factory, rows=rows, nprobe=8 if "IVF" in factory else None)
    loaded = load_index(path)
    assert loaded.warnings == [
        "3 of 300 vectors of the index a.index hold NaN or infinity, or are in no list for that reason; they are not "
        "used"
    ]
    distances, ids = loaded.search(rows[:5])
    assert np.isfinite(distances).all()
    assert not set(ids.ravel()) & {5, 7, 299}
    assert np.isfinite(loaded.vectors(np.array([-1, 5, 7]))).all()
    assert "3 of 300 vectors hold NaN or infinity, or are in no list" in inspect(path)["odd"]


def test_an_index_without_one_finite_vector_is_refused(tmp_path):
    path = write(tmp_path / "a.index", "Flat", rows=np.full((9, WIDTH), np.nan, np.float32))
    with pytest.raises(BadInput, match=r"^all vectors of a\.index hold NaN or infinity; build an index with"):
        load_index(path)


def test_the_same_file_is_opened_in_a_child_once(tmp_path, monkeypatch):
    path = write(tmp_path / "a.index", "SQ8")
    index_probe.probe(path, "a scalar quantizer")
    monkeypatch.setattr(index_probe.subprocess, "run", None)
    assert index_probe.probe(path, "a scalar quantizer")["total"] == 300


@pytest.mark.parametrize("factory, is_refused", [("LSH", True), ("IVF8,FlatDedup", True), ("Flat", False)])
def test_inspect_describes_an_index_that_a_conversion_refuses(tmp_path, factory, is_refused):
    path = tmp_path / "a.index"
    index = faiss.index_factory(16, factory)
    rows = np.random.default_rng(0).standard_normal((400, 16), dtype=np.float32)
    index.train(rows)
    index.add(rows)
    faiss.write_index(index, str(path))
    report = inspect(path)
    assert report["kind"] == "index"
    assert report["playable"] is not is_refused
    assert len(report["missing"]) == is_refused
