"""Dumps of other programs: every kind of file is read alike, maps rename them, and bad ones end in one sentence."""

import json
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from parity.cli.main import main
from parity.errors import TraceError, UsageError
from parity.foreign_dumps import dump_file, name_map
from parity.goldens import store
from parity.judge import metrics
from parity.judge.states import CellState
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


FORMS = {
    "without a batch axis": lambda value: value[0] if value.ndim > 1 else value,
    "with one more axis": lambda value: value[None, ..., None],
    "big-endian": lambda value: value.astype(value.dtype.newbyteorder(">")),
    "column-major": np.asfortranarray,
    "float64": lambda value: value.astype(np.float64),
    "int32": lambda value: value.astype(np.int32) if value.dtype == np.int64 else value,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_changes_no_value_is_no_difference(form: str) -> None:
    made = {name: FORMS[form](value) for name, value in HELD.items()}
    renamed = name_map.rename(made, name_map.SPECIFIED, CASE)
    for name, value in HELD.items():
        assert renamed.tensors[name].dtype == value.dtype and np.array_equal(renamed.tensors[name], value), name
    assert bool(renamed.changes) == (form not in ("big-endian", "column-major"))


def test_a_form_that_loses_values_is_left_for_the_judge() -> None:
    halves, transposed = HELD["f0.coarse"] + 0.5, HELD["seg0.flow.z"].transpose(0, 2, 1)
    made = {"f0.coarse": halves, "seg0.flow.z": transposed, "seg0.waveform.segment.full": np.zeros(3, np.complex64)}
    renamed = name_map.rename(made, name_map.SPECIFIED, CASE)
    assert not renamed.changes and all(np.array_equal(renamed.tensors[name], value) for name, value in made.items())


def test_exchanged_axes_and_another_full_scale_are_named() -> None:
    turned = CASE["seg0.flow.z"].transpose(0, 2, 1) * np.float32(1.001)
    state, sentence = metrics.form("seg0.flow.z", CASE["seg0.flow.z"], turned)
    assert state is CellState.SHAPE and "with transpose = [0, 2, 1] its values are nearly the golden's" in sentence
    other = np.random.default_rng(1).standard_normal(turned.shape).astype(np.float32)
    assert "nearly" not in metrics.form("seg0.flow.z", CASE["seg0.flow.z"], other)[1]
    shaped = CASE["seg0.flow.z"].reshape(turned.shape)
    assert "with the golden's shape its values" in metrics.form("seg0.flow.z", CASE["seg0.flow.z"], shaped)[1]
    wave = CASE["waveform.final"]
    assert metrics.form("waveform.final", wave, wave / np.float32(32768))[1].endswith(
        "(its full scale is 1, the golden's 32768)"
    )


def raw(folder: Path, dtype: str, value: np.ndarray) -> Path:
    """seg0.flow.z as a raw file."""
    folder.mkdir()
    (folder / "z.bin").write_bytes(value.tobytes())
    entry = {"file": "z.bin", "dtype": dtype, "shape": list(value.shape)}
    (folder / "shapes.json").write_text(json.dumps({"seg0.flow.z": entry}))
    return folder


def test_raw_files_have_a_byte_order_and_half_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = HELD["seg0.flow.z"]
    assert np.array_equal(dump_file.read(raw(tmp_path / "a", ">f4", value.astype(">f4")))["seg0.flow.z"], value)
    half = dump_file.read(raw(tmp_path / "b", "float16", value.astype(np.float16)))["seg0.flow.z"]
    assert half.dtype == np.float32 and np.array_equal(half, value.astype(np.float16))
    brain = (value.view(np.uint32) >> 16).astype(np.uint16)
    assert np.allclose(dump_file.read(raw(tmp_path / "c", "bfloat16", brain))["seg0.flow.z"], value, rtol=2**-7)
    swapped = raw(tmp_path / "d", "float32", value.astype(">f4"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["compare", str(GOLDEN), str(swapped)]) == 1
    assert "in the other byte order (with it, the values are nearly the golden's)" in capsys.readouterr().out


def test_complex_numbers_are_a_wrong_dtype_without_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(".npz", tmp_path, {"seg0.flow.z": HELD["seg0.flow.z"].astype(np.complex64)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["compare", str(GOLDEN), str(path)]) == 1
    assert "is complex64, the golden is float32" in capsys.readouterr().out


def test_names_with_slashes_another_golden_and_unknown_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in HELD.items():
        path = tmp_path / "dump" / f"{name.replace('.', '/')}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, value)
    np.save(tmp_path / "dump" / "mel.npy", np.zeros(3))
    assert main(["compare", str(GOLDEN), str(tmp_path / "dump"), "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert (
        document["counts"]["compared"] == 11 and "not in the specification, and not compared: mel" in document["notes"]
    )
    assert main(["compare", str(GOLDEN), str(GOLDEN)]) == 0


@pytest.mark.parametrize(
    ("head", "kind"), [(b"\x1f\x8b\x08", "compressed by gzip"), (b"\x89HDF", "an HDF5 file"), (b"GGUF", "a GGUF file")]
)
def test_files_of_other_kinds_are_named(head: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(head + bytes(40))
    with pytest.raises(TraceError, match=f"a is {kind}, which is not read; give a safetensors"):
        dump_file.read(tmp_path / "a")


@pytest.mark.parametrize("kind", [".npz", ".safetensors"])
def test_half_precision_is_judged_by_its_tier_without_a_map(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    halves = {name: HELD[name].astype(np.float16) for name in ("seg0.hubert.features", "seg0.flow.z")}
    assert main(["compare", str(GOLDEN), str(written(kind, tmp_path, halves)), "--tier", "float16"]) == 4
    assert "nothing failed in the tier float16" in capsys.readouterr().out


def test_a_map_of_a_prefix_alone_and_one_for_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml, names = tmp_path / "names.toml", ["--names", str(tmp_path / "names.toml")]
    toml.write_text('format = "rvc-names/1"\nprefix = "my."\n')
    mine = {f"my.{name}": value for name, value in HELD.items()}
    one = written(".npz", tmp_path, mine)
    assert main(["compare", str(GOLDEN), str(one), *names]) == 4
    capsys.readouterr()
    # The golden's side may be a dump of another program, of any kind and form.
    original = written("-folder-of-npy", tmp_path, {name: np.squeeze(value) for name, value in mine.items()})
    assert main(["compare", str(original), str(one), *names]) == 0
    assert "0 failed" in capsys.readouterr().out
    (tmp_path / "moved").mkdir()
    moved = written(".npz", tmp_path / "moved", mine | {"my.seg0.flow.z": HELD["seg0.flow.z"] * 1.01})
    assert main(["compare", str(original), str(moved), *names, "--json"]) == 1
    (case,) = json.loads(capsys.readouterr().out)["cases"]
    assert [stage["stage"] for stage in case["stages"] if stage["blame"] == "origin"] == ["flow"]


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
