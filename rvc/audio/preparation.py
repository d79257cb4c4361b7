"""Preparation of the input: decoding to mono at 16 kHz, a peak limit, and a high-pass filter.

audio16k.raw float32 (N,) → audio16k float32 (N,) → highpassed float64 (N,), docs/spec/06 §6.3 and §6.4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rvc.audio.decoding import RATE, decode
from rvc.audio.recursive_filter import linear_filter
from rvc.errors import BadInput
from rvc.profiles import Profile
from rvc.scratch import blocks, new_signal, release

Samples = npt.NDArray[np.float32]
Filtered = npt.NDArray[np.float64]

# The coefficients of scipy.signal.butter(5, 48, "high", fs=16000), written out so that every version of scipy gives the
# same last digit.
B = np.array(
    [
        0.9699606451838447,
        -4.849803225919223,
        9.699606451838447,
        -9.699606451838447,
        4.849803225919223,
        -0.9699606451838447,
    ]
)
A = np.array([1.0, -4.939001819168364, 9.757863526739543, -9.639544849413458, 4.761506797356209, -0.9408236532054606])
# The state of the filter in the steady state for a constant input of 1: scipy.signal.lfilter_zi(B, A).
SETTLED = np.array(
    [
        -0.9699604796995847,
        3.8798419288925783,
        -5.819762908173043,
        3.879841948472456,
        -0.9699604894923387,
    ]
)
PEAK = 0.95  # relative to full scale; a higher peak of the input is scaled down to it (docs/spec/06 §6.4)
EDGE = 18  # samples of odd extension at each end: three times the number of coefficients, filtfilt's default
BLOCK = 1 << 18  # samples filtered at a time, to limit the memory of intermediate arrays

__all__ = ["RATE", "guard_peak", "highpass", "read"]


def read(path: str | Path, profile: Profile) -> Samples:
    """`audio16k.raw`: float32 (N,) at 16 kHz.

    Args:
        path: an audio file.
        profile: defines whether the end of the resampled file is complete.
    Raises:
        BadInput: the file is missing or cannot be decoded.
    """
    return decode(path, flush=profile.flush_decoder)


def guard_peak(raw: Samples) -> Samples:
    """`audio16k`: float32 (N,), scaled down to a peak of 0.95 if it is above; otherwise `raw` itself."""
    peak = np.max([np.abs(block).max() for block in blocks(raw)], initial=np.float32(0)) / np.float32(PEAK)
    if not peak > 1:
        return raw
    guarded = new_signal(len(raw), np.float32)
    for target, block in zip(blocks(guarded), blocks(raw), strict=True):
        target[:] = block / peak
    return guarded


def highpass(samples: Samples) -> Filtered:
    """`highpassed`: a fifth-order Butterworth filter at 48 Hz, run forward and backward.

    The bits are those of `scipy.signal.filtfilt(B, A, samples)`, computed block by block in one array. The odd
    extension is formed in float32, the dtype of the input, before the conversion to float64.

    Args:
        samples: float32 (N,) at 16 kHz.
    Returns:
        float64 (N,).
    Raises:
        BadInput: there are 18 samples or fewer.
    """
    count = len(samples)
    if count <= EDGE:
        raise BadInput(f"the audio is {count} samples ({count / RATE * 1000:.1f} ms) long; expected more than {EDGE}")
    left = 2 * samples[:1] - samples[EDGE:0:-1]
    right = 2 * samples[-1:] - samples[-2 : -EDGE - 2 : -1]
    extended = new_signal(count + 2 * EDGE, np.float64)
    extended[:EDGE], extended[-EDGE:] = left, right
    for target, block in zip(blocks(extended[EDGE:-EDGE]), blocks(samples), strict=True):
        target[:] = block
    _filter_in_place(extended)
    _filter_in_place(extended[::-1])
    return extended[EDGE:-EDGE]


def _filter_in_place(signal: Filtered) -> None:
    """Filter `signal` (M,) forward in place; the state is carried between blocks, so that blocks change no bit."""
    run = linear_filter()
    state = SETTLED * signal[0]
    for first in range(0, len(signal), BLOCK):
        signal[first : first + BLOCK], state = run(B, A, signal[first : first + BLOCK], state)
        release(signal)
