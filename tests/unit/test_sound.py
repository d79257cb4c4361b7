"""Tools for audio arrays, and the description of a file."""

import numpy as np
import pytest
import soundfile

from rvc.audio import tools
from rvc.errors import BadInput


def tone(level=0.5, rate=16000, seconds=1.0):
    return (level * np.sin(2 * np.pi * 200 * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def test_mono_by_mean_and_by_power():
    stereo = np.array([[0.2, 0.4]], np.float32)
    assert tools.mono(stereo) == pytest.approx([0.3])
    assert tools.mono(stereo, "power") == pytest.approx([0.6 / np.sqrt(2)])
    assert tools.mono(stereo[:, 0]).shape == (1,)


def test_normalize_reaches_its_target():
    assert np.abs(tools.normalize(tone(), -6)).max() == pytest.approx(10 ** (-6 / 20), rel=1e-4)
    quiet = tools.normalize(tone(), -20, "rms")
    assert np.sqrt(np.square(quiet).mean()) == pytest.approx(0.1, rel=1e-3)


def test_an_rms_target_never_clips():
    assert np.abs(tools.normalize(tone(), 0, "rms")).max() <= 1.0000001


def test_silence_is_returned_without_normalization():
    silence = np.zeros(10, np.float32)
    assert tools.normalize(silence) is silence


def test_trim_keeps_the_sound_and_50_ms_on_either_side():
    padded = np.concatenate([np.zeros(8000, np.float32), tone(), np.zeros(4000, np.float32)])
    trimmed = tools.trim(padded, 16000)
    assert 16000 <= len(trimmed) <= 16000 + 2 * (800 + 320)
    assert len(tools.trim(np.zeros(8000, np.float32), 16000)) == 0


def test_resample_changes_the_number_of_samples():
    assert len(tools.resample(tone(), 16000, 48000)) == 48000


def test_a_description_has_level_clipping_and_noise(tmp_path):
    clipped = np.clip(np.concatenate([tone(1.4), 0.001 * tone()]), -1, 1)
    soundfile.write(tmp_path / "a.wav", np.stack([clipped, clipped], 1), 16000)
    description = tools.describe(tmp_path / "a.wav")
    assert (description.rate, description.channels, description.samples, description.seconds) == (16000, 2, 32000, 2.0)
    assert description.peak == pytest.approx(0, abs=0.01)
    assert description.clipped > 1000
    assert description.silent == pytest.approx(0.5, abs=0.02)
    assert description.noise_floor == pytest.approx(-69, abs=0.1)
    assert any("clipped" in remark for remark in description.remarks())


def test_silence_and_nan_are_described_rather_than_refused(tmp_path):
    samples = np.zeros(1600)
    soundfile.write(tmp_path / "s.wav", samples, 16000)
    assert tools.describe(tmp_path / "s.wav").remarks() == ["there is only silence"]
    samples[3] = np.nan
    soundfile.write(tmp_path / "n.wav", samples, 16000, subtype="FLOAT")
    assert tools.describe(tmp_path / "n.wav").not_finite == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tools.mono(np.zeros((1, 2)), "max"),
        lambda x: tools.normalize(x, 3),
        lambda x: tools.normalize(x, -1, "loudness"),
    ],
)
def test_an_impossible_argument_is_refused(call):
    with pytest.raises(BadInput):
        call(tone())
