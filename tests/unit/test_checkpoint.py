"""Reading weight files: hostile, damaged and foreign ones are refused, and nothing in them is executed."""

import collections
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rvc.errors import BadCheckpoint
from rvc.weights import checkpoint


class Hostile:
    """Unpickled by any ordinary reader, this makes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def repack(path, change):
    """Rewrite a torch zip with `change` applied to (name, bytes, compression) of each entry."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info), zipfile.ZIP_STORED) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for entry in entries:
            name, data, compression = change(*entry)
            archive.writestr(zipfile.ZipInfo(name), data, compression)


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_lists_numbers_and_text_are_read(tmp_path, legacy):
    weight = {
        name: torch.randn(3, 4).to(dtype)
        for name, dtype in [("h", torch.float16), ("b", torch.bfloat16), ("f", torch.float32), ("d", torch.float64)]
    }
    weight["parameter"] = torch.nn.Parameter(torch.ones(2))
    weight["strided"] = torch.randn(4, 6).t()
    content = collections.OrderedDict(weight=collections.OrderedDict(weight), config=[1, [2, 3.5], "x"], f0=1, info="é")
    opened = checkpoint.read(saved(tmp_path / "v.pth", content, _use_new_zipfile_serialization=not legacy))
    assert opened.form == ("torch legacy" if legacy else "torch zip")
    assert opened.content["config"] == [1, [2, 3.5], "x"]
    assert (opened.content["f0"], opened.content["info"]) == (1, "é")
    for name, tensor in weight.items():
        read = opened.content["weight"][name]
        assert read.dtype == tensor.dtype
        assert torch.equal(read, tensor.detach()), name


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_file_that_would_run_a_command_is_refused_and_runs_nothing(tmp_path, legacy, nested):
    mark = tmp_path / "it-ran"
    content = {"weight": {"a": torch.ones(2)}, "info": [[Hostile(mark)]] if nested else Hostile(mark)}
    path = saved(tmp_path / "evil.pth", content, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(BadCheckpoint, match=r"^evil\.pth asks to use posix\.mkdir .* nothing was executed"):
        checkpoint.read(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # torch.load executes it, so the file is hostile


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "builtins.getattr",
        "torch.load",
        "torch.hub.load",
        "numpy.load",
        "joblib.numpy_pickle.load",
        "pandas.read_pickle",
        "subprocess.Popen",
    ],
)
def test_names_that_load_or_run_code_are_refused(tmp_path, name):
    module, attribute = name.rsplit(".", 1)
    evil = b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b"X\x01\x00\x00\x00a\x85R."
    path = saved(tmp_path / "v.pth", {"a": 1})
    repack(path, lambda n, data, how: (n, evil if n.endswith("data.pkl") else data, how))
    with pytest.raises(BadCheckpoint, match="asks to use"):
        checkpoint.read(path)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_cut_short_is_refused(tmp_path, part, legacy):
    path = saved(tmp_path / "v.pth", {"weight": {"a": torch.randn(500)}}, _use_new_zipfile_serialization=not legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(BadCheckpoint, match=r"v\.pth"):
        checkpoint.read(path)


def test_a_claim_of_two_gigabytes_is_refused_without_allocating_them(tmp_path):
    path = saved(tmp_path / "v.pth", {"weight": {"a": torch.randn(500)}})
    claim = lambda data: data.replace(b"M\xf4\x01", b"J\x00\x00\x00\x20")  # 500 → 2^29 numbers  # noqa: E731
    repack(path, lambda n, data, how: (n, claim(data) if n.endswith("data.pkl") else data, how))
    with pytest.raises(BadCheckpoint, match=r"v\.pth claims a storage of 2147483648 bytes but holds 2000"):
        checkpoint.read(path)


def test_a_view_larger_than_its_numbers_is_refused(tmp_path):
    path = saved(tmp_path / "v.pth", {"weight": {"a": torch.ones(1).expand(1 << 40)}})
    with pytest.raises(BadCheckpoint, match="a tensor of 1099511627776 numbers that are 1 in the file"):
        checkpoint.read(path)


def test_a_compressed_storage_is_refused(tmp_path):
    path = saved(tmp_path / "v.pth", {"weight": {"a": torch.zeros(100000)}})
    repack(path, lambda n, data, how: (n, data, zipfile.ZIP_DEFLATED if "/data/" in n else how))
    with pytest.raises(BadCheckpoint, match="packed again as a compressed zip file, expected one without"):
        checkpoint.read(path)


@pytest.mark.parametrize("content", [[1, 2], "text", 3, torch.ones(2)])
def test_anything_but_a_dictionary_is_refused(tmp_path, content):
    with pytest.raises(BadCheckpoint, match=r"v\.pth holds a \w+, expected a dictionary"):
        checkpoint.read(saved(tmp_path / "v.pth", content))


def test_deeply_nested_lists_are_refused(tmp_path):
    nested = []
    for _ in range(60):
        nested = [nested]
    with pytest.raises(BadCheckpoint, match="nests more than 32 levels deep"):
        checkpoint.read(saved(tmp_path / "v.pth", {"weight": nested}))


@pytest.mark.parametrize("wrap", [lambda inner: [inner] * 10, lambda inner: {str(i): inner for i in range(10)}])
def test_one_list_held_many_times_at_each_level_is_refused(tmp_path, wrap):
    value = wrap(0)
    for _ in range(20):  # a short file that would unfold to 10 to the 21st values
        value = wrap(value)
    with pytest.raises(BadCheckpoint, match="holds more than 1000000 values, which no model does"):
        checkpoint.read(saved(tmp_path / "v.pth", {"weight": {}, "info": value}))


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"weight": inner}])
def test_a_value_that_holds_itself_is_refused(tmp_path, wrap):
    ring = wrap(None)
    ring[next(iter(ring)) if isinstance(ring, dict) else 0] = ring
    with pytest.raises(BadCheckpoint, match="nests more than 32 levels deep"):
        checkpoint.read(saved(tmp_path / "v.pth", {"weight": ring}))


def test_a_pipe_is_refused_without_reading_it(tmp_path):
    os.mkfifo(tmp_path / "v.pth")
    with pytest.raises(BadCheckpoint, match="is a pipe or a device, expected a file of weights"):
        checkpoint.read(tmp_path / "v.pth")


def test_no_entry_of_a_zip_is_unpacked_beyond_what_is_needed(tmp_path):
    path = saved(tmp_path / "v.pth", {"weight": {"a": torch.ones(1)}})
    bomb = b"little" + bytes(32 << 20)

    def swell(name, data, kind):
        return (name, bomb, zipfile.ZIP_DEFLATED) if name.endswith("byteorder") else (name, data, kind)

    repack(path, swell)
    tracemalloc.start()
    try:
        with pytest.raises(BadCheckpoint, match="big-endian"):
            checkpoint.read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [b"", b"RIFF....WAVEfmt ", b"\x80", b"PK\x03\x04nothing", b"\x80\x02}q\x00.", b"\x80\x02K\x01."]
)
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "v.pth"
    path.write_bytes(data)
    with pytest.raises(BadCheckpoint, match=r"^v\.pth"):
        checkpoint.read(path)


def test_a_plain_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "v.pth", "w") as archive:
        archive.writestr("song.txt", "la")
    with pytest.raises(BadCheckpoint, match="zip file, but not one that torch"):
        checkpoint.read(tmp_path / "v.pth")


def test_random_damage_never_ends_in_anything_but_a_refusal(tmp_path):
    path = saved(
        tmp_path / "v.pth", {"weight": {"a": torch.randn(40), "b": torch.randn(2, 3)}, "config": [1, 2], "f0": 1}
    )
    intact, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(intact)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            list(checkpoint.tensors(checkpoint.read(path).content))
        except BadCheckpoint as refusal:
            assert "\n" not in str(refusal).strip()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadCheckpoint, match="cannot be opened \\(No such file or directory\\); check the path"):
        checkpoint.read(tmp_path / "none.pth")


def test_safetensors_are_read_with_their_metadata(tmp_path):
    save_file({"a": torch.arange(3.0)}, tmp_path / "v.safetensors", {"info": "x"})
    opened = checkpoint.read(tmp_path / "v.safetensors")
    assert (opened.form, opened.metadata) == ("safetensors", {"info": "x"})
    assert torch.equal(opened.content["a"], torch.arange(3.0))


@pytest.mark.parametrize(
    "data", [struct.pack("<Q", 2 << 30) + b"{}", struct.pack("<Q", 20) + b'{"a": 1', struct.pack("<Q", 2) + b"{]"]
)
def test_damaged_safetensors_are_refused(tmp_path, data):
    path = tmp_path / "v.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadCheckpoint, match=r"^v\.safetensors is a damaged safetensors file"):
        checkpoint.read(path)


def test_tensors_are_named_by_their_path():
    tree = {"a": {"b": torch.ones(1)}, "c": [torch.ones(2), {"d": torch.ones(3)}], "e": 1}
    assert [(name, len(tensor)) for name, tensor in checkpoint.tensors(tree)] == [("a.b", 1), ("c.0", 2), ("c.1.d", 3)]


def test_sha256_is_that_of_the_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert checkpoint.sha256(tmp_path / "x").startswith("ba7816bf8f01cfea")


def test_a_safetensors_file_is_recognized_whatever_the_length_of_its_header(tmp_path):
    """The first byte is the lowest of the length, and 0x80 is the first byte of a pickle too."""
    for count in range(300):
        save_file({"a": torch.ones(2)}, tmp_path / "v.safetensors", {"info": "x" * count})
        if (tmp_path / "v.safetensors").read_bytes()[0] == 0x80:
            break
    assert count < 299
    assert checkpoint.read(tmp_path / "v.safetensors").form is checkpoint.FileFormat.SAFETENSORS
