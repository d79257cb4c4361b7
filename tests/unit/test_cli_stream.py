"""`rvc stream` and `rvc live` with files, pipes, signals and devices."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from rvc.cli.live_command import TypedCommands, meter
from rvc.cli.main import main
from rvc.errors import BadInput
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.io.sinks import to_pcm
from rvc.trace import Recorder
from tests.unit.tiny import write_hubert, write_voice

BLOCK = ["--block-time", "0.1", "--extra-time", "0.3", "--crossfade-time", "0.04"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A voice, a HuBERT, and a stereo file of 1.03 s at 16 kHz with a tone that comes and goes."""
    folder = tmp_path_factory.mktemp("stream")
    time = np.arange(16480) / 16000
    swells = np.clip(np.sin(2 * np.pi * 1.5 * time), 0.05, 1)
    tone = (0.3 * swells * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    soundfile.write(folder / "in.wav", np.stack([tone, 0.5 * tone], axis=1), 16000, subtype="FLOAT")
    voice = ["--model", str(write_voice(folder / "voice.pth")), "--hubert", str(write_hubert(folder / "hubert"))]
    return SimpleNamespace(folder=folder, voice=[*voice, "--f0-method", "pm", *BLOCK], tone=0.75 * tone)


def stream(files, *more, out="out.wav"):
    return main(["stream", str(files.folder / "in.wav"), str(files.folder / out), *files.voice, *more])


# files ----------------------------------------------------------------------------------------------------------------


def test_the_output_has_complete_blocks_and_the_delay_aligns_it(files, capsys):
    """The input's loudness is mixed in, so the output's swells must lie on the input's once the delay is cut off."""
    assert stream(files, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    sizes = BlockSizes.of(16000, block=0.1, crossfade=0.04, extra=0.3)
    out, rate = soundfile.read(files.folder / "out.wav", dtype="float32")
    assert rate == report["device_rate"] == 16000
    assert report["model_rate"] == 40000
    assert report["input_samples"] == 16480
    assert report["delay_samples"] == sizes.fade + sizes.search == 800
    assert report["delay_seconds"] == 0.05
    assert report["algorithmic_latency_seconds"] == pytest.approx(0.15)
    assert report["blocks"] == -(-(16480 + 800) // 1600)
    assert len(out) == report["output_samples"] == report["blocks"] * 1600
    assert set(report["block_ms"]) == {"p50", "p95", "p99", "max", "mean"}
    assert (
        report["block_ms"]["p50"] <= report["block_ms"]["p95"] <= report["block_ms"]["p99"] <= report["block_ms"]["max"]
    )
    assert report["missed_deadlines"] == 0 or report["block_ms"]["max"] > report["deadline_ms"] == 100
    aligned = out[report["delay_samples"] :][:16480]
    before, after = (np.convolve(np.abs(x), np.ones(400) / 400, "same") for x in (files.tone, aligned))
    lags = range(-400, 401, 16)
    fits = [np.corrcoef(before[500:-500], after[500 + lag : len(after) - 500 + lag])[0, 1] for lag in lags]
    assert max(fits) > 0.9
    assert abs(lags[int(np.argmax(fits))]) <= sizes.search


def test_a_trace_changes_nothing_and_can_be_replayed(files, tmp_path):
    from safetensors.numpy import load_file

    assert stream(files, "--formant", "1", "--seed", "5") == 0
    plain = (files.folder / "out.wav").read_bytes()
    assert stream(files, "--formant", "1", "--seed", "5", "--trace", str(tmp_path / "t.safetensors")) == 0
    assert (files.folder / "out.wav").read_bytes() == plain
    assert stream(files, "--formant", "1", "--noise", str(tmp_path / "t.safetensors")) == 0
    assert (files.folder / "out.wav").read_bytes() == plain
    trace = load_file(tmp_path / "t.safetensors")
    out, _ = soundfile.read(files.folder / "out.wav", dtype="int16")
    traced = np.concatenate([trace[f"rt.{n}.out"] for n in range(len(out) // 1600)])
    np.testing.assert_array_equal(to_pcm(traced), out)


def test_a_tape_may_end_with_the_input_but_not_before(files, tmp_path, capsys):
    """16480 samples are 11 blocks, and a delay of 110 ms needs a twelfth."""
    from safetensors.numpy import load_file, save_file

    long = ["--crossfade-time", "0.1"]
    assert stream(files, *long, "--seed", "3", "--trace", str(tmp_path / "t.safetensors")) == 0
    plain, _ = soundfile.read(files.folder / "out.wav", dtype="int16")
    trace = load_file(tmp_path / "t.safetensors")
    for count, code in ((11, 0), (10, 2)):
        tape = {name: value for name, value in trace.items() if ".noise." in name and int(name.split(".")[1]) < count}
        save_file(tape, tmp_path / "tape.safetensors")
        assert stream(files, *long, "--noise", str(tmp_path / "tape.safetensors"), out="short.wav") == code
    again, _ = soundfile.read(files.folder / "short.wav", dtype="int16")
    assert len(again) == len(plain) == 12 * 1600
    np.testing.assert_array_equal(again[: 11 * 1600], plain[: 11 * 1600])
    assert "rt.10.noise.z" in capsys.readouterr().err


def test_a_file_is_resampled_to_the_device_rate(files, capsys):
    assert stream(files, "--device-rate", "44100", "--json", "--pcm-format", "f32le") == 0
    report = json.loads(capsys.readouterr().out)
    info = soundfile.info(files.folder / "out.wav")
    assert (info.samplerate, info.subtype) == (44100, "FLOAT")
    assert abs(report["input_samples"] - 16480 * 44100 / 16000) <= 1


REFUSALS = [
    (["--profile", "rvc-python"], "rvc-python has no realtime conversion"),
    (["--crossfade", "phase-vocoder"], "add --profile webui-classic"),
    (["--f0-file", "x.txt"], "use convert"),
    (["--device-rate", "22050"], "22050 Hz"),
    (["--block-time", "0"], "above 0 s"),
    (["--index-rate", "2"], "index rate is 2"),
    (["--formant", "40"], "formant shift is 40"),
    (["--speaker", "7"], "speaker"),
    (["--f0-method", "rmvpe"], "--rmvpe"),
    (["--channels", "0"], "--channels is 0"),
    (["--noise", "none.safetensors"], "none.safetensors"),
]


@pytest.mark.parametrize(("more", "part"), REFUSALS)
def test_refusals_are_one_sentence_and_write_nothing(files, more, part, capsys):
    assert stream(files, *more, out="refused.wav") == 2
    printed = capsys.readouterr()
    assert part in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out
    assert not (files.folder / "refused.wav").exists()
    assert not list(files.folder.glob(".*"))


def test_the_input_is_not_overwritten(files, capsys):
    before = (files.folder / "in.wav").read_bytes()
    assert stream(files, out="in.wav") == 2
    assert "give another name" in capsys.readouterr().err
    assert (files.folder / "in.wav").read_bytes() == before


# pipes ----------------------------------------------------------------------------------------------------------------


def test_a_pipe_gives_the_same_samples_as_a_file(files, monkeypatch, capsys):
    assert stream(files, "--pcm-format", "f32le") == 0
    expected, _ = soundfile.read(files.folder / "out.wav", dtype="float32")
    stdin = io.BytesIO(files.tone.tobytes())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    stdout = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=stdout))
    code = main(["stream", "-", "-", *files.voice, "--device-rate", "16000", "--pcm-format", "f32le", "--json"])
    assert code == 0
    np.testing.assert_array_equal(np.frombuffer(stdout.getvalue(), np.float32), expected)
    assert json.loads(capsys.readouterr().err)["output_samples"] == len(expected)


@pytest.fixture
def running(files):
    """A stream between pipes in its own process, 16 kHz, blocks of 1600 samples of 16 bits."""
    more = ["--device-rate", "16000", "--threads", "1"]
    command = [sys.executable, "-m", "rvc", "stream", "-", "-", *files.voice, *more]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    yield process
    process.kill()
    process.communicate()


def read(process, count):
    """Exactly `count` bytes, unless it ends before."""
    data = b""
    while len(data) < count and (more := process.stdout.read(count - len(data))):
        data += more
    return data


@pytest.mark.slow
def test_each_block_is_flushed_and_the_reader_may_close_the_pipe(running):
    block = np.zeros(1600, np.int16).tobytes()
    for _ in range(2):
        running.stdin.write(block)
        assert len(read(running, 3200)) == 3200  # while the input stays open
    running.stdout.close()
    with pytest.raises(BrokenPipeError):
        for _ in range(1000):
            running.stdin.write(block)
            time.sleep(0.01)
    assert running.wait(60) == 0
    assert "Traceback" not in running.stderr.read().decode()


@pytest.mark.slow
def test_ctrl_c_ends_the_stream_between_two_blocks(running):
    running.stdin.write(np.zeros(1600, np.int16).tobytes())
    assert len(read(running, 3200)) == 3200
    running.send_signal(signal.SIGINT)
    rest, errors = running.communicate(timeout=60)
    assert running.returncode == 0
    assert len(rest) % 3200 == 0
    assert "Traceback" not in errors.decode()


# devices --------------------------------------------------------------------------------------------------------------


class FakeSound:
    """A sounddevice with one microphone and one loudspeaker."""

    class PortAudioError(Exception):
        pass

    def __init__(self, devices=("one",)):
        self.devices, self.played, self.default_rate = devices, [], 16000.0

    def query_devices(self, which=None, kind=None):
        if kind is None:
            return self.devices
        if which not in (None, 0, "one"):
            raise ValueError(f"No {kind} device matching {which!r}")
        return {
            "name": "one",
            "index": 0,
            "default_samplerate": self.default_rate,
            "max_input_channels": 2,
            "max_output_channels": 2,
        }

    def Stream(self, **settings):
        self.settings = settings
        return self

    latency = (0.01, 0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def read(self, count):
        return np.full((count, 2), 0.1, np.float32), False

    def write(self, samples):
        self.played.append(samples)
        return False


@pytest.fixture
def sound(monkeypatch):
    fake = FakeSound()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(sys, "stdin", io.StringIO("transpose 3\nnonsense\n"))
    return fake


def test_live_converts_between_devices(files, sound, capsys):
    assert main(["live", *files.voice, "--seconds", "0.3", "--json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert [block.shape for block in sound.played] == [(1600, 2)] * 3
    assert sound.settings["samplerate"] == 16000
    assert report["blocks"] == 3
    assert report["algorithmic_latency_seconds"] == pytest.approx(0.03 + 0.1 + 0.04 + 0.01)
    assert report["controls"]["transpose"] == 3
    assert "'nonsense' is no setting" in printed.err


def test_settings_typed_before_a_block_apply_to_it(files, sound, monkeypatch, capsys):
    monkeypatch.setattr(TypedCommands, "start_reading", lambda self, lines: self.lines.put("quit\n"))
    assert main(["live", *files.voice, "--seconds", "0.3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blocks"] == 0
    assert sound.played == []


def test_live_lists_devices(sound, capsys):
    assert main(["live", "--list-devices"]) == 0
    assert "one" in capsys.readouterr().out


def test_live_without_a_device_is_refused(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound(devices=()))
    assert main(["live", "--list-devices"]) == 2
    assert capsys.readouterr().err == "rvc: this machine has no sound device; use stream with files or pipes\n"


def test_live_without_the_package_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["live", "--list-devices"]) == 2
    assert "[live]" in capsys.readouterr().err


def test_an_unknown_device_is_refused(files, sound, capsys):
    assert main(["live", *files.voice, "--input-device", "two"]) == 2
    assert "--list-devices" in capsys.readouterr().err


def test_settings_can_be_typed_by_name(files):
    moved = {}
    commands = TypedCommands(SimpleNamespace(change=moved.update), None)
    commands.apply("gate", "-40")
    commands.apply("input-denoise", "on")
    assert moved == {"gate_db": -40.0, "input_denoise": True}
    for name, value in (("gate", "x"), ("input-denoise", "maybe"), ("model", "")):
        with pytest.raises(BadInput):
            commands.apply(name, value)


def test_the_meter_is_full_at_full_scale():
    assert meter(np.ones(4, np.float32)) == "█" * 20 + "    0.0 dB"
    assert meter(np.zeros(4, np.float32)).startswith("·" * 20)


def test_an_empty_recorder_is_false():
    """So the code compares a recorder with None instead of testing its truth."""
    assert not Recorder()
