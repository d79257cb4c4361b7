"""Decoding to 16 kHz mono: exact for files in that format, and an error of one sentence for files without audio."""

import wave

import numpy as np
import pytest
import soundfile

from rvc.audio.decoding import decode
from rvc.errors import BadInput, MissingExtra
from rvc.profiles import PROFILES


def tone(rate, seconds, hertz=440.0, channels=1):
    samples = 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    return np.stack([samples] * channels, axis=1)


@pytest.mark.parametrize("with_av", [True, False])
def test_16_khz_mono_is_not_changed(tmp_path, with_av):
    numbers = np.array([0, 1, -1, 32767, -32768, 12345], np.int16)
    soundfile.write(tmp_path / "a.wav", numbers, 16000)
    assert np.array_equal(decode(tmp_path / "a.wav", with_av=with_av), numbers / np.float32(32768))


def test_24_bits_keep_every_bit(tmp_path):
    samples = np.arange(-500, 500) / 2**23
    soundfile.write(tmp_path / "a.flac", samples, 16000, subtype="PCM_24")
    assert np.array_equal(decode(tmp_path / "a.flac"), samples.astype(np.float32))


@pytest.mark.parametrize("with_av", [True, False])
def test_stereo_is_mixed_to_the_sum_divided_by_root_two(tmp_path, with_av):
    samples = np.stack([np.full(400, 0.25), np.full(400, 0.5)], axis=1)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert decode(tmp_path / "a.wav", with_av=with_av) == pytest.approx(np.full(400, 0.75 / np.sqrt(2)), abs=1e-7)


@pytest.mark.parametrize(
    ("rate", "count", "expected"), [(44100, 88213, 32005), (48000, 96013, 32004), (22050, 44113, 32010)]
)
def test_lengths_are_those_of_swresample(tmp_path, rate, count, expected):
    soundfile.write(tmp_path / "a.wav", tone(rate, 1)[:1].repeat(count, 0), rate)
    assert len(decode(tmp_path / "a.wav")) == expected


def test_rvc_python_loses_16_samples_at_the_end(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, 0.5), 44100)
    complete = decode(tmp_path / "a.wav")
    cut = decode(tmp_path / "a.wav", flush=PROFILES["rvc-python"].flush_decoder)
    assert len(complete) - len(cut) == 16
    assert np.array_equal(cut, complete[: len(cut)])


def test_without_pyav_the_audio_differs_by_less_than_minus_60_decibels(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, 1), 44100, subtype="FLOAT")
    with_ffmpeg, with_soxr = decode(tmp_path / "a.wav"), decode(tmp_path / "a.wav", with_av=False)
    middle = slice(1000, 15000)
    error = np.abs(with_ffmpeg[middle] - with_soxr[middle]).max()
    assert error < 0.4e-3
    assert abs(len(with_ffmpeg) - len(with_soxr)) <= 1


def test_more_channels_need_pyav(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, 0.1, channels=6), 44100)
    assert len(decode(tmp_path / "a.wav")) == 1600
    with pytest.raises(MissingExtra, match="mixing 6 channels down"):
        decode(tmp_path / "a.wav", with_av=False)


def test_a_truncated_file_is_read_up_to_its_end(tmp_path, caplog):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000, 1), 16000)
    path.write_bytes(path.read_bytes()[:-16000])
    assert len(decode(path)) == 8000


def error_message(path, **options):
    with pytest.raises(BadInput) as refused:
        decode(path, **options)
    return str(refused.value).replace(str(path), "FILE")


def test_a_missing_file_is_refused(tmp_path):
    assert error_message(tmp_path / "no.wav") == "there is no file FILE"


def test_a_folder_is_refused(tmp_path):
    assert error_message(tmp_path).startswith("FILE is a folder; name a file")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    assert error_message(tmp_path / "a.wav") == "FILE is empty; expected a file of sound"


@pytest.mark.parametrize("with_av", [True, False])
def test_a_text_file_is_refused_in_one_line(tmp_path, with_av):
    (tmp_path / "a.wav").write_text("this is not sound\n" * 100)
    message = error_message(tmp_path / "a.wav", with_av=with_av)
    assert message.startswith("FILE ")
    assert "\n" not in message


def test_a_header_without_samples_is_refused(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
    assert error_message(tmp_path / "a.wav") == "FILE holds no samples; expected a file of sound"


@pytest.mark.parametrize("rate", [16000, 44100])
def test_nan_is_refused_with_its_time(tmp_path, rate):
    samples = tone(rate, 1)
    samples[rate // 2] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    message = error_message(tmp_path / "a.wav")
    assert "not finite numbers, the first at 0.4" in message or "not finite numbers, the first at 0.5" in message


def test_a_rate_out_of_range_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(4000), 4000)
    assert error_message(tmp_path / "a.wav") == "FILE is sampled at 4000 Hz; expected 8000 to 192000 Hz"
