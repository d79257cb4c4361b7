"""The perceptual measures of two waveforms, against values that follow from how the waveforms were made."""

import numpy as np
import pytest

from parity.waveforms import perceptual, pitch

RATE = 40000  # Hz
SECONDS = 1.2


def tone(hertz: float, harmonics: int = 12) -> np.ndarray:
    """A harmonic tone of 1.2 s, its harmonics falling by 1/k."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    return 0.1 * sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, harmonics + 1))


def hiss(level: float = 0.05, seed: int = 0) -> np.ndarray:
    """White noise of 1.2 s."""
    return level * np.random.default_rng(seed).standard_normal(round(SECONDS * RATE))


def summary(reference: np.ndarray, candidate: np.ndarray, rate: int = RATE) -> dict[str, float]:
    """The summary of two waveforms, by name."""
    return dict(perceptual.summarize(perceptual.measure(reference, candidate, rate)).values())


def test_equal_waveforms_differ_in_no_measure() -> None:
    assert set(summary(tone(220), tone(220)).values()) == {0.0}


def test_an_inverted_waveform_differs_in_no_measure() -> None:
    assert set(summary(tone(220), -tone(220)).values()) == {0.0}


def test_a_gain_is_the_log_spectral_distance_and_the_loudness_and_no_cepstral_distortion() -> None:
    measured = summary(hiss(), hiss() * 10 ** (3 / 20))
    assert measured["loudness"] == pytest.approx(3, abs=1e-3)
    assert measured["log_spectral"] == pytest.approx(3, abs=1e-3)
    assert measured["high_band"] == pytest.approx(3, abs=1e-3)
    assert measured["mel_cepstral"] == pytest.approx(0, abs=1e-3)


def test_a_semitone_is_a_hundred_cents_in_every_voiced_frame() -> None:
    measured = summary(tone(220), tone(220 * 2 ** (1 / 12)))
    assert measured["cents"] == pytest.approx(100, abs=1)
    assert measured["pitch_errors"] == 1.0
    assert measured["voicing_errors"] < 0.05  # the first and the last frame hold half a window


def test_a_tone_beside_noise_differs_in_voicing() -> None:
    frames = perceptual.measure(tone(220), hiss(), RATE)
    inner = slice(5, -5)
    assert (frames.voicing[inner] == -1).all() and np.isnan(frames.cents[inner]).all()


def test_a_missing_high_band_shows_above_8_khz_alone() -> None:
    from scipy.signal import butter, sosfiltfilt

    sound = hiss()
    low = sosfiltfilt(butter(12, 7000, fs=RATE, output="sos"), sound)
    measured = summary(sound, low)
    assert measured["high_band"] > 20
    assert measured["loudness"] < 6


def test_a_rate_of_16_khz_has_no_high_band() -> None:
    assert np.isnan(summary(hiss(), hiss(), 16000)["high_band"])


def test_the_cepstral_distortion_is_the_published_formula() -> None:
    """Levels that differ by a cosine over the mel bands differ in one cepstrum: its amplitude is half the cosine's."""
    bands = np.arange(perceptual.MELS)
    for number in (1, 5, 13):
        cosine = 6.0 * np.cos(np.pi * number * (bands + 0.5) / perceptual.MELS)  # dB
        # log amplitude = 6·ln 10/20·cos = c0 + 2·sum c_n cos: c_n = 3·ln 10/20; distortion = 10/ln 10·sqrt(2·c_n²)·2
        expected = 10 / np.log(10) * np.sqrt(2) * (6 * np.log(10) / 20)
        measured = perceptual.CEPSTRAL_DB * np.linalg.norm(perceptual._cepstra(cosine[:, None]))
        assert measured == pytest.approx(expected)


def test_an_error_is_located_in_time() -> None:
    sound = tone(220)
    moved = sound.copy()
    moved[RATE // 2 : RATE // 2 + 4000] *= 0.25  # 0.5 s to 0.6 s
    frames = perceptual.measure(sound, moved, RATE)
    apart = frames.times[frames.loudness < -3]
    assert apart.min() >= 0.48 and apart.max() <= 0.62


@pytest.mark.parametrize("hertz", [60.0, 110.0, 221.5, 440.0, 1000.0])
def test_the_pitch_of_a_tone_is_its_fundamental(hertz: float) -> None:
    time = np.arange(16000) / 16000
    sound = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 8) if k * hertz < 7000)
    tracked = pitch.track(0.1 * sound, 16000, 0.01)[5:-5]
    assert np.abs(1200 * np.log2(tracked / hertz)).max() < 10


def test_silence_and_noise_have_no_pitch() -> None:
    assert not pitch.track(np.zeros(8000), 16000, 0.01).any()
    assert (pitch.track(hiss()[:16000], 16000, 0.01) > 0).mean() < 0.02


def test_silence_beside_silence_has_no_audible_frame() -> None:
    frames = perceptual.measure(np.zeros(RATE), np.zeros(RATE), RATE)
    assert perceptual.summarize(frames).log_spectral == 0.0
