"""Sounds that are hard for a stream: a burst after silence, clicks, very short blocks, settings changed on the way."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rvc.cli.main import main
from rvc.noise import Seeded
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.stream import Stream
from tests.unit.tiny import tiny_models, write_hubert, write_voice

RATE = 16000


@pytest.fixture(scope="module")
def models():
    return tiny_models()


def converted(stream, sound):
    """The output for `sound`, the delay included, and the number of samples by which it lags."""
    size = stream.sizes.block
    count = stream.sizes.blocks(len(sound), denoised=stream.controls.input_denoise)
    filled = np.zeros(count * size, np.float32)
    filled[: len(sound)] = sound
    return np.concatenate([stream.block(block) for block in filled.reshape(count, size)])


def burst_after_silence(rate=RATE):
    """A second of digital silence, 50 ms of noise at full scale, silence, and a tone with the envelope of speech."""
    noise = np.random.default_rng(0).uniform(-1, 1, rate // 20)
    time = np.arange(rate) / rate
    tone = 0.3 * np.abs(np.sin(2 * np.pi * 3 * time)) * np.sin(2 * np.pi * 150 * time)
    return np.concatenate([np.zeros(rate), noise, np.zeros(rate // 5), tone]).astype(np.float32)


def bend(sound, block):
    """The largest second difference within 4 samples of a joint of two blocks, and elsewhere."""
    second = np.abs(np.diff(sound, 2))
    near = np.zeros(len(second), bool)
    for joint in range(block, len(sound) - block, block):
        near[joint - 4 : joint + 4] = True
    return second[near].max(), second[~near].max()


@pytest.mark.parametrize("crossfade", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("block", [0.05, 0.25])
def test_a_burst_after_silence_makes_no_click_at_a_joint(models, block, crossfade):
    sizes = BlockSizes.of(RATE, block=block, crossfade=crossfade, extra=0.5)
    sound = burst_after_silence()
    out = converted(Stream(models, sizes, noise=Seeded(0)), sound)
    assert np.isfinite(out).all()
    seam, elsewhere = bend(out, sizes.block)
    assert seam <= elsewhere
    delay = sizes.delay()
    # The loudness of the input is that of the output, whose curve has steps of 10 ms and windows of 40 ms.
    silence, burst = out[sizes.block : delay + RATE - RATE // 20], out[delay + RATE - RATE // 50 :][: RATE // 10]
    assert np.abs(silence).max() < 1e-3
    assert np.abs(burst).max() > 0.1
    assert np.abs(out).max() < 8  # a peak above full scale is clipped where samples become integers


def test_the_first_blocks_are_those_of_a_stream_that_began_in_silence(models):
    """Nothing of the empty rings is audible: input that begins with silence gives silence."""
    sizes = BlockSizes.of(RATE, block=0.1, crossfade=0.05, extra=0.5)
    out = converted(Stream(models, sizes, noise=Seeded(0)), np.zeros(RATE // 2, np.float32))
    assert np.abs(out).max() == 0


@pytest.mark.parametrize("crossfade", [0.01, 0.05, 0.15])
def test_the_reported_latency_is_the_lag_of_a_click_train(models, crossfade):
    """SOLA may place a block up to 10 ms earlier than the delay that is reported, never later."""
    sizes = BlockSizes.of(RATE, block=0.1, crossfade=crossfade, extra=0.3)
    sound = np.zeros(2 * RATE, np.float32)
    for click in range(RATE // 3, len(sound), 3701):
        sound[click : click + 80] = 0.5
    stream = Stream(models, sizes, noise=Seeded(0))
    out = converted(stream, sound)
    window = np.ones(640) / 640
    before, after = (np.convolve(np.square(x), window, "same") for x in (sound, out))
    fits = [float(before @ after[lag : lag + len(before)]) for lag in range(sizes.delay() + 400)]
    lag = int(np.argmax(fits))
    assert sizes.delay() - sizes.search <= lag <= sizes.delay() + 16
    assert stream.latency() == pytest.approx((sizes.block + sizes.delay()) / RATE)


def test_every_setting_may_change_while_a_stream_runs(models):
    sizes = BlockSizes.of(RATE, block=0.1, crossfade=0.05, extra=0.4)
    stream = Stream(models, sizes, Controls(rms_mix_rate=1.0), noise=Seeded(0))
    changes = [
        {"transpose": 12.0},
        {"formant": 3.0},
        {"formant": -3.0, "transpose": -12.0},
        {"input_denoise": True},
        {"output_denoise": True, "gate_db": -30.0},
        {"speaker": 1},
        {"rms_mix_rate": 0.0},
        {"formant": 0.0, "transpose": 0.0, "input_denoise": False, "output_denoise": False, "gate_db": -60.0},
    ]
    time = np.arange(len(changes) * 2 * sizes.block) / RATE
    sound = (0.2 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    parts = []
    for number, block in enumerate(sound.reshape(-1, sizes.block)):
        if number % 2:
            stream.change(**changes[number // 2])
        parts.append(stream.block(block))
    out = np.concatenate(parts)
    assert np.isfinite(out).all()
    seam, elsewhere = bend(out[3 * sizes.block :], sizes.block)
    assert seam <= elsewhere


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    sound = burst_after_silence()
    soundfile.write(folder / "in.wav", np.concatenate([sound[RATE - 800 : RATE + 1600], sound[-1600:]]), RATE)
    write_voice(folder / "voice.pth")
    write_hubert(folder / "hubert")
    return folder


@pytest.mark.parametrize(
    ("method", "block", "extra"),
    [("harvest", "0.02", "0.05"), ("harvest", "0.05", "0"), ("dio", "0.02", "0"), ("pm", "0.02", "0.05")],
)
def test_very_short_blocks_are_converted(files, tmp_path, capsys, method, block, extra):
    times = ["--block-time", block, "--extra-time", extra, "--pcm-format", "f32le", "--json"]
    voice = ["--model", str(files / "voice.pth"), "--hubert", str(files / "hubert"), "--f0-method", method]
    assert main(["stream", str(files / "in.wav"), str(tmp_path / "out.wav"), *voice, *times]) == 0
    report = json.loads(capsys.readouterr().out)
    out, _ = soundfile.read(tmp_path / "out.wav")
    assert report["blocks"] * report["device_rate"] * float(block) == len(out)
    assert np.isfinite(out).all()
    assert np.abs(out).max() > 0.01
