"""Dumps of other programs: every kind of file is read alike, maps rename them, and bad ones end in one sentence."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from parity.cli.main import main
from parity.errors import TraceError, UsageError
from parity.foreign_dumps import dump_file, name_map
from parity.goldens import store
from parity.voices import torch_file

GOLDEN = store.GOLDENS / "v1-40k-pm-classic"
CASE = store.open_case(GOLDEN)
NAMES = ("seg0.hubert.features", "f0.coarse", "seg0.flow.z", "seg0.waveform.segment.full")
HELD = {name: CASE[name] for name in NAMES}


def written(kind: str, folder: Path, tensors: dict[str, np.ndarray]) -> Path:
    """The tensors as one kind of dump."""
    path = folder / f"dump{kind}"
    if kind == ".npz":
        np.savez_compressed(path, **tensors)
    elif kind == ".pt":
        torch_file.write({"taps": tensors}, path)
    elif kind == ".safetensors":
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)
    else:
        path.mkdir()
        table = {}
        for number, (name, value) in enumerate(tensors.items()):
            if kind == "-folder-of-npy":
                np.save(path / f"{name}.npy", value)
            else:
                (path / f"{number}.bin").write_bytes(value.tobytes())
                table[name] = {"file": f"{number}.bin", "dtype": value.dtype.name, "shape": list(value.shape)}
        if table:
            (path / "shapes.json").write_text(json.dumps(table))
    return path


@pytest.mark.parametrize("kind", [".npz", ".safetensors", "-folder-of-npy", "-raw"])
def test_every_kind_of_dump_is_judged_alike(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(kind, tmp_path, HELD)
    assert main(["compare", str(GOLDEN), str(path), "--json"]) == 4  # partial: four tensors of the golden
    document = json.loads(capsys.readouterr().out)
    assert document["counts"]["failed"] == 0 and document["counts"]["compared"] >= len(NAMES)
    moved = HELD | {"seg0.flow.z": HELD["seg0.flow.z"] * 1.01}
    (tmp_path / "moved").mkdir()
    assert main(["compare", str(GOLDEN), str(written(kind, tmp_path / "moved", moved))]) == 1
    assert "flow" in capsys.readouterr().out


def test_tensors_in_nested_containers_of_a_torch_file_get_dotted_names(tmp_path: Path) -> None:
    made = dump_file.read(written(".pt", tmp_path, HELD))
    assert set(made) == {f"taps.{name}" for name in NAMES}
    assert all(np.array_equal(made[f"taps.{name}"], HELD[name]) for name in NAMES)


def test_a_file_of_torch_itself_is_read_without_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    values = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    torch.save(
        {
            "turned": values.t(),
            "half": values.to(torch.float16),
            "brain": values.to(torch.bfloat16),
            "whole": values.to(torch.int32),
            "parameter": torch.nn.Parameter(values),
            "list": [values, 3, "text", None],
        },
        tmp_path / "a.pt",
    )
    made = dump_file.read(tmp_path / "a.pt")
    expected = values.numpy()
    assert np.array_equal(made["turned"], expected.T) and made["whole"].dtype == np.int32
    for name in ("half", "brain", "parameter", "list.0"):
        assert made[name].dtype == np.float32 and np.array_equal(made[name], expected), name


def test_a_map_renames_turns_and_widens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = {
        "my.z0": np.ascontiguousarray(HELD["seg0.flow.z"].transpose(0, 2, 1)),
        "my.bins": HELD["f0.coarse"].astype(np.int32).reshape(-1),
        "my.features": HELD["seg0.hubert.features"][0],
        "my.other": np.zeros(3, np.float32),
    }
    (tmp_path / "names.toml").write_text(
        'format = "rvc-names/1"\nsource = "a test"\nprefix = "my."\n'
        '[[tensor]]\nfrom = "z{n}"\nto = "seg{n}.flow.z"\ntranspose = [0, 2, 1]\n'
        '[[tensor]]\nfrom = ["pitch", "bins"]\nto = "f0.coarse"\ndtype = "int64"\n'
        '[[tensor]]\nfrom = "features"\nto = "seg0.hubert.features"\n'
    )
    path = written(".npz", tmp_path, dump)
    assert main(["compare", str(GOLDEN), str(path), "--names", str(tmp_path / "names.toml")]) == 4
    text = capsys.readouterr().out
    assert "0 failed" in text and "not in the map, and not compared: my.other" in text


def test_the_map_of_audio_cpp_takes_its_nine_tensors() -> None:
    own = {
        "audio.filtered_16k": "highpassed",
        "audio.padded_16k": "padded",
        "f0.pitchf": "f0.raw",
        "hubert.features": "seg0.hubert.features",
        "synth.features": "seg0.content.protected",
        "synth.pitch": "f0.coarse",
        "synth.pitchf": "f0.hz",
        "synth.sine_source": "seg0.nsf.sine",
        "synth.raw_output": "seg0.waveform.segment.full",
    }
    dump = {f"rvc.{name}": CASE[to] for name, to in own.items()}
    dump["rvc.synth.pitch"] = dump["rvc.synth.pitch"].astype(np.int32)
    dump["rvc.audio.filtered_16k"] = dump["rvc.audio.filtered_16k"].astype(np.float32)
    renamed = name_map.rename(dump, name_map.load("audio.cpp"), CASE)
    assert set(renamed.tensors) == set(own.values()) and not renamed.unknown
    assert all(value.dtype == CASE[name].dtype for name, value in renamed.tensors.items())


def test_the_map_of_rvc_rs_takes_its_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = tmp_path / "bundle"
    for folder in ("input", "expected"):
        (bundle / folder).mkdir(parents=True)
    for name, to in (("phone", "seg0.content.protected"), ("pitch", "f0.coarse"), ("pitchf", "f0.hz")):
        np.save(bundle / "input" / f"{name}.npy", CASE[to])
    np.save(bundle / "input" / "sid.npy", np.zeros(1, np.int64))
    np.savez(bundle / "expected" / "enc_p.npz", m_p=CASE["seg0.enc_p.m"], logs_p=CASE["seg0.enc_p.logs"])
    np.savez(bundle / "expected" / "flow.npz", z_p=CASE["seg0.z_p"], z=CASE["seg0.flow.z"])
    np.save(bundle / "expected" / "waveform.npy", CASE["seg0.waveform.segment.full"].reshape(-1))
    (bundle / "manifest.json").write_text('{"model": "model.pth"}')
    assert main(["compare", str(GOLDEN), str(bundle), "--names", "rvc-rs"]) == 4
    text = capsys.readouterr().out
    assert "0 failed" in text and "not compared: input/sid" in text


@pytest.mark.parametrize("name", name_map.shipped())
def test_a_shipped_map_states_its_source(name: str) -> None:
    assert name_map.load(name).source.startswith("github.com/")


class Runs:
    """Executes a command where a pickle of it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_nothing_in_a_dump_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Runs()))
    np.savez(tmp_path / "a.npz", a=np.array([Runs()], object))
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(Runs(), 2))
    for name in ("a.pkl", "a.npz", "a.pt"):
        with pytest.raises(TraceError):
            dump_file.read(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_a_tensor_that_leaves_its_storage_is_refused(tmp_path: Path) -> None:
    path = written(".pt", tmp_path, {"a": np.arange(8, dtype=np.float32)})
    data = {}
    with zipfile.ZipFile(path) as archive:
        data = {name: archive.read(name) for name in archive.namelist()}
    inner = next(name for name in data if name.endswith("/data/0"))
    data[inner] = data[inner][:16]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in data.items():
            archive.writestr(name, content)
    with pytest.raises(TraceError, match="lies outside of its values"):
        dump_file.read(path)


def test_every_kind_of_bad_dump_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = written(".npz", tmp_path, HELD)
    cut.write_bytes(cut.read_bytes()[:-40])
    raw = written("-raw", tmp_path, HELD)
    (raw / "0.bin").write_bytes(b"1234")
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "one.npy", np.zeros(3))
    toml = tmp_path / "names.toml"
    for path, expected in [
        (cut, "is not complete"),
        (raw, "has 4 bytes"),
        (tmp_path / "empty", "holds no tensor"),
        (tmp_path / "one.npy", "holds none of the tensors"),
        (tmp_path / "none.npz", "there is no file"),
    ]:
        assert main(["compare", str(GOLDEN), str(path)]) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1
    good = written(".safetensors", tmp_path, HELD)
    for content, expected in [
        ("format = 1", "is no map of names"),
        ("a = [", "is no TOML file"),
        ('format = "rvc-names/1"\n[[tensor]]\nfrom = "a"\nto = "seg0.flow.w"', "seg0.flow.w is no tensor"),
        ('format = "rvc-names/1"\n[[tensor]]\nfrom = "a"\nto = "f0.hz"\nturn = 1', "has from and to"),
        ('format = "rvc-names/1"\n[[tensor]]\nfrom = "a{n}"\nto = "f0.hz"', "must both have {n}"),
        ('format = "rvc-names/1"\n[[tensor]]\nfrom = "a"\nto = "f0.hz"\ndtype = "int4"', "dtype = int4"),
        ('format = "rvc-names/1"\n[[tensor]]\nfrom = "a"\nto = "f0.hz"\ntranspose = [0, 0]', "does not name each axis"),
    ]:
        toml.write_text(content)
        assert main(["compare", str(GOLDEN), str(good), "--names", str(toml)]) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1
    assert main(["compare", str(GOLDEN), str(good), "--names", "no-such-map"]) == 2
    assert "one of audio.cpp, rvc-rs" in capsys.readouterr().err


def test_a_cast_that_loses_values_is_refused() -> None:
    names = name_map.NameMap("a test", "", (name_map.Row(("a",), "f0.coarse", dtype="int64"),))
    with pytest.raises(UsageError, match="loses values as int64"):
        name_map.rename({"a": np.array([1.5])}, names, CASE)


def test_a_header_whose_length_begins_like_a_pickle_is_read(tmp_path: Path) -> None:
    """The eight bytes of the length of a safetensors header may be 80 02 00 … or 80 00 00 …"""
    value = np.arange(3, dtype=np.float32)
    header = b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}'
    for length in (0x80, 0x280):
        path = tmp_path / f"{length}.safetensors"
        path.write_bytes(length.to_bytes(8, "little") + header.ljust(length) + value.tobytes())
        assert np.array_equal(dump_file.read(path)["a"], value)
