"""Signal processing around the graphs: high-pass, segments, loudness, integers (docs/spec/06)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx.errors import OnnxVoiceError

Samples = npt.NDArray[np.float32]
Signal = npt.NDArray[np.float64]

RATE = 16000  # Hz, of every input
FRAME = 160  # samples in a frame of 10 ms
BLOCK = 256  # samples that the filter computes with one matrix product
PIECE = 1 << 18  # samples that are filtered or rounded at once, a multiple of BLOCK; each takes some 30 bytes
GAIN_PIECE = 1 << 20  # samples of the loudness gain at once, which takes some 50 bytes for each


@dataclass(frozen=True)
class Window:
    """How a recording is cut and padded, in seconds (docs/spec/06 §6.2)."""

    pad: float = 1.0
    query: float = 6.0
    center: float = 38.0
    max: float = 41.0

    def samples(self, name: str) -> int:
        """The value of that name in samples at 16 kHz."""
        return round(float(getattr(self, name)) * RATE)

    @property
    def pad_frames(self) -> int:
        """The padding in frames of 10 ms."""
        return self.samples("pad") // FRAME


def guard_peak(raw: Samples, limit: float) -> Samples:
    """`audio16k`: float32 (N,), scaled down to a peak of `limit` if it is above."""
    peak = np.abs(raw).max(initial=np.float32(0)) / np.float32(limit)
    return (raw / peak).astype(np.float32) if peak > 1 else raw


def highpass(samples: Samples, filter_: Mapping[str, Any]) -> Signal:
    """`highpassed`: the filter of voice.json run forward and backward over the oddly extended samples.

    Args:
        samples: float32 (N,) at 16 kHz, more than `edge` samples.
        filter_: `constants.highpass` of voice.json; its second-order `sections` are used, because their
            states round far less than those of the fifth-order filter.
    Returns:
        float64 (N,).
    """
    edge = int(filter_["edge"])
    extended = np.empty(len(samples) + 2 * edge)
    extended[:edge] = 2 * samples[:1] - samples[edge:0:-1]
    extended[edge:-edge] = samples
    extended[-edge:] = 2 * samples[-1:] - samples[-2 : -edge - 2 : -1]
    for _ in range(2):
        for section in filter_["sections"]:
            run_section(extended, np.asarray(section[:3]), np.asarray(section[3:]))
        extended = extended[::-1]
    return extended[edge:-edge]


def run_section(signal: Signal, b: Signal, a: Signal) -> None:
    """Run one second-order section over float64 (M,) in place, from the steady state of its first sample.

    Block by block: each block is a matrix of the impulse response times its samples, plus what the two states add.
    """
    response, carried, into = _section_matrices(tuple(b.tolist()), tuple(a.tolist()))
    transition = _power(np.array([[-a[1], 1.0], [-a[2], 0.0]]), BLOCK)
    # The steady state for a constant input of 1 (docs/spec/06 §6.4).
    gain = b.sum() / a.sum()
    state = signal[0] * np.array([gain - b[0], b[2] - a[2] * gain])
    for first in range(0, len(signal), PIECE):
        piece = signal[first : first + PIECE]
        blocks = np.zeros((-(-len(piece) // BLOCK), BLOCK))
        blocks.reshape(-1)[: len(piece)] = piece
        arrivals = blocks @ into.T
        states = np.empty((len(blocks), 2))
        for i in range(len(blocks)):
            states[i] = state
            state = transition @ state + arrivals[i]
        out = blocks @ response.T
        out += states @ carried.T
        piece[:] = out.reshape(-1)[: len(piece)]


_MATRICES: dict[tuple[tuple[float, ...], tuple[float, ...]], tuple[Signal, Signal, Signal]] = {}


def _section_matrices(b: tuple[float, ...], a: tuple[float, ...]) -> tuple[Signal, Signal, Signal]:
    """Matrices of a section: samples to results (BLOCK, BLOCK), states to results (BLOCK, 2), samples to states."""
    if (b, a) not in _MATRICES:
        step = np.array([[-a[1], 1.0], [-a[2], 0.0]])
        entry = np.array([b[1] - a[1] * b[0], b[2] - a[2] * b[0]])
        powers = [np.eye(2)]
        for _ in range(BLOCK):
            powers.append(step @ powers[-1])
        impulse = np.array([b[0], *((powers[i] @ entry)[0] for i in range(BLOCK - 1))])
        lag = np.arange(BLOCK)[:, None] - np.arange(BLOCK)[None, :]
        response = np.where(lag >= 0, impulse[np.maximum(lag, 0)], 0.0)
        carried = np.array([powers[i][0] for i in range(BLOCK)])
        into = np.array([powers[BLOCK - 1 - i] @ entry for i in range(BLOCK)]).T
        _MATRICES[b, a] = response, carried, into
    return _MATRICES[b, a]


def _power(matrix: Signal, exponent: int) -> Signal:
    return np.asarray(np.linalg.matrix_power(matrix, exponent))


@dataclass(frozen=True)
class Span:
    """One segment: its samples in `padded`, and its frames in the F0 of the whole file."""

    first: int
    last: int
    frames: slice

    @property
    def content_frames(self) -> int:
        """p: frames of 10 ms for which there are content features (docs/spec/00 §0.3)."""
        return max(2 * ((self.last - self.first - 80) // 320), 0)


def cut_points(highpassed: Signal, window: Window) -> tuple[Signal | None, npt.NDArray[np.int64]]:
    """`quiet.profile` (N,), None for audio that is not cut, and `segment.cuts`, int64 (K,), in samples."""
    count = len(highpassed)
    if count + FRAME <= window.samples("max"):
        return None, np.zeros(0, np.int64)
    magnitude = np.pad(highpassed, FRAME // 2, mode="reflect")
    np.abs(magnitude, out=magnitude)
    profile = np.zeros(count)
    for shift in range(FRAME):  # in time order, because another order rounds otherwise
        profile += magnitude[shift : shift + count]
    reach, cuts = window.samples("query"), []
    for center in range(window.samples("center"), count, window.samples("center")):
        first = center - reach
        cuts.append(first + int(np.argmin(profile[first : center + reach])))
    return profile, np.array(cuts, np.int64)


def spans(length: int, cuts: npt.NDArray[np.int64], window: Window) -> list[Span]:
    """The segments of `padded`, in time order; all but the last are 10 ms longer than their F0 (docs/spec/06 §6.5).

    Args:
        length: samples at 16 kHz of the recording without its padding.
        cuts: int64 (n,), the samples at which the recording is cut.
        window: how a long recording is cut.
    """
    padding = 2 * window.samples("pad")
    segments, start = [], 0
    for cut in cuts:
        stop = int(cut) // FRAME * FRAME
        segments.append(Span(start, stop + padding + FRAME, slice(start // FRAME, (stop + padding) // FRAME)))
        start = stop
    segments.append(Span(start, length + padding, slice(start // FRAME, (length + padding) // FRAME)))
    return segments


def rms(samples: npt.NDArray[np.floating[Any]], frame: int, hop: int) -> Samples:
    """Root mean square of centered frames with zeros beyond both ends, in float32: (1 + N // hop,)."""
    half = frame // 2
    padded = np.pad(samples.astype(np.float32), half)
    count = 1 + len(samples) // hop
    values = [np.square(padded[i * hop : i * hop + frame]).mean(dtype=np.float32) for i in range(count)]
    return np.sqrt(np.asarray(values, np.float32))


def stretch(values: Samples, length: int, first: int, last: int) -> Samples:
    """Samples first … last of an envelope (K,) resized linearly to `length` samples, without aligned corners."""
    scale = float(np.float32(len(values)) / np.float32(length))
    position = np.maximum((np.arange(first, last) + 0.5) * scale - 0.5, 0).astype(np.float32)
    left = np.minimum(position.astype(np.int64), len(values) - 1)
    right = np.minimum(left + 1, len(values) - 1)
    share = np.minimum(position - left.astype(np.float32), np.float32(1))
    return np.asarray((np.float32(1) - share) * values[left] + share * values[right], np.float32)


def mix_loudness(waveform: Samples, highpassed: Signal, rate: int, mix: float, floor: float) -> Samples:
    """`waveform.rmsmixed`: the waveform (M,) with its envelope moved towards the input's (docs/spec/06 §6.7)."""
    before, after = rms(highpassed, RATE, RATE // 2), rms(waveform, rate // 2 * 2, rate // 2)
    mixed = np.empty(len(waveform), np.float32)
    for first in range(0, len(waveform), GAIN_PIECE):
        last = min(first + GAIN_PIECE, len(waveform))
        target = stretch(before, len(waveform), first, last)
        own = np.maximum(stretch(after, len(waveform), first, last), np.float32(floor))
        gain = np.power(target, np.float32(1 - mix)) * np.power(own, np.float32(mix - 1))
        mixed[first:last] = waveform[first:last] * gain
    return mixed


def resample(waveform: Samples, source: int, target: int) -> Samples:
    """Resample with soxr's HQ filter, as librosa does: float32 (M,) at `source` Hz → (⌈M·target/source⌉,)."""
    import soxr

    length = math.ceil(len(waveform) * (target / source))
    made = soxr.resample(waveform, source, target, quality="HQ")
    return np.pad(made[:length], (0, max(length - len(made), 0)))


def joined(pieces: list[Samples]) -> Samples:
    """The pieces one after the other, float32 (M,); the list is emptied, and each piece released once it is copied."""
    waveform = np.empty(sum(len(piece) for piece in pieces), np.float32)
    at = 0
    while pieces:
        piece = pieces.pop(0)
        waveform[at : at + len(piece)] = piece
        at += len(piece)
    return waveform


def refuse_nonfinite(waveform: Samples) -> None:
    """Raise OnnxVoiceError for a synthesized waveform, float32 (M,), that holds NaN or infinity."""
    if len(waveform) and not (np.isfinite(waveform.max()) and np.isfinite(waveform.min())):
        raise OnnxVoiceError("the voice's waveform is not finite; its files are damaged: export the voice again")


def to_int16(waveform: Samples, limit: float) -> npt.NDArray[np.int16]:
    """`waveform.final`: int16 (M,), truncated toward zero; a peak above `limit` is scaled down first."""
    if not len(waveform):
        return np.zeros(0, np.int16)
    peak = max(waveform.max(), -waveform.min()) / np.float32(limit)
    scale = np.float32(32768) / peak if peak > 1 else np.float32(32768)
    integers = np.empty(len(waveform), np.int16)
    for first in range(0, len(waveform), PIECE):
        part = slice(first, first + PIECE)
        integers[part] = (waveform[part] * scale).astype(np.int16)
    return integers
