"""Every output is whole or absent: on a full disk, after a kill, and when two programs write at once."""

import itertools
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch

import rvc
from rvc import trace
from rvc.audio.output import write_audio
from rvc.cli.main import main
from rvc.errors import BadInput
from rvc.pipeline.executors import Processes
from rvc.pipeline.finished_files import FinishedFiles, record_of
from rvc.retrieval.index_building import build, save
from rvc.voices.model_tools import export
from rvc.weights import whole_files
from tests.unit.tiny import write_hubert, write_voice

RATE = 16000


@pytest.fixture
def few_bytes():
    """No file of this process may be longer than 20 kB, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "voice.pth")


WRITERS = {
    "a.wav": lambda path, _: write_audio(path, np.ones(50_000, np.int16), RATE),
    "a.flac": lambda path, _: write_audio(
        path, np.random.default_rng(0).standard_normal(50_000).astype(np.float32), RATE
    ),
    "a.safetensors": lambda path, _: trace.write(path, {"f0.hz": np.ones(9000, np.float32)}, {}),
    "a.index": lambda path, _: save(build(np.ones((200, 256), np.float32)), path),
    "b.pth": lambda path, voice: export(voice, path),
    "b.safetensors": lambda path, voice: export(voice, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(tmp_path, voice, few_bytes, name):
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(BadInput, match=rf"{name} cannot be written: ") as raised:
        WRITERS[name](tmp_path / name, voice)
    assert "\n" not in str(raised.value)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def killed_while_writing(path):
    """Write half of a file in a process that is killed."""

    def half(part):
        with open(part, "w") as file:
            file.write("half")
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=whole_files.atomically, args=(path, half))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_what_a_killed_process_has_left_is_removed_by_the_next_one_that_writes_the_file(tmp_path):
    target = tmp_path / "a.wav"
    killed_while_writing(target)
    killed_while_writing(tmp_path / "b.wav")
    assert len(list(tmp_path.iterdir())) == 2
    assert not target.exists()
    whole_files.atomically(target, lambda part: open(part, "w").close())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[1:] == ["a.wav"] and names[0].startswith(".b.wav.")


def test_the_temporary_file_of_a_running_process_stays(tmp_path):
    part = whole_files.temporary_beside(tmp_path / "a.wav")
    whole_files.atomically(tmp_path / "a.wav", lambda name: open(name, "w").close())
    assert os.path.exists(part)


@pytest.fixture(scope="module")
def batch(tmp_path_factory, voice):
    """A folder of three short recordings, and the options that convert them."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "in").mkdir()
    for number in range(3):
        tone = 0.3 * np.sin(2 * np.pi * (150 + 20 * number) * np.arange(RATE // 4) / RATE)
        soundfile.write(folder / "in" / f"{number}.wav", tone, RATE)
    hubert = write_hubert(folder / "hubert")
    return folder, ["--model", str(voice), "--hubert", str(hubert), "--f0-method", "harvest"]


def convert(folder, out, options, capsys):
    assert main(["convert", str(folder / "in"), str(out), *options, "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    return [bool(entry.get("finished_before")) for entry in files]


def digests(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.wav")}


def test_a_second_run_of_a_batch_converts_only_what_is_missing_changed_or_requested_otherwise(batch, tmp_path, capsys):
    folder, options = batch
    out = tmp_path / "out"
    assert convert(folder, out, options, capsys) == [False, False, False]
    first = digests(out)
    assert convert(folder, out, options, capsys) == [True, True, True]
    (out / "0.wav").unlink()
    (out / "1.wav").write_bytes(b"cut")
    assert convert(folder, out, options, capsys) == [False, False, True]
    assert digests(out) == first
    assert {path.name for path in out.iterdir()} == {"0.wav", "1.wav", "2.wav"}
    assert convert(folder, out, [*options, "--transpose", "2"], capsys) == [False, False, False]
    assert digests(out) != first


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\n[]\n3\n", b'{"key": "a"}', b"[" * 5000])
def test_a_damaged_record_of_finished_files_is_passed_over(tmp_path, damage, monkeypatch):
    monkeypatch.setenv("RVC_CACHE", str(tmp_path / "cache"))
    record_of(tmp_path).parent.mkdir(parents=True)
    record_of(tmp_path).write_bytes(damage)
    (tmp_path / "a.wav").write_bytes(b"a")
    FinishedFiles(tmp_path, {}, []).add("key", tmp_path / "a.wav")
    assert FinishedFiles(tmp_path, {}, []).is_finished("key", tmp_path / "a.wav")
    assert not FinishedFiles(tmp_path, {}, []).is_finished("other", tmp_path / "a.wav")


def test_two_batches_at_once_into_one_folder_have_the_bits_of_one(batch, tmp_path, capsys):
    folder, options = batch
    convert(folder, tmp_path / "one", options, capsys)
    command = [sys.executable, "-m", "rvc", "convert", str(folder / "in"), str(tmp_path / "shared"), *options]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], printed
    assert digests(tmp_path / "shared") == digests(tmp_path / "one")
    assert not list((tmp_path / "shared").glob("*.part"))


def test_threads_that_share_one_voice_get_the_bits_of_single_conversions(batch, voice):
    folder, _ = batch
    model = rvc.load_voice(voice, hubert=folder / "hubert")
    sounds = [soundfile.read(path, dtype="float32")[0] for path in sorted((folder / "in").iterdir())]
    single = [model.convert(sound, rate=RATE, f0_method="harvest").samples for sound in sounds]
    with ThreadPoolExecutor(8) as pool:
        many = list(
            pool.map(lambda place: model.convert(sounds[place % 3], rate=RATE, f0_method="harvest").samples, range(50))
        )
    assert all(np.array_equal(many[place], single[place % 3]) for place in range(50))
    assert torch.is_grad_enabled()


def _convert_one_of_three(task):
    voice, hubert, sounds, place = task
    return rvc.load_voice(voice, hubert=hubert).convert(sounds[place % 3], rate=RATE, f0_method="harvest").samples


def test_fifty_conversions_of_several_processes_have_the_bits_of_single_conversions(batch, voice):
    folder, _ = batch
    sounds = [soundfile.read(path, dtype="float32")[0] for path in sorted((folder / "in").iterdir())]
    tasks = [(voice, folder / "hubert", sounds, place) for place in range(50)]
    single = [_convert_one_of_three(task) for task in tasks[:3]]
    outcomes = list(Processes(4).results(_convert_one_of_three, tasks))
    assert sorted(outcome.index for outcome in outcomes) == list(range(50))
    assert all(np.array_equal(outcome.value, single[outcome.index % 3]) for outcome in outcomes)


def test_a_clock_that_jumps_changes_nothing(batch, tmp_path, capsys, monkeypatch):
    folder, options = batch
    convert(folder, tmp_path / "right", options, capsys)
    jumps = itertools.cycle([0, 86_400, -86_400, 3e9, -1e9])  # seconds
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + next(jumps))
    out = tmp_path / "out"
    assert convert(folder, out, options, capsys) == [False, False, False]
    assert convert(folder, out, options, capsys) == [True, True, True]
    for path in out.iterdir():
        os.utime(path, (0, 2e9))  # written in the future
    assert convert(folder, out, options, capsys) == [True, True, True]
    assert digests(out) == digests(tmp_path / "right")


def test_an_exported_voice_has_the_same_bytes_each_time(tmp_path, voice):
    export(voice, tmp_path / "a.pth")
    export(voice, tmp_path / "b.pth")
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
