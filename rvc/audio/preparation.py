"""A file to what every later stage starts from: mono at 16 kHz, guarded against clipping, without rumble.

audio16k.raw float32 (N,) → audio16k float32 (N,) → highpassed float64 (N,), as docs/spec/06 §6.3 and §6.4 have them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rvc.audio.decoding import RATE, decode
from rvc.audio.recursive_filter import linear_filter
from rvc.errors import BadInput
from rvc.profiles import Profile

Samples = npt.NDArray[np.float32]
Filtered = npt.NDArray[np.float64]

# butter(5, 48 Hz, "high", fs=16000), written out so that no other version of scipy can move a last digit
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
# where the filter settles for a constant 1: lfilter_zi(B, A)
SETTLED = np.array(
    [
        -0.9699604796995847,
        3.8798419288925783,
        -5.819762908173043,
        3.879841948472456,
        -0.9699604894923387,
    ]
)
EDGE = 18  # samples of odd extension at each end: three times the filter's length
BLOCK = 1 << 20

__all__ = ["RATE", "guard_peak", "highpass", "read"]


def read(path: str | Path, profile: Profile) -> Samples:
    """`audio16k.raw`: float32 (N,) at 16 kHz.  Raises BadInput for a file that cannot be heard as sound."""
    return decode(path, flush=profile.flush_decoder)


def guard_peak(raw: Samples) -> Samples:
    """`audio16k`: `raw` (N,) scaled down to a peak of 0.95 if it is above; else `raw` itself."""
    peak = np.abs(raw).max(initial=np.float32(0)) / np.float32(0.95)
    return (raw / peak).astype(np.float32) if peak > 1 else raw


def highpass(samples: Samples) -> Filtered:
    """`highpassed`: float64 (N,), a fifth-order Butterworth at 48 Hz run forwards and backwards.

    Bit for bit `scipy.signal.filtfilt(B, A, samples)`, block by block in one array: the odd extension is formed in
    float32, the type of the input, before anything is widened.  Raises BadInput for 18 samples or fewer.
    """
    count = len(samples)
    if count <= EDGE:
        raise BadInput(f"the audio is {count} samples ({count / RATE * 1000:.1f} ms) long; expected more than {EDGE}")
    left = 2 * samples[:1] - samples[EDGE:0:-1]
    right = 2 * samples[-1:] - samples[-2 : -EDGE - 2 : -1]
    whole = np.empty(count + 2 * EDGE, np.float64)
    whole[:EDGE], whole[EDGE:-EDGE], whole[-EDGE:] = left, samples, right
    _filter_in_place(whole)
    _filter_in_place(whole[::-1])
    return whole[EDGE:-EDGE]


def _filter_in_place(signal: Filtered) -> None:
    """One causal pass over `signal` (M,), overwriting it; the state carried between blocks keeps every bit."""
    run = linear_filter()
    state = SETTLED * signal[0]
    for first in range(0, len(signal), BLOCK):
        signal[first : first + BLOCK], state = run(B, A, signal[first : first + BLOCK], state)
