"""An index is built as the WebUI's trainer builds it, and described."""

import json
import sys

import faiss
import numpy as np
import pytest

from rvc.cli.main import main
from rvc.errors import BadInput, MissingExtra
from rvc.retrieval import index_building
from rvc.retrieval.search import load_index


def rows(count=400, width=256, seed=0):
    return np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)


@pytest.mark.parametrize(("count", "lists"), [(1, 1), (38, 1), (78, 2), (400, 10), (40000, 1025), (200000, 5128)])
def test_the_number_of_lists_follows_the_trainers_rule(count, lists):
    assert index_building.lists_for(count) == lists


def test_rows_are_permuted_and_none_is_lost():
    index = index_building.build(rows(), seed=1)
    assert (index.ntotal, index.d, index.nlist, index.nprobe) == (400, 256, 10, 1)
    stored = faiss.downcast_index(index).reconstruct_n(0, 400)
    order = np.random.RandomState(1).permutation(400)
    assert np.array_equal(stored, rows()[order])


def test_a_seed_gives_the_same_index(tmp_path):
    for name in ("a", "b"):
        index_building.save(index_building.build(rows(), seed=2), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_many_rows_are_replaced_by_k_means_centers(monkeypatch):
    monkeypatch.setattr(index_building, "K_MEANS_ABOVE", 300)
    monkeypatch.setattr(index_building, "CENTERS", 50)
    steps = []
    index = index_building.build(rows(), report=lambda *step: steps.append(step))
    assert index.ntotal == 50
    assert steps[0] == ("k-means", 0, 1)


def test_without_scikit_learn_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    monkeypatch.setattr(index_building, "K_MEANS_ABOVE", 300)
    with pytest.raises(MissingExtra, match=r"k-means over 400 vectors needs a package .*\[index\]'"):
        index_building.build(rows())


def test_features_are_joined_in_the_order_of_their_names(tmp_path):
    np.save(tmp_path / "b.npy", rows(2, seed=1))
    np.save(tmp_path / "a.npy", rows(3).astype(np.float16))
    joined = index_building.read_features(tmp_path.iterdir())
    assert joined.dtype == np.float32
    assert np.array_equal(joined[3:], rows(2, seed=1))


@pytest.mark.parametrize(
    ("array", "sentence"), [(rows(3, 100), "expected float rows of 256"), (rows(3, 768), "keep one version")]
)
def test_features_that_do_not_fit_are_refused(tmp_path, array, sentence):
    np.save(tmp_path / "a.npy", rows(3))
    np.save(tmp_path / "b.npy", array)
    with pytest.raises(BadInput, match=sentence):
        index_building.read_features(tmp_path.iterdir())


def test_a_pickled_array_is_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(BadInput, match="cannot be read as an array"):
        index_building.read_features([tmp_path / "a.npy"])


def test_infinite_features_are_refused():
    with pytest.raises(BadInput, match="values that are not finite"):
        index_building.build(np.full((50, 256), np.inf, np.float32))


def test_the_description_has_recall_and_exact_hits(tmp_path):
    index_building.save(index_building.build(rows()), tmp_path / "a.index")
    index = load_index(tmp_path / "a.index")
    description = index_building.describe(index)
    assert [description[key] for key in ("dimension", "version", "metric", "ntotal", "nlist")] == [
        256,
        "v1",
        "l2",
        400,
        10,
    ]
    assert 0.05 < description["recall_at_8"] < 0.9
    assert description["frames_hit_exactly"] == 0
    assert index_building.describe(index, rows()[:5])["frames_hit_exactly"] == 1
    index.lists.nprobe = 10
    assert index_building.describe(index)["recall_at_8"] == 1


def test_content_from_the_index_is_not_changed(tmp_path):
    index_building.save(index_building.build(rows()), tmp_path / "a.index")
    index = load_index(tmp_path / "a.index")
    assert index_building.change(index, rows()[:5]) == {"relative_change": 0.0, "mean_cosine": 1.0}
    assert index_building.change(index, rows(5, seed=9))["relative_change"] > 0.5


def test_build_and_inspect_on_the_command_line(tmp_path, capsys):
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "a.npy", rows())
    out = tmp_path / "a.index"
    assert main(["index", "build", str(tmp_path / "features"), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ntotal"] == 400
    assert main(["index", "inspect", str(out)]) == 0
    assert "nprobe" in capsys.readouterr().out


def test_recordings_need_hubert(tmp_path, capsys):
    (tmp_path / "a.wav").touch()
    assert main(["index", "build", str(tmp_path / "a.wav"), str(tmp_path / "a.index")]) == 2
    assert capsys.readouterr().err == "rvc: recordings need HuBERT to become features; give it with --hubert\n"
