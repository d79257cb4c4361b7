"""Neighbors, their weights, and the choice between the originals' NaN and its finite limit."""

import faiss
import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.retrieval import search as retrieval
from rvc.voices.inspection import inspect


def vectors(count=400, width=256, seed=0):
    return np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)


def write(path, rows, factory="IVF8,Flat", metric=faiss.METRIC_L2, nprobe=1):
    index = faiss.index_factory(rows.shape[1], factory, metric)
    index.train(rows)
    index.add(rows)
    if factory.startswith("IVF"):
        index.nprobe = nprobe
    faiss.write_index(index, str(path))
    return retrieval.load_index(path)


def test_search_equals_that_of_faiss_and_mapping_changes_no_bit(tmp_path):
    rows, queries = vectors(), vectors(30, seed=1)
    index = write(tmp_path / "a.index", rows)
    distances, ids = index.search(queries)
    expected = faiss.read_index(str(tmp_path / "a.index")).search(queries, 8)
    assert np.array_equal(distances, expected[0])
    assert np.array_equal(ids, expected[1])
    assert distances.shape == ids.shape == (30, 8)
    assert np.array_equal(index.vectors(ids[ids >= 0]), rows[ids[ids >= 0]])


def test_nprobe_of_the_file_is_used(tmp_path):
    rows, queries = vectors(), vectors(30, seed=1)
    few, many = write(tmp_path / "1.index", rows), write(tmp_path / "8.index", rows, nprobe=8)
    exact = np.square(queries[:, None] - rows[None]).sum(2).argsort(1)[:, :8]
    assert np.array_equal(np.sort(many.search(queries)[1]), np.sort(exact))
    assert not np.array_equal(np.sort(few.search(queries)[1]), np.sort(exact))


def test_weights_are_inverse_squares_of_squared_distances():
    weights = retrieval.weights(np.array([[1, 2, 4, 4, 4, 4, 4, 4]], np.float32))
    assert weights[0, 0] / weights[0, 1] == pytest.approx(4)
    assert weights.sum() == pytest.approx(1)
    assert weights.dtype == np.float32


def test_an_exact_hit_is_finite_unless_nan_is_requested():
    hit = np.array([[0, 1, 2, 3, 4, 5, 6, 7], [0, 0, 2, 3, 4, 5, 6, 7]], np.float32)
    assert retrieval.weights(hit).tolist() == [[1, 0, 0, 0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0]]
    nan = retrieval.weights(hit, "nan")
    assert np.isnan(nan[0, 0])
    assert nan[0, 1:].tolist() == [0] * 7


def test_a_distance_that_overflows_takes_the_limit():
    weights = retrieval.weights(np.array([[1e-30, 2e-30, 1, 1, 1, 1, 1, 1]], np.float32))
    assert weights[0, :2] == pytest.approx([0.8, 0.2])


def test_missing_neighbors_have_no_weight(tmp_path):
    rows = vectors(5)
    index = write(tmp_path / "a.index", rows, "Flat")
    distances, ids = index.search(vectors(2, seed=1))
    assert (ids[:, 5:] == -1).all()
    weights = retrieval.weights(distances)
    assert weights[:, 5:].max() == 0
    expected = (rows[ids[:, :5]] * weights[:, :5, None]).sum(1)
    assert retrieval.mean(weights, ids, index) == pytest.approx(expected, abs=1e-6)


def test_a_frame_without_neighbors_is_not_changed():
    features = np.ones((1, 2, 4), np.float32)
    weights = np.array([[0] * 8, [1] + [0] * 7], np.float32)
    mean = np.array([[0] * 4, [3] * 4], np.float32)
    assert retrieval.blend(features, mean, 0.5, weights)[0, :, 0].tolist() == [1, 2]


def test_the_blend_equals_the_originals():
    features, mean = vectors(3, 4), vectors(3, 4, 1)
    blended = retrieval.blend(features, mean, 0.75)
    assert blended.shape == (1, 3, 4)
    assert np.array_equal(blended[0], mean * np.float32(0.75) + np.float32(0.25) * features)


def test_inner_product_and_cosine_give_squared_distances(tmp_path):
    rows, queries = vectors(), vectors(6, seed=1)
    inner = write(tmp_path / "i.index", rows, "Flat", faiss.METRIC_INNER_PRODUCT)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = write(tmp_path / "c.index", unit, "Flat", faiss.METRIC_INNER_PRODUCT)
    assert (inner.metric, cosine.metric) == ("inner product", "cosine")
    distances, ids = cosine.search(queries)
    directions = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    assert np.array_equal(ids, np.argsort(-directions @ unit.T, axis=1)[:, :8])
    assert distances == pytest.approx(np.square(directions[:, None] - unit[ids]).sum(2), rel=1e-4)
    assert (np.diff(inner.search(queries)[0]) >= 0).all()


def test_another_width_is_refused(tmp_path):
    index = write(tmp_path / "a.index", vectors())
    with pytest.raises(BadInput) as refused:
        index.search(vectors(2, 768))
    assert str(refused.value) == (
        "content features have 768 channels, but the index a.index has 256; "
        "was the index built for another model version?"
    )


def test_an_index_without_vectors_is_refused(tmp_path):
    index = faiss.index_factory(256, "IVF8,Flat")
    index.train(vectors())
    faiss.write_index(index, str(tmp_path / "trained_x.index"))
    with pytest.raises(
        BadInput, match="has no vectors, only trained centers; use the file whose name begins with 'added'"
    ):
        retrieval.load_index(tmp_path / "trained_x.index")


@pytest.mark.parametrize("content", [b"", b"no index at all", b"IwF"])
def test_a_file_that_is_no_index_is_refused(tmp_path, content):
    (tmp_path / "a.index").write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.index is not an index that faiss can read"):
        retrieval.load_index(tmp_path / "a.index")


def test_an_index_of_zeros_is_damaged(tmp_path):
    (tmp_path / "a.index").write_bytes(b"IwFl" + bytes(40))
    with pytest.raises(BadInput, match=r"^a\.index states 0 vectors of 0 channels; it is damaged, download it again$"):
        retrieval.load_index(tmp_path / "a.index")


def test_a_missing_index_is_refused(tmp_path):
    with pytest.raises(BadInput, match="there is no index"):
        retrieval.load_index(tmp_path / "a.index")


def contradictory(index, what):
    """The index with one field that contradicts the others."""
    lists = index.invlists
    if what == "ids":
        ids = np.zeros(lists.list_size(0), np.int64)
        lists.update_entries(0, 0, len(ids), faiss.swig_ptr(ids), lists.get_codes(0))
    elif what == "ntotal":
        index.ntotal = 1 << 50
    elif what == "nprobe":
        index.nprobe = 0
    else:
        index.is_trained = False
    return index


@pytest.mark.parametrize(
    "what, sentence",
    [
        ("ids", "gives several of its vectors one number, expected the numbers 0 to 199"),
        ("ntotal", "declares 1125899906842624 vectors, but its lists hold 200"),
        ("nprobe", "probes no list"),
        ("trained", "is marked as not trained"),
    ],
)
def test_contradictions_are_refused_before_they_are_used(tmp_path, what, sentence):
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    index = faiss.index_factory(16, "IVF4,Flat")
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(contradictory(index, what), str(tmp_path / "a.index"))
    with pytest.raises(BadInput, match=f"a.index {sentence}; build an index with"):
        retrieval.load_index(tmp_path / "a.index")
    assert any(sentence in line for line in inspect(tmp_path / "a.index")["missing"])
