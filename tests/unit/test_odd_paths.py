"""Paths as users paste them, and paths that are no UTF-8, in every place where a command takes one."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
import soundfile
from tiny import write_hubert, write_voice

from rvc.cli import paths
from rvc.cli.convert_command import recordings_in
from rvc.cli.main import main
from rvc.voices.folder import list_voices

ODD = os.fsdecode(b"\xff\xe9 caf\xc3\xa9")  # a name that is no UTF-8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a name that is no UTF-8, and in it all files of a conversion, with such names too."""
    folder = tmp_path_factory.mktemp("files") / ODD
    folder.mkdir()
    write_voice(folder / f"{ODD}.pth")
    write_hubert(folder / f"{ODD}hubert")
    time = np.arange(16000) / 16000
    soundfile.write(folder.parent / "in.wav", 0.3 * np.sin(900 * time), 16000)
    soundfile.write(folder.parent / "in44.wav", 0.3 * np.sin(900 * np.arange(44100) / 44100), 44100)
    for name in ("in.wav", "in44.wav"):
        shutil.move(folder.parent / name, folder / f"{ODD}{name}")
    index = faiss.index_factory(256, "Flat")
    index.add(np.random.default_rng(0).standard_normal((64, 256)).astype(np.float32))
    faiss.write_index(index, str(folder.parent / "v.index"))
    shutil.move(folder.parent / "v.index", folder / f"{ODD}.index")
    (folder / f"{ODD}.csv").write_text("0,200\n0.5,210\n")
    (folder / f"{ODD}.toml").write_text("transpose = 1\n")
    return folder


def options(folder):
    files = {"--model": ".pth", "--hubert": "hubert", "--index": ".index", "--config": ".toml"}
    named = [word for option, end in files.items() for word in (option, str(folder / f"{ODD}{end}"))]
    return [*named, "--f0-method", "pm", "--index-rate", "0.5"]


def test_every_option_takes_a_path_that_is_no_utf_8(folder, tmp_path):
    """In a process of its own under LC_ALL=C, as a service or a container runs it."""
    out, trace = tmp_path / f"{ODD}.wav", tmp_path / f"{ODD}.safetensors"
    more = ["--trace", str(trace), "--f0-file", str(folder / f"{ODD}.csv"), "--profile", "webui-classic"]
    command = ["convert", str(folder / f"{ODD}in.wav"), str(out), *options(folder), *more]
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-m", "rvc", *command], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0), done.stderr
    assert b"\\udcff\\udce9" in done.stdout
    assert out.stat().st_size > 30000
    in_c = out.read_bytes()
    assert main([*command[:-4], "--noise", str(trace), *more[2:]]) == 0
    assert out.read_bytes() == in_c
    again = ["convert", str(folder / f"{ODD}in44.wav"), str(out), *options(folder), "--json"]
    assert main(again) == 0
    assert trace.stat().st_size > 1e6


def test_a_stream_takes_paths_that_are_no_utf_8(folder, tmp_path):
    out = tmp_path / f"{ODD}.flac"
    command = ["stream", str(folder / f"{ODD}in44.wav"), str(out), *options(folder), "--block-time", "0.2"]
    assert main([*command, "--trace", str(tmp_path / f"{ODD}t")]) == 0
    assert out.stat().st_size > 10000
    assert {path.name for path in tmp_path.iterdir()} == {out.name, f"{ODD}t"}


def test_an_index_is_built_and_inspected_at_a_path_that_is_no_utf_8(folder, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((100, 256)).astype(np.float32))
    out = str(tmp_path / f"{ODD}.index")
    assert main(["index", "build", str(tmp_path / "a.npy"), out]) == 0
    assert main(["index", "inspect", out]) == 0
    for file in (f"{ODD}.pth", f"{ODD}.index", f"{ODD}hubert"):
        assert main(["inspect", str(folder / file)]) == 0
    assert main(["audio", str(folder / f"{ODD}in.wav")]) == 0
    assert main(["export", str(folder / f"{ODD}.pth"), str(tmp_path / f"{ODD}.safetensors")]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    "written",
    [
        '"{}"', "'{}'", " {}\n", "\u202a{}", "\u202a{}\u202c", '"\u202a{}"', "“{}”", "file://{}", "file:{}",
        "file://localhost{}", "'file://{}'",
    ],
)  # fmt: skip
def test_a_pasted_path_is_understood(tmp_path, written):
    file = tmp_path / "my song.wav"
    file.touch()
    assert paths.path(written.format(file)) == file


def test_an_address_is_decoded(tmp_path):
    (tmp_path / "my sông.wav").touch()
    assert paths.path((tmp_path / "my sông.wav").as_uri()) == tmp_path / "my sông.wav"
    assert paths.path("file:///C:/music/a%20b.wav") == Path("C:/music/a b.wav")
    assert paths.path("~/a.wav") == Path.home() / "a.wav"


def test_a_name_with_quotes_that_exists_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("'a.wav'", " a.wav", "file:a.wav", "~a.wav"):
        Path(name).touch()
        assert paths.path(name) == Path(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-", "- stands for a pipe, which only rvc stream reads and writes; give a file"),
        ("", "the path is ''; expected a file or a folder"),
        ('""', "the path is '\"\"'; expected a file or a folder"),
        ("https://example.org/a.wav", "https://example.org/a.wav is a web address; download the file and give its "),
        ("file://server/a.wav", "file://server/a.wav is a file on the computer server; give a path on this one"),
        ("a" * 300, f"{'a' * 40}… is too long for the name of a file"),
    ],
)
def test_what_is_no_path_is_named(text, message):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        paths.path(text)
    assert str(error.value).startswith(message)


def test_a_stream_takes_a_pipe():
    assert paths.path_or_pipe("-") == "-"


def test_hidden_files_in_a_folder_are_skipped(tmp_path):
    """macOS writes "._NAME" with metadata beside each file on foreign disks."""
    for name in ("a.wav", "._a.wav", ".b.wav", "v.pth", "._v.pth"):
        (tmp_path / name).touch()
    assert recordings_in(tmp_path) == [tmp_path / "a.wav"]
    assert list_voices(tmp_path) == [tmp_path / "v.pth"]
