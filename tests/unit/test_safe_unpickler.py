"""The safe unpickler: foreign objects become placeholders, hostile files and damaged files are refused."""

import argparse
import collections
import io
import pickle
import sys
import zipfile

import pytest
import torch

from rvc.errors import BadCheckpoint
from rvc.weights.torch_files import stored_tensor
from rvc.weights.torch_files.safe_unpickler import unpickle
from rvc.weights.torch_files.state_dict import read_tensors


class Command:
    """Pickles as a call of the system's shell."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.mark}",)


class Built:
    """Pickles as a class with state, items and elements, as configurations do."""

    def __reduce_ex__(self, protocol):
        return Built, (), {"a": 1}, iter([1, 2]), iter([("k", 3)])

    def extend(self, values):
        raise AssertionError("a class of the file must not be used")

    def __setitem__(self, key, value):
        raise AssertionError("a class of the file must not be used")


TENSORS = {
    "plain": torch.arange(6.0).reshape(2, 3),
    "half": torch.arange(5).half(),
    "bf": torch.arange(5).bfloat16(),
    "long": torch.tensor(7),
    "view": torch.arange(12.0).reshape(3, 4)[1:, ::2],
    "parameter": torch.nn.Parameter(torch.ones(3)),
}


@pytest.mark.parametrize("new", [True, False])
def test_tensors_come_back_as_they_were(tmp_path, new):
    torch.save(TENSORS, tmp_path / "x.pt", _use_new_zipfile_serialization=new)
    back = read_tensors(tmp_path / "x.pt")
    assert list(back) == list(TENSORS)
    for name, value in TENSORS.items():
        assert back[name].dtype == value.dtype
        assert torch.equal(back[name], value)


@pytest.mark.parametrize("new", [True, False])
def test_foreign_objects_become_placeholders(tmp_path, new):
    content = {
        "cfg": argparse.Namespace(x=[1]),
        "built": Built(),
        "counter": collections.Counter("aab"),
        "path": __import__("pathlib").PurePosixPath("/x"),
        "model": collections.OrderedDict(TENSORS),
    }
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=new)
    assert torch.equal(read_tensors(tmp_path / "x.pt")["view"], TENSORS["view"])


@pytest.mark.parametrize("new", [True, False])
def test_nothing_in_a_file_is_executed(tmp_path, new):
    torch.save(
        {"evil": Command(tmp_path / "mark"), "model": TENSORS}, tmp_path / "x.pt", _use_new_zipfile_serialization=new
    )
    with pytest.raises(BadCheckpoint, match=r"x\.pt: the file asks to use (posix|nt)\.system when it is read"):
        read_tensors(tmp_path / "x.pt")
    assert not (tmp_path / "mark").exists()


def test_no_module_named_in_a_file_is_imported():
    unpickle(io.BytesIO(b"ctabnanny_of_nobody\nfly\n."))
    with pytest.raises(BadCheckpoint, match=r"asks to use antigravity\.fly"):
        unpickle(io.BytesIO(b"cantigravity\nfly\n."))
    assert "antigravity" not in sys.modules


COMMANDS = [
    b"cbuiltins\neval\n(S'1/0'\ntR.",
    b"cbuiltins\ngetattr\n(cos\nsystem\nS'x'\ntR(S'y'\ntR.",
    b"\x80\x02cbuiltins\nexec\n)\x81}b.",
    b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x031/0\x85R.",
]


@pytest.mark.parametrize("stream", COMMANDS)
def test_functions_of_the_standard_library_are_refused(stream):
    with pytest.raises(BadCheckpoint, match=r"asks to use builtins\.\w+ when it is read, which no model needs"):
        unpickle(io.BytesIO(stream))


@pytest.mark.parametrize("stream", COMMANDS)
def test_calls_of_unknown_functions_give_placeholders(stream):
    value, _ = unpickle(io.BytesIO(stream.replace(b"builtins", b"fairseqs").replace(b"cos\n", b"cos_\n")))
    assert type(value).__module__.startswith("rvc") or type(value).__name__ == "Placeholder"


def test_a_pickle_cannot_change_the_modules_functions():
    state = b"ctorch._utils\n_rebuild_tensor_v2\n}(S'__name__'\nS'gone'\nub."
    unpickle(io.BytesIO(state))
    assert stored_tensor.rebuild.__name__ == "rebuild"


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    torch.save({"x": torch.arange(4.0)}, tmp_path / "x.pt")
    patched = rewrite(tmp_path / "x.pt", lambda p: p.replace(b"K\x04\x85", b"K\x05\x85"))
    with pytest.raises(BadCheckpoint, match="reaches beyond"):
        read_tensors(patched)


def test_a_claim_of_two_gigabytes_is_refused_without_allocating_them(tmp_path):
    torch.save({"x": torch.arange(4.0)}, tmp_path / "x.pt")
    huge = pickle.dumps(2**29, protocol=2)[2:-1]
    patched = rewrite(
        tmp_path / "x.pt", lambda p: p.replace(b"K\x04tq", huge + b"tq").replace(b"K\x04\x85", huge + b"\x85")
    )
    with pytest.raises(BadCheckpoint, match="claims a storage of 2147483648 bytes but holds 16"):
        read_tensors(patched)


def test_a_size_that_is_no_number_is_refused_in_words(tmp_path):
    torch.save({"x": torch.arange(4.0)}, tmp_path / "x.pt")
    patched = rewrite(tmp_path / "x.pt", lambda p: p.replace(b"K\x04tq", b"Ntq"))
    with pytest.raises(BadCheckpoint, match=r"the file claims a storage whose size is no number; it is damaged$"):
        read_tensors(patched)


def rewrite(path, change):
    """The same torch file with its pickle changed."""
    patched = path.with_name("patched.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(patched, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith("data.pkl"):
                changed = change(data)
                assert changed != data
                data = changed
            new.writestr(info.filename, data)
    return patched


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(tmp_path, keep):
    torch.save(TENSORS, tmp_path / "x.pt")
    data = (tmp_path / "x.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(BadCheckpoint):
        read_tensors(tmp_path / "x.pt")


@pytest.mark.parametrize("data", [b"", b"RIFF....", b"\x80\x02}q\x00.", b"PK\x03\x04" + b"\0" * 50])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(BadCheckpoint):
        read_tensors(tmp_path / "x.pt")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\x00\xca\x9a\x3b.",
        b"Np1_000_000_000\n.",
        b"Np+" + b"0" * 200 + b"1000000000\n.",
        b"\x80\x04\x8c\x03abc\x8c\x01p0ccollections\nOrderedDict\nr\x00\xca\x9a\x3b.",
    ],
)
@pytest.mark.parametrize("is_file", [False, True])
def test_a_memo_larger_than_the_pickle_justifies_is_refused_before_its_memory_is_taken(tmp_path, content, is_file):
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") if is_file else io.BytesIO(content) as file:
        with pytest.raises(
            BadCheckpoint, match=r"the file's pickle numbers an object 1000000000 after \d operations; "
        ):
            unpickle(file)
        assert file.tell() == 0  # literal: Python's file position


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02X\x00\xca\x9a\x3babc.",  # a text
        b"\x80\x02T\x00\xca\x9a\x3babc.",  # bytes of protocol 1
        b"\x80\x02\x8b\x00\xca\x9a\x3babc.",  # an integer
        b"\x80\x04\x8e\x00\xca\x9a\x3b\x00\x00\x00\x00abc.",  # bytes
        b"\x80\x04\x95\x00\xca\x9a\x3b\x00\x00\x00\x00abc.",  # a frame, which is read at once
    ],
)
@pytest.mark.parametrize("is_file", [False, True])
def test_an_object_longer_than_the_file_is_refused_before_its_memory_is_taken(tmp_path, content, is_file):
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") if is_file else io.BytesIO(content) as file:
        with pytest.raises(
            BadCheckpoint, match="the file's pickle ends 4 bytes into an object of 1000000000; it is cut off"
        ):
            unpickle(file)
        assert file.tell() == 0  # literal: Python's file position


@pytest.mark.parametrize("protocol", range(6))
def test_a_memo_of_many_objects_is_read(protocol):
    content = [(str(number), [number]) for number in range(40_000)]  # above 65536 numbered objects
    assert unpickle(io.BytesIO(pickle.dumps(content, protocol)))[0] == content
