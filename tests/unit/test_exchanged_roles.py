"""Every kind of file in every place of every command: one sentence and exit code 2, and no network runs.

A place is one option or argument of a command; all other files of the command are right. The commands run in this
process, with HuBERT, the F0 methods and the generator replaced by a failure of the test.
"""

from contextlib import suppress
from itertools import cycle

import faiss
import numpy as np
import pytest
import soundfile
import tiny
import torch
from safetensors.torch import save_file
from test_recognizers import FILES, STATES

from rvc.cli.main import main
from rvc.f0 import tracking
from rvc.nn.hubert import Hubert
from rvc.nn.synthesizer import Synthesizer

CONVERT = ["convert", "IN", "OUT", "--model", "VOICE", "--hubert", "HUBERT", "--f0-method", "pm"]
STREAM = ["stream", "IN", "OUT", "--model", "VOICE", "--hubert", "HUBERT", "--f0-method", "pm"]
PLACES = {  # place → the command, in which FILE is the file that is tried
    "convert IN": ["convert", "FILE", *CONVERT[2:]],
    "convert --model": ["convert", "IN", "OUT", "--model", "FILE", "--hubert", "HUBERT", "--f0-method", "pm"],
    "convert --hubert": ["convert", "IN", "OUT", "--model", "VOICE", "--hubert", "FILE", "--f0-method", "pm"],
    "convert --index": [*CONVERT, "--index", "FILE", "--index-rate", "0.5"],
    "convert --rmvpe": [*CONVERT[:-1], "rmvpe", "--rmvpe", "FILE"],
    "convert --crepe": [*CONVERT[:-1], "crepe", "--crepe", "FILE"],
    "convert --fcpe": [*CONVERT[:-1], "fcpe", "--fcpe", "FILE"],
    "convert --f0-file": [*CONVERT, "--f0-file", "FILE"],
    "convert --noise": [*CONVERT, "--noise", "FILE"],
    "convert --config": [*CONVERT, "--config", "FILE"],
    "stream IN": ["stream", "FILE", *STREAM[2:]],
    "stream --model": ["stream", "IN", "OUT", "--model", "FILE", "--hubert", "HUBERT", "--f0-method", "pm"],
    "stream --hubert": ["stream", "IN", "OUT", "--model", "VOICE", "--hubert", "FILE", "--f0-method", "pm"],
    "stream --index": [*STREAM, "--index", "FILE", "--index-rate", "0.5"],
    "stream --rmvpe": [*STREAM[:-1], "rmvpe", "--rmvpe", "FILE"],
    "export VOICE": ["export", "FILE", "NEW"],
    "merge A": ["merge", "FILE", "VOICE", "NEW"],
    "merge B": ["merge", "VOICE", "FILE", "NEW"],
    "index inspect": ["index", "inspect", "FILE"],
    "index inspect --audio": ["index", "inspect", "INDEX", "--audio", "FILE", "--hubert", "HUBERT"],
    "index inspect --hubert": ["index", "inspect", "INDEX", "--audio", "IN", "--hubert", "FILE"],
    "index build": ["index", "build", "FILE", "NEW.index", "--hubert", "HUBERT", "--version", "v1"],
    "index build --hubert": ["index", "build", "IN", "NEW.index", "--hubert", "FILE", "--version", "v1"],
    "audio": ["audio", "FILE"],
    "inspect": ["inspect", "FILE"],
}
RIGHT = {  # place → files that are right there
    "convert IN": {"recording"},
    "convert --model": {"tiny voice"},
    "convert --hubert": {"HuBERT folder", "HuBERT weights"},
    "convert --index": {"index of 256", "index"},
    "convert --f0-file": {"F0 curve"},
    "convert --config": {"nothing"},
    "stream IN": {"recording"},
    "stream --model": {"tiny voice"},
    "stream --hubert": {"HuBERT folder", "HuBERT weights"},
    "stream --index": {"index of 256", "index"},
    "export VOICE": {"tiny voice"},
    "merge A": {"tiny voice"},
    "merge B": {"tiny voice"},
    "index inspect": {"index of 256", "index"},
    "index inspect --audio": {"recording"},
    "index inspect --hubert": {"HuBERT folder", "HuBERT weights"},
    "index build": {"recording", "features of 256"},
    "index build --hubert": {"HuBERT folder", "HuBERT weights"},
    "audio": {"recording"},
}


def model(names, suffix):
    tensors = {name: torch.ones(1) for name in names}
    return lambda path: torch.save({"model": tensors}, path) if suffix == "pth" else save_file(tensors, path)


def tuned_index(path, factory="Flat"):
    index = faiss.index_factory(256, factory)
    rows = np.random.default_rng(0).standard_normal((300, 256), dtype=np.float32)
    index.train(rows)
    index.add(rows)
    faiss.write_index(index, str(path))


def recording(path):
    tone = 0.3 * np.sin(np.arange(16000) / 16)
    soundfile.write(str(path), tone, 16000, format="WAV")


OTHERS = {  # file → (its name, what writes it)
    "nothing": ("x.pth", lambda path: path.touch()),
    "zeros": ("x.pth", lambda path: path.write_bytes(bytes(4096))),
    "text": ("x.txt", lambda path: path.write_text("la la la\n")),
    "JSON": ("x.json", lambda path: path.write_text('{"a": [1, 2]}')),
    "missing file": ("x.pth", lambda path: None),
    "empty folder": ("x", lambda path: path.mkdir()),
    "tiny voice": ("x.pth", tiny.write_voice),
    "cut voice": ("x.pth", lambda path: path.write_bytes(tiny.write_voice(path).read_bytes()[:9000])),
    "HuBERT folder": ("x", tiny.write_hubert),
    "HuBERT weights": (
        "x.safetensors",
        lambda path: (tiny.write_hubert(path.parent / "h") / "model.safetensors").rename(path),
    ),
    "recording": ("x.wav", recording),
    "cut recording": ("x.wav", lambda path: (recording(path), path.write_bytes(path.read_bytes()[:20]))),
    "index of 256": ("x.index", tuned_index),
    "cut index": ("x.index", lambda path: (tuned_index(path), path.write_bytes(path.read_bytes()[:5000]))),
    "LSH index": ("x.index", lambda path: tuned_index(path, "LSH")),
    "features of 256": ("x.npy", lambda path: np.save(path, np.ones((50, 256), np.float32))),
    "features of 100": ("x.npy", lambda path: np.save(path, np.ones((50, 100), np.float32))),
    "F0 curve": ("x.csv", lambda path: path.write_text("0,100\n0.5,120\n")),
    "pickled list": ("x.pth", lambda path: torch.save([1, 2], path)),
    "whole module": ("x.pth", lambda path: torch.save(torch.nn.Linear(2, 2), path)),
    "optimizer": ("x.pth", lambda path: torch.save({"state": {0: {"step": 1}}, "param_groups": []}, path)),
}
KINDS = {
    **OTHERS,
    **{name: ("x.pt", write) for name, write in FILES.items()},
    **{
        f"{name} in {suffix}": (f"x.{suffix}", model(names, suffix))
        for (name, names), suffix in zip(STATES.items(), cycle(("pth", "safetensors")), strict=False)
    },
}


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    folder = tmp_path_factory.mktemp("right")
    recording(folder / "in.wav")
    tuned_index(folder / "right.index")
    names = {"IN": "in.wav", "INDEX": "right.index", "OUT": "out.wav", "NEW": "new.pth", "NEW.index": "new.index"}
    files = {place: str(folder / name) for place, name in names.items()}
    files["VOICE"] = str(tiny.write_voice(folder / "voice.pth"))
    files["HUBERT"] = str(tiny.write_hubert(folder / "hubert"))
    return files


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Kind → its file."""
    made = {}
    for name, (file, write) in KINDS.items():
        made[name] = tmp_path_factory.mktemp("kind") / file
        write(made[name])
    return made


class NetworkRan(BaseException):
    """Raised in the place of a network; no handler of the program catches it."""


@pytest.fixture
def no_network(monkeypatch):
    def run(*args, **options):
        raise NetworkRan

    monkeypatch.setattr(Hubert, "__call__", run)
    monkeypatch.setattr(tracking, "track", run)
    monkeypatch.setattr(Synthesizer, "generate", run)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.usefixtures("no_network")
def test_a_file_in_another_ones_place_is_refused_in_one_sentence_before_a_network_runs(
    right, written, capsys, place, name
):
    if name in RIGHT.get(place, ()):
        return
    words = [str(written[name]) if word == "FILE" else right.get(word, word) for word in PLACES[place]]
    code = main(words)
    printed = capsys.readouterr()
    if place == "inspect" and code == 0:
        assert printed.out
        return
    assert code == 2, printed.err
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert [line for line in lines if not line.startswith("note: ")] == lines[-1:]
    assert lines[-1].startswith("rvc: ")
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("place", RIGHT)
@pytest.mark.usefixtures("no_network")
def test_the_right_file_is_accepted_in_its_place(right, written, place):
    """The commands either end with 0 or reach a network."""
    for name in RIGHT[place]:
        words = [str(written[name]) if word == "FILE" else right.get(word, word) for word in PLACES[place]]
        with suppress(NetworkRan):
            assert main(words) == 0


@pytest.mark.parametrize(
    "place", ["convert IN", "convert --model", "convert --index", "convert --rmvpe", "convert --f0-file"]
)
@pytest.mark.usefixtures("no_network")
def test_a_folder_in_another_ones_place_is_named(right, tmp_path, capsys, place):
    """A folder of transformers is named by its config.json; another program's config.json names nothing."""
    kinds = {
        '{"model_type": "hubert"}': "is the folder of a HuBERT model, expected ",
        '{"model_type": "wavlm"}': "is the folder of a wavlm model, expected ",
        '{"train": {}}': "",
    }
    for text, sentence in kinds.items():
        folder = tmp_path / "x"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(text)
        assert main([str(folder) if word == "FILE" else right.get(word, word) for word in PLACES[place]]) == 2
        printed = capsys.readouterr().err
        assert sentence in printed
        assert ("the folder of a" in printed) == bool(sentence)


@pytest.mark.parametrize("name", ["tiny voice", "index of 256", "recording"])
@pytest.mark.usefixtures("no_network")
def test_another_file_in_the_place_of_f0_is_named(right, written, capsys, name):
    words = [str(written[name]) if word == "FILE" else right.get(word, word) for word in PLACES["convert --f0-file"]]
    assert main(words) == 2
    what = {"tiny voice": "an RVC voice", "index of 256": "a retrieval index", "recording": "a sound file"}[name]
    assert f"is {what}, expected" in capsys.readouterr().err.replace("; expected", ", expected")


@pytest.mark.parametrize("place", ["convert --model", "convert --hubert", "convert --rmvpe"])
@pytest.mark.usefixtures("no_network")
def test_a_text_in_the_place_of_weights_is_named_in_a_users_words(right, written, capsys, place):
    assert main([str(written["text"]) if word == "FILE" else right.get(word, word) for word in PLACES[place]]) == 2
    assert "x.txt is neither a torch file nor a safetensors file; expected what" in capsys.readouterr().err
