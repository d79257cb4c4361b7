"""Synthetic weights: the originals' own files, the same bits everywhere, and a cache that two processes can share."""

import concurrent.futures
import json
import multiprocessing
import os

import faiss
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from parity import voices
from parity.errors import ParityError, UsageError
from parity.voices import cache, command, kinds, rmvpe
from parity.voices.draw import Draw

slow = pytest.mark.slow


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RVC_CACHE", str(tmp_path))
    cache._path_of.cache_clear()
    yield tmp_path
    cache._path_of.cache_clear()


def shapes(name):
    return {key: values.shape for key, values in kinds.weights(name).draw()}


# ---- what is drawn ----


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "index-v2" else slow) for n in kinds.WEIGHTS])
def test_this_machine_draws_the_pinned_bits(name):
    how = kinds.weights(name)
    cache.check(name, kinds.digest(dict(how.draw()), how.facts))


def test_everything_that_can_be_made_is_pinned():
    assert set(cache.pinned()) == set(kinds.WEIGHTS)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("v2-40k-f0", 457), ("v1-48k-f0", 516), ("v2-32k-nof0", 446), pytest.param("v1-32k-nof0", 503, marks=slow)],
)
def test_voices_have_the_specified_number_of_tensors(kind, count):
    assert len(shapes(kind)) == count


def test_a_voice_has_the_specified_shapes():
    drawn = shapes("v1-32k-f0")
    assert drawn["enc_p.emb_phone.weight"] == (192, 256)
    assert drawn["dec.ups.1.weight_v"] == (256, 128, 16)
    assert drawn["dec.ups.1.weight_g"] == (256, 1, 1)
    assert [drawn[f"dec.noise_convs.{i}.weight"][2] for i in range(5)] == [64, 16, 8, 4, 1]
    assert drawn["dec.conv_post.weight"] == (1, 16, 7)
    assert drawn["flow.flows.6.enc.res_skip_layers.2.weight_v"] == (192, 192, 1)


def test_a_voice_without_f0_has_no_pitch_and_no_source():
    assert not [name for name in shapes("v2-40k-nof0") if "pitch" in name or "source" in name or "noise" in name]


@slow
def test_hubert_and_rmvpe_have_the_specified_numbers():
    hubert = shapes("hubert")
    assert sum(np.prod(s) for n, s in hubert.items() if not n.startswith("final_proj")) == 94_371_712
    assert len(hubert) == 213
    rmvpe_shapes = shapes("rmvpe")
    assert len(rmvpe_shapes) == 741
    assert sum(int(np.prod(shape)) for shape in rmvpe_shapes.values()) == 90_472_917


def test_no_kind_shares_its_weights_with_another():
    def first(kind):
        return next(v for n, v in kinds.weights(kind).draw() if n == "enc_p.encoder.attn_layers.0.conv_q.weight")

    assert (first("v2-40k-f0") != first("v2-48k-f0")).any()


def test_a_centered_filter_gives_0_for_a_constant_input():
    _, weight = Draw("any", np.float32).weight("w", (8, 32, 3))
    assert np.abs(weight.sum(axis=(1, 2), dtype=np.float64)).max() < 1e-6
    _, plain = Draw("any", np.float32).weight("w", (8, 32, 3), centered=False)
    assert np.abs(plain.sum(axis=(1, 2))).min() > 1e-3


def test_a_weight_has_the_requested_variance():
    _, weight = Draw("any", np.float64).weight("w", (400, 300), 0.5)
    assert weight.std() * 300**0.5 == pytest.approx(0.5, rel=0.01)


def test_a_half_precision_weight_is_rounded_once():
    _, half = Draw("any", np.float16).weight("w", (8, 32))
    _, double = Draw("any", np.float64).weight("w", (8, 32))
    assert (half == double.astype(np.float16)).all()


# ---- how it is written ----


def test_a_voice_is_written_as_an_exported_small_model(own_cache):
    path = voices.make_voice("v2-40k-f0")
    held = torch.load(path, map_location="cpu", weights_only=True)
    assert list(held) == ["weight", "config", "info", "sr", "f0", "version"]
    assert held["config"] == [
        1025,
        32,
        192,
        192,
        768,
        2,
        6,
        3,
        0,
        "1",
        [3, 7, 11],
        [[1, 3, 5]] * 3,
        [10, 10, 2, 2],
        512,
        [16, 16, 4, 4],
        109,
        256,
        40000,
    ]
    assert (held["sr"], held["f0"], held["version"]) == ("40k", 1, "v2")
    assert {tensor.dtype for tensor in held["weight"].values()} == {torch.float16}
    for name, values in kinds.weights("v2-40k-f0").draw():
        np.testing.assert_array_equal(held["weight"][name].numpy(), values, err_msg=name)


@slow
def test_hubert_is_written_as_a_transformers_folder(own_cache):
    folder = voices.make_hubert()
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 12
    held = load_file(folder / "model.safetensors")
    assert held["encoder.pos_conv_embed.conv.parametrizations.weight.original0"].shape == (1, 1, 128)
    assert {values.dtype for values in held.values()} == {np.dtype(np.float32)}


@slow
def test_rmvpe_is_a_bare_state_dict(own_cache):
    held = torch.load(voices.make_rmvpe(), map_location="cpu", weights_only=True)
    assert len(held) == 741
    np.testing.assert_array_equal(held["fc.1.weight"].numpy(), rmvpe.fitted_head()["fc.1.weight"])
    assert all((held[name] > 0).all() for name in held if name.endswith("running_var"))


@pytest.mark.parametrize("name", voices.INDEXES)
def test_an_index_is_an_ivf_flat_file_with_its_vectors_in_order(name, own_cache):
    index = faiss.read_index(str(voices.make_index(name)))
    drawn = dict(kinds.weights(f"index-{name}").draw())
    assert isinstance(index, faiss.IndexIVFFlat)
    assert (index.nlist, index.nprobe, index.metric_type, index.is_trained) == (64, 1, faiss.METRIC_L2, True)
    assert index.ntotal == len(drawn["vectors"]) >= 2000
    index.make_direct_map()
    np.testing.assert_array_equal(index.reconstruct_n(0, index.ntotal), drawn["vectors"])
    sizes = [index.invlists.list_size(i) for i in range(64)]
    assert sizes == np.bincount(drawn["lists"]).tolist()
    assert (min(sizes) < 8) == name.endswith("short")


@pytest.mark.parametrize("name", voices.INDEXES)
def test_no_vector_of_an_index_is_an_anchor(name):
    drawn = dict(kinds.weights(f"index-{name}").draw())
    nearest = [((drawn["vectors"] - center) ** 2).sum(axis=1).min() for center in drawn["centroids"]]
    assert min(nearest) > 0.1


# ---- the cache ----


def test_weights_are_made_once(own_cache):
    made = voices.make_index("v1")
    before = made.stat().st_mtime_ns
    cache._path_of.cache_clear()
    assert voices.make_index("v1") == made
    assert made.stat().st_mtime_ns == before
    assert str(made).startswith(str(own_cache))


@pytest.mark.parametrize("spoil", ["a byte", "cut", "gone", "no record"])
def test_a_damaged_entry_is_made_again(own_cache, spoil):
    made = voices.make_index("v1")
    good = made.read_bytes()
    if spoil == "a byte":
        made.write_bytes(good[:1000] + bytes([good[1000] ^ 1]) + good[1001:])
    elif spoil == "cut":
        made.write_bytes(good[:-1])
    elif spoil == "gone":
        made.unlink()
    else:
        (made.parent / "made.json").unlink()
    cache._path_of.cache_clear()
    assert voices.make_index("v1").read_bytes() == good
    assert [path.name for path in (own_cache / "voices").iterdir()] == [made.parent.name]


def test_unchanged_files_are_hashed_once_and_changed_ones_again(tmp_path, monkeypatch):
    entry = tmp_path / "entry"
    entry.mkdir()
    (entry / "weights.bin").write_bytes(b"right")
    (entry / cache._RECORD).write_text(json.dumps(cache._hashes(entry)))
    assert cache._intact(entry, "weights.bin")
    computed = []
    hashes = cache._hashes
    monkeypatch.setattr(cache, "_hashes", lambda folder: computed.append(folder) or hashes(folder))
    assert cache._intact(entry, "weights.bin") and computed == []
    times = (entry / "weights.bin").stat()
    (entry / "weights.bin").write_bytes(b"wrong")  # the same size
    os.utime(entry / "weights.bin", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not cache._intact(entry, "weights.bin") and computed == [entry]


def test_an_interrupted_maker_leaves_nothing(own_cache, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(kinds.index, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        voices.make_index("v1")
    assert list((own_cache / "voices").iterdir()) == []


def test_two_processes_make_one_entry(own_cache):
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        paths = set(pool.map(voices.make_index, ["v1", "v1", "v1"]))
    assert len(paths) == 1
    assert len(list((own_cache / "voices").iterdir())) == 1
    assert cache._intact(paths.pop().parent, "index-v1.index")


def test_other_bits_are_refused_in_one_sentence(own_cache, monkeypatch):
    monkeypatch.setattr(cache, "pinned", lambda: {"index-v1": 64 * "0"})
    with pytest.raises(ParityError, match=r"^this machine drew other bits for index-v1: sha256 \w{12}, expected 0{12}"):
        voices.make_index("v1")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RVC_CACHE", str(tmp_path / "file"))
    with pytest.raises(ParityError, match=r"^cannot write to .*; set RVC_CACHE to a folder that can$"):
        voices.make_index("v1")


def test_the_default_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("RVC_CACHE", raising=False)
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "rvc"


@pytest.mark.parametrize("make", [voices.make_voice, voices.make_index, voices.Kind])
def test_an_unknown_name_is_refused(make):
    with pytest.raises(UsageError, match=r"choose one of"):
        make("v3-44k-f0")


def test_weights_that_are_safetensors_have_no_other_form():
    with pytest.raises(UsageError) as refused:
        cache.plain_path_of("hubert")
    assert str(refused.value) == "the weights called 'hubert' are safetensors already"


def test_a_changed_number_changes_the_digest():
    drawn = {"w": np.zeros((2, 3), np.float16)}
    other = {"w": np.array([[0, 0, 0], [0, 0, 2**-24]], np.float16)}
    assert (
        len(
            {
                kinds.digest(drawn, {}),
                kinds.digest(other, {}),
                kinds.digest({"v": drawn["w"]}, {}),
                kinds.digest({"w": drawn["w"].reshape(3, 2)}, {}),
                kinds.digest({"w": drawn["w"].view(np.int16)}, {}),
                kinds.digest(drawn, {"sr": "40k"}),
            }
        )
        == 6
    )


def test_the_command_writes_into_the_folder_of_its_argument(own_cache, tmp_path, capsys):
    assert command.main([str(tmp_path / "out"), "--kind", "v2-40k-nof0", "--only-voice"]) == 0
    assert (tmp_path / "out" / "v2-40k-nof0.pth").stat().st_size > 50_000_000
    assert "v2-40k-nof0.pth" in capsys.readouterr().out
