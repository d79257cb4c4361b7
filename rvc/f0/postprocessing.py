"""Post-processing of F0: unvoiced frames filled, transposition, an F0 file, quantization (docs/spec/03 §3.7-3.11).

Every step keeps the dtype of the track (float64 from pm, harvest, dio and rmvpe; float32 from crepe and fcpe), as the
originals do: in another dtype, a value on the edge of an F0 bin may fall into the other bin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from rvc.errors import BadInput
from rvc.f0.curve_file import read_curve

if TYPE_CHECKING:
    from rvc.config import Config

Track = npt.NDArray[np.floating[Any]]

FRAMES_PER_SECOND = 100
LOWEST, HIGHEST = 50.0, 1100.0  # Hz, the ends of the F0 bins (docs/spec/00 §0.2)
BINS = 255  # F0 bins, numbered from 1


def mel(hz: float) -> np.float64:
    """The mel value of a frequency in Hz, on the scale of the F0 bins (docs/spec/00 §0.2)."""
    return np.float64(1127 * np.log(1 + hz / 700))


# These are NumPy float64 scalars rather than Python floats, so that a float32 track is scaled in float64, as in the
# originals.
LOWEST_MEL, HIGHEST_MEL = mel(LOWEST), mel(HIGHEST)


def finish(
    raw: Track, frames: int, config: Config
) -> tuple[Track | None, npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Post-process the F0 of a whole file, in the originals' order.

    Args:
        raw: float (≥ frames,), Hz, 0 where unvoiced.
        frames: P, the number of frames of the results.
        config: the profile, the transposition, the F0 file and the padding are read from it.
    Returns:
        filled, of the shape and dtype of `raw`, or None under a profile that does not fill unvoiced frames;
        hz, float32 (1, P); coarse, int64 (1, P).
    Raises:
        BadInput: the F0 file cannot be read, or `raw` is too short.
    """
    if len(raw) < frames:
        raise BadInput(f"the pitch track has {len(raw)} frames, but {frames} are needed; was it made from other audio?")
    filled = fill_unvoiced(raw) if config.profile.fill_unvoiced else None
    track = transpose(raw if filled is None else filled, int(config.transpose))
    if config.f0_file is not None:
        start = round(config.window.pad * FRAMES_PER_SECOND)
        track = overlay_curve(track, read_curve(config.f0_file), start)
    hz = track.astype(np.float32)[:frames]
    return filled, hz[None], quantize(track)[:frames][None]


def fill_unvoiced(f0: Track) -> Track:
    """Interpolate unvoiced frames linearly between voiced ones; at both ends the nearest voiced value is held.

    Args:
        f0: float (P,), Hz, 0 where unvoiced.
    Returns:
        A copy of the same dtype; equal to `f0` where no frame is voiced.
    """
    filled = f0.copy()
    unvoiced = f0 == 0
    if unvoiced.all():
        return filled
    frames = np.arange(len(f0))
    filled[unvoiced] = np.interp(frames[unvoiced], frames[~unvoiced], f0[~unvoiced])
    return filled


def transpose(f0: Track, semitones: float) -> Track:
    """Transpose a track (P,) by semitones; 0 stays 0, and the dtype stays."""
    return np.asarray(f0 * 2.0 ** (semitones / 12))


def overlay_curve(f0: Track, curve: npt.NDArray[np.float32], start: int) -> Track:
    """Replace a part of the track by a curve, as the originals do (docs/spec/03 §3.9).

    Two errors of the originals are reproduced. The part is as long as the span from the curve's first to its last time,
    but times count from 0, so the end of a curve that does not start at 0 is lost. The length is a 16-bit integer,
    which overflows for a curve of more than 327.67 s.

    Args:
        f0: float (P,), Hz.
        curve: float32 (K, 2), seconds and Hz; it is not transposed.
        start: the frame of second 0.
    Returns:
        float (P,), a copy.
    """
    seconds, hertz = curve[:, 0], curve[:, 1]
    span = np.round((seconds.max() - seconds.min()) * 100 + 1)
    length = (int(span) + 2**15) % 2**16 - 2**15  # the originals' int16, in which a value above 32767 wraps to negative
    overlaid = f0.copy()
    part = overlaid[start : start + max(length, 0)]
    part[:] = np.interp(np.arange(len(part)), seconds * 100, hertz)
    return overlaid


def quantize(f0: Track) -> npt.NDArray[np.int64]:
    """The F0 bin of each frame: 1 … 255, evenly spaced in mel from 50 to 1100 Hz (docs/spec/03 §3.10).

    Args:
        f0: float (P,), Hz.
    Returns:
        int64 (P,); unvoiced frames get 1.
    """
    mels = 1127 * np.log(1 + f0 / 700)
    voiced = mels > 0
    mels[voiced] = (mels[voiced] - LOWEST_MEL) * (BINS - 1) / (HIGHEST_MEL - LOWEST_MEL) + 1
    mels[mels <= 1] = 1
    mels[mels > BINS] = BINS
    return np.asarray(np.rint(mels), np.int64)


def quantize_realtime(f0: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """`quantize` as the realtime originals compute it, in float32 throughout: float32 (F,), Hz → int64 (F,)."""
    mels = 1127 * torch.log(1 + torch.from_numpy(np.ascontiguousarray(f0)) / 700)
    voiced = mels > 0
    scaled = (mels - float(LOWEST_MEL)) * (BINS - 1) / float(HIGHEST_MEL - LOWEST_MEL) + 1
    mels = torch.where(voiced, scaled, mels)
    mels[mels <= 1] = 1
    mels[mels > BINS] = BINS
    return np.asarray(torch.round(mels).long().numpy(), np.int64)
