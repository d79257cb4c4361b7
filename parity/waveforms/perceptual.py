"""Perceptual measures of one waveform beside another, by frame: spectrum, cepstrum, F0, voicing, loudness, high band.

Both waveforms have the same rate and are aligned sample by sample (`parity.waveforms.alignment`). A frame lies every
10 ms. No measure here has a pass mark: a scale is the same measure between runs of an original.

Mel spectra and cepstra are librosa's; cents and the shares of voicing are mir_eval's. Both are optional
(`rvc-parity[perceptual]`).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import soxr

from parity.goldens.arrays import Array, Curve
from parity.waveforms import pitch

HOP = 0.01  # seconds between frames, as in the F0 of RVC
WINDOW = 0.04  # seconds of a frame's Hann window: four periods of 100 Hz
MELS = 80  # bands of the mel spectrum, from 0 Hz to half the rate, at most to 12 kHz
HIGHEST_MEL = 12000.0  # Hz; above it `high_band` measures the energy
CEPSTRA = 13  # mel cepstra 1 to 13; the 0th is the level, which `loudness` measures
HIGH_BAND = 8000.0  # Hz: energy above it, which ports lose that resample from 16 kHz
FLOOR_DB = -80.0  # below the loudest frame of the reference; a 16-bit file has little information below it
# 10/ln 10·√2: decibels of a distance of two natural-logarithm cepstra (Kubichek, IEEE PacRim 1993).
CEPSTRAL_DB = 10.0 / np.log(10.0) * np.sqrt(2.0)
PITCH_RATE = 16000  # Hz, of the waveform that F0 is tracked in
CLOSE_CENTS = 50.0  # mir_eval's tolerance of the raw pitch accuracy: a quarter tone


@dataclass(frozen=True)
class Frames:
    """Measures by frame; every array has one value for each frame, at `times`.

    Attributes:
        times: seconds, the center of each frame.
        log_spectral: dB, the root mean square over mel bands of the difference of the levels.
        mel_cepstral: dB, the mel-cepstral distortion over cepstra 1 to 13.
        cents: F0 of the candidate above that of the reference, NaN where either is unvoiced.
        voicing: 0 where both agree, 1 where only the candidate is voiced, -1 where only the reference is.
        loudness: dB, the level of the candidate above that of the reference.
        high_band: dB, the same above 8 kHz; NaN at a rate of 16 kHz or less.
        level: dB relative to full scale, the level of the reference.
        audible: whether either waveform has more than the floor; the other measures are 0 (cents NaN) elsewhere.
    """

    times: Curve
    log_spectral: Curve
    mel_cepstral: Curve
    cents: Curve
    voicing: Curve
    loudness: Curve
    high_band: Curve
    level: Curve
    audible: Array


@dataclass(frozen=True)
class Summary:
    """Each measure as one number over the audible frames; 0 means no difference.

    Attributes:
        log_spectral: dB, mean.
        mel_cepstral: dB, mean.
        cents: cents, root mean square over frames that both have voiced; NaN without such a frame.
        pitch_errors: share of the reference's voiced frames whose F0 is further than 50 cents away (1 - mir_eval's raw
            pitch accuracy); NaN without a voiced frame.
        voicing_errors: share of frames that only one of the two has voiced.
        loudness: dB, root mean square of the difference of the levels.
        high_band: dB, root mean square of the difference above 8 kHz; NaN at a rate of 16 kHz or less.
    """

    log_spectral: float
    mel_cepstral: float
    cents: float
    pitch_errors: float
    voicing_errors: float
    loudness: float
    high_band: float

    def values(self) -> Mapping[str, float]:
        """Name of a measure → its number."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


UNITS = {
    "log_spectral": "dB",
    "mel_cepstral": "dB",
    "cents": "cents",
    "pitch_errors": "of voiced frames",
    "voicing_errors": "of frames",
    "loudness": "dB",
    "high_band": "dB",
}


def measure(reference: Array, candidate: Array, rate: int, tracks: tuple[Curve, Curve] | None = None) -> Frames:
    """The measures of every frame.

    Args:
        reference: float (samples,), full scale at 1.
        candidate: float (samples,), aligned; the longer of the two is cut.
        rate: Hz of both.
        tracks: F0 of both in Hz every 10 ms, 0 where unvoiced; tracked by `parity.waveforms.pitch` unless given.
    Raises:
        ModuleNotFoundError: librosa or mir_eval is not installed.
    """
    import mir_eval  # optional, and slow to import

    count = min(len(reference), len(candidate))
    sounds = [np.asarray(sound[:count], np.float32) for sound in (reference, candidate)]
    powers = [_power(sound, rate) for sound in sounds]
    levels = [_decibels(power.sum(axis=0)) for power in powers]
    floor = max(float(levels[0].max()), float(levels[1].max())) + FLOOR_DB
    audible = np.maximum(*levels) > floor
    mels = [_decibels(_mel_filters(rate, power.shape[0]) @ power) for power in powers]
    # A band that lies below the floor in both has no audible level.
    low = max(float(mels[0].max()), float(mels[1].max())) + FLOOR_DB
    mels = [np.maximum(mel, low) for mel in mels]
    cepstra = [_cepstra(mel) for mel in mels]
    frequencies = np.fft.rfftfreq(2 * (powers[0].shape[0] - 1), 1 / rate)
    high = [_decibels(power[frequencies > HIGH_BAND].sum(axis=0)) for power in powers]
    pair = tracks or (track(sounds[0], rate), track(sounds[1], rate))
    f0 = [_length(hz, len(audible)) for hz in pair]
    voiced = [(hz > 0) & audible for hz in f0]
    both = voiced[0] & voiced[1]
    cents = np.full(len(audible), np.nan)
    cents[both] = mir_eval.melody.hz2cents(f0[1][both]) - mir_eval.melody.hz2cents(f0[0][both])

    def where_audible(values: Array) -> Curve:
        return np.where(audible, values, 0.0).astype(np.float64)

    band = np.maximum(high[1], floor) - np.maximum(high[0], floor)
    return Frames(
        times=np.arange(len(audible), dtype=np.float64) * HOP,
        log_spectral=where_audible(np.sqrt(np.mean((mels[1] - mels[0]) ** 2, axis=0))),
        mel_cepstral=where_audible(CEPSTRAL_DB * np.sqrt(np.sum((cepstra[1] - cepstra[0]) ** 2, axis=0))),
        cents=cents,
        voicing=voiced[1].astype(np.float64) - voiced[0].astype(np.float64),
        loudness=where_audible(np.maximum(levels[1], floor) - np.maximum(levels[0], floor)),
        high_band=where_audible(band) if rate > 2 * HIGH_BAND else np.full(len(audible), np.nan),
        level=levels[0].astype(np.float64),
        audible=audible,
    )


def summarize(frames: Frames) -> Summary:
    """One number for each measure."""
    audible = frames.audible
    if not audible.any():
        return Summary(0.0, 0.0, float("nan"), float("nan"), 0.0, 0.0, 0.0)
    voiced = ~np.isnan(frames.cents)
    of_reference = voiced | (frames.voicing < 0)
    close = np.abs(frames.cents[voiced]) <= CLOSE_CENTS
    return Summary(
        log_spectral=float(np.mean(frames.log_spectral[audible])),
        mel_cepstral=float(np.mean(frames.mel_cepstral[audible])),
        cents=_rms(frames.cents[voiced]),
        pitch_errors=1.0 - float(close.sum()) / int(of_reference.sum()) if of_reference.any() else float("nan"),
        voicing_errors=float(np.mean(frames.voicing[audible] != 0)),
        loudness=_rms(frames.loudness[audible]),
        high_band=_rms(frames.high_band[audible]),
    )


def track(sound: Array, rate: int) -> Curve:
    """F0 of a waveform: float64 (frames,), Hz every 10 ms, 0 where unvoiced."""
    return pitch.track(soxr.resample(np.asarray(sound, np.float32), rate, PITCH_RATE), PITCH_RATE, HOP)


def _power(sound: Array, rate: int) -> Array:
    """The power spectrum of a waveform of full scale 1: (bins, frames); a sine of amplitude 1 has a sum of 1/2."""
    import librosa  # optional, and slow to import

    size = round(WINDOW * rate)
    length = 1 << (size - 1).bit_length()
    padded = np.pad(sound, (0, max(0, length - len(sound))))  # librosa warns about a shorter one
    spectrum = np.abs(
        librosa.stft(padded, n_fft=length, hop_length=round(HOP * rate), win_length=size, pad_mode="constant")
    )
    power: Array = spectrum.astype(np.float64) ** 2
    power[1:-1] *= 2  # the negative frequencies
    return power / (length * 0.375 * size)  # Parseval, and the mean square of a Hann window, 3/8


def _mel_filters(rate: int, bins: int) -> Array:
    import librosa  # optional, and slow to import

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters", UserWarning)  # of a low rate: such a band is equal in both
        filters: Array = librosa.filters.mel(
            sr=rate, n_fft=2 * (bins - 1), n_mels=MELS, fmax=min(HIGHEST_MEL, rate / 2), norm=None
        )
    return filters.astype(np.float64)


def _cepstra(mel: Array) -> Array:
    """Cepstra 1 to CEPSTRA of the natural logarithm of the amplitude, as the distortion's formula expects them."""
    from scipy.fft import dct

    logarithm = mel * (np.log(10.0) / 20.0)
    cepstra: Array = dct(logarithm, axis=0, norm="ortho")[1 : CEPSTRA + 1] / np.sqrt(MELS / 2)
    return cepstra


def _decibels(power: Array) -> Array:
    decibels: Array = 10.0 * np.log10(np.maximum(power, 1e-20))
    return decibels


def _length(values: Curve, count: int) -> Curve:
    return np.pad(values, (0, max(0, count - len(values))))[:count]


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
