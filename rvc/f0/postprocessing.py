"""From a method's raw track to what the voice is given: gaps filled or not, transposed, a curve laid over, quantised.

All of it keeps the dtype of the track (float64 from pm, harvest, dio and rmvpe; float32 from crepe and fcpe), because
the originals do and a value on the edge of a bin shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from rvc.errors import BadInput

if TYPE_CHECKING:
    from rvc.config import Config

Track = npt.NDArray[np.floating[Any]]

FRAMES_PER_SECOND = 100
LOWEST, HIGHEST = 50.0, 1100.0  # Hz, the ends of the coarse scale
BINS = 255


def mel(hz: float) -> np.float64:
    """The scale that coarse pitch is even on."""
    return np.float64(1127 * np.log(1 + hz / 700))


# float64 scalars, not Python's: a float32 track is then scaled in float64, as the originals' is
LOWEST_MEL, HIGHEST_MEL = mel(LOWEST), mel(HIGHEST)


def finish(
    raw: Track, frames: int, config: Config
) -> tuple[Track | None, npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Everything after the method, in the originals' order.

    raw     : float (≥ frames,), Hz, 0 where unvoiced
    frames  : P, how many the voice will be given
    returns : filled (the track with its gaps interpolated; None under a profile that keeps them), hz float32 (1, P),
              coarse int64 (1, P)
    raises  : BadInput for a curve file that cannot be read, or a track that is too short
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
    """Draw straight lines across the gaps, level ones at both ends; a track without any pitch stays as it is.

    f0      : float (P,), 0 where unvoiced;  returns : the same dtype, a copy
    """
    filled = f0.copy()
    silent = f0 == 0
    if silent.all():
        return filled
    frames = np.arange(len(f0))
    filled[silent] = np.interp(frames[silent], frames[~silent], f0[~silent])
    return filled


def transpose(f0: Track, semitones: float) -> Track:
    """Move a track by semitones; 0 stays 0, the dtype stays."""
    return np.asarray(f0 * 2.0 ** (semitones / 12))


def read_curve(path: Path) -> npt.NDArray[np.float32]:
    """Read `seconds,hertz` lines.

    returns : float32 (K, 2);  raises : BadInput naming the first line that is not such a pair
    """
    try:
        lines = path.read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the F0 file {path} cannot be read ({error}); expected text lines of seconds,hertz") from error
    points = []
    for number, line in enumerate(lines, 1):
        try:
            seconds, hertz = (float(field) for field in line.split(","))
        except ValueError:
            raise BadInput(f"line {number} of the F0 file {path.name} is {line!r}; expected seconds,hertz") from None
        points.append((seconds, hertz))
    curve = np.array(points, np.float32)
    if not len(curve) or not np.isfinite(curve).all():
        raise BadInput(f"the F0 file {path.name} holds no usable points; expected lines of seconds,hertz")
    return curve


def overlay_curve(f0: Track, curve: npt.NDArray[np.float32], start: int) -> Track:
    """Replace a stretch of the track by a curve, as the originals do.

    f0      : float (P,);  curve : float32 (K, 2) of seconds and Hz, not transposed;  start : frame of second 0
    returns : float (P,); the stretch is as long as the curve's own span, yet its times count from 0, so the end of a
              curve that does not start at 0 is lost; beyond 327.67 s the originals' 16-bit length wraps round
    """
    seconds, hertz = curve[:, 0], curve[:, 1]
    span = np.round((seconds.max() - seconds.min()) * 100 + 1)
    length = (int(span) + 2**15) % 2**16 - 2**15  # the original's int16
    laid = f0.copy()
    stretch = laid[start : start + max(length, 0)]
    stretch[:] = np.interp(np.arange(len(stretch)), seconds * 100, hertz)
    return laid


def quantize(f0: Track) -> npt.NDArray[np.int64]:
    """Coarse pitch: 1 … 255 even in mel from 50 to 1100 Hz; unvoiced frames get 1.

    f0      : float (P,), Hz;  returns : int64 (P,)
    """
    mels = 1127 * np.log(1 + f0 / 700)
    voiced = mels > 0
    mels[voiced] = (mels[voiced] - LOWEST_MEL) * (BINS - 1) / (HIGHEST_MEL - LOWEST_MEL) + 1
    mels[mels <= 1] = 1
    mels[mels > BINS] = BINS
    return np.asarray(np.rint(mels), np.int64)


def quantize_realtime(f0: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The same scale as the realtime originals compute it, in float32 throughout: float32 (F,) → int64 (F,)."""
    mels = 1127 * torch.log(1 + torch.from_numpy(np.ascontiguousarray(f0)) / 700)
    voiced = mels > 0
    scaled = (mels - float(LOWEST_MEL)) * (BINS - 1) / float(HIGHEST_MEL - LOWEST_MEL) + 1
    mels = torch.where(voiced, scaled, mels)
    mels[mels <= 1] = 1
    mels[mels > BINS] = BINS
    return np.asarray(torch.round(mels).long().numpy(), np.int64)
