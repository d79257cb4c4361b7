"""Loudness mix, output rate, conversion to integers, and files."""

import librosa
import numpy as np
import pytest
import soundfile
import torch

from rvc.audio import output
from rvc.errors import BadInput
from rvc.weights import whole_files


def noise(count, seed=0):
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32) * 0.1


@pytest.mark.parametrize("count", [160, 7999, 8000, 16001, 100000])
def test_rms_equals_librosas(count):
    samples = noise(count).astype(np.float64)
    expected = librosa.feature.rms(y=samples, frame_length=16000, hop_length=8000)[0]
    values = output.rms(samples, 16000, 8000)
    assert values.dtype == expected.dtype == np.float32
    assert values == pytest.approx(expected, rel=1e-7, abs=0)


def test_stretch_equals_torchs_interpolate():
    values = np.abs(noise(13))
    expected = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], size=4000, mode="linear")[0, 0]
    assert output.stretch(values, 4000, 0, 4000) == pytest.approx(expected.numpy(), abs=3e-8)
    assert np.array_equal(output.stretch(values, 4000, 100, 200), output.stretch(values, 4000, 0, 4000)[100:200])


def test_loudness_follows_the_input_at_0_and_the_voice_at_1():
    source = np.concatenate([np.full(32000, 0.02), np.full(32000, 0.2)])
    waveform = np.full(160000, 0.1, np.float32)
    mixed = output.mix_loudness(waveform, source, 40000, 0.0)
    assert mixed[20000] == pytest.approx(0.02, rel=0.05)
    assert mixed[120000] == pytest.approx(0.2, rel=0.05)
    assert output.mix_loudness(waveform, source, 40000, 1) is waveform
    between = output.mix_loudness(waveform, source, 40000, 0.5)
    assert between[20000] == pytest.approx(np.sqrt(0.02 * 0.1), rel=0.05)


def test_a_silent_voice_stays_silent():
    mixed = output.mix_loudness(np.zeros(4000, np.float32), np.ones(1600), 40000, 0.25)
    assert not mixed.any()


@pytest.mark.parametrize(
    ("count", "source", "target", "expected"), [(39200, 40000, 44100, 43218), (4000, 48000, 16000, 1334)]
)
def test_resampling_equals_librosas(count, source, target, expected):
    samples = noise(count)
    resampled = output.resample(samples, source, target)
    assert len(resampled) == expected
    assert np.array_equal(resampled, librosa.resample(samples, orig_sr=source, target_sr=target))


def test_integers_are_truncated_toward_zero():
    assert output.to_int16(np.array([0.9999 / 32768, -1.9 / 32768, 0.5], np.float32)).tolist() == [0, -1, 16384]


def test_a_loud_waveform_is_limited():
    waveform = np.array([2.0, -1.0], np.float32)
    assert output.to_int16(waveform).tolist() == [32440, -16220]
    assert output.guard(waveform) == pytest.approx([0.99, -0.495])


def test_an_empty_waveform_stays_empty():
    assert len(output.to_int16(np.zeros(0, np.float32))) == 0


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "A.WAV"])
def test_int16_files_hold_exactly_the_samples(tmp_path, name):
    samples = np.random.default_rng(0).integers(-32768, 32767, 1000).astype(np.int16)
    output.write_audio(tmp_path / name, samples, 40000)
    written, rate = soundfile.read(tmp_path / name, dtype="int16")
    assert np.array_equal(written, samples)
    assert rate == 40000
    assert soundfile.info(tmp_path / name).subtype == "PCM_16"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_float_files_hold_floats(tmp_path):
    samples = noise(1000)
    output.write_audio(tmp_path / "a.wav", samples, 48000)
    assert np.array_equal(soundfile.read(tmp_path / "a.wav", dtype="float32")[0], samples)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path):
    target = tmp_path / "a.wav"
    target.write_bytes(b"old")

    def fail(part):
        with open(part, "w") as file:
            file.write("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(BadInput, match=r"a\.wav cannot be written: No space left on device"):
        whole_files.atomically(target, fail)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no/a.wav", "OUT's folder {}/no does not exist; make it first"),
        ("a.mp3", "OUT a.mp3 ends in .mp3; expected .wav or .flac"),
        ("a", "OUT a ends in nothing; expected .wav or .flac"),
    ],
)
def test_an_impossible_target_is_refused(tmp_path, name, sentence):
    with pytest.raises(BadInput) as refused:
        output.check_target(tmp_path / name)
    assert str(refused.value) == sentence.format(tmp_path)
