"""What is heard: original and ours as they would be written to a file, and their difference raised to full scale."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.judge import metrics
from reports.data import pack, timeline
from reports.data.load import Evidence

HEARD = ("waveform.final", "waveform.resampled", "waveform.rmsmixed", "waveform.concat")
LIVE = ("out", "infer_wav", "waveform.model", "waveform.raw")


@dataclass(frozen=True)
class Sound:
    """Both sides as float64 (M,), full scale 1, and the finest difference the tensors allow; `rate` in Hz."""

    original: Array
    ours: Array
    difference: Array
    rate: int
    heard: str
    finest: str

    @property
    def peak(self) -> float:
        """The greatest absolute difference, 1 being full scale."""
        return float(np.abs(self.difference).max()) if self.difference.size else 0.0


def collect(evidence: Evidence) -> Sound | None:
    """The sound of a case from its chained run (isolated where there is none); None where a side has no waveform."""
    for ours in (evidence.chained, evidence.isolated):
        found = _offline(evidence, ours) if not evidence.meta.get("blocks") else _live(evidence, ours)
        if found:
            return found
    return None


def _offline(evidence: Evidence, ours: Any) -> Sound | None:
    golden = evidence.golden
    heard = next(
        (name for name in HEARD if name in golden and name in ours and golden[name].ndim == ours[name].ndim == 1), None
    )
    if heard is None:
        return None
    # int16 hides differences below its step, so the difference is taken before rounding where both kept that
    finest = next(
        (
            name
            for name in HEARD[1:]
            if name in golden and name in ours and golden[name].shape == ours[name].shape and ours[name].ndim == 1
        ),
        heard,
    )
    if timeline.rate_of(finest, evidence.meta) != timeline.rate_of(heard, evidence.meta):
        finest = heard
    return Sound(
        _full_scale(golden[heard]),
        _full_scale(ours[heard]),
        _subtract(golden[finest], ours[finest]),
        timeline.rate_of(heard, evidence.meta),
        heard,
        finest,
    )


def _live(evidence: Evidence, ours: Any) -> Sound | None:
    blocks = range(int(evidence.meta["blocks"]))
    for local in LIVE:
        names = [f"rt.{n}.{local}" for n in blocks]
        if names and all(name in evidence.golden and name in ours for name in names):
            left = np.concatenate([np.ravel(evidence.golden[name]) for name in names])
            right = np.concatenate([np.ravel(ours[name]) for name in names])
            return Sound(
                _full_scale(left),
                _full_scale(right),
                _subtract(left, right),
                timeline.rate_of(names[0], evidence.meta),
                f"rt.*.{local}",
                f"rt.*.{local}",
            )
    return None


def _full_scale(samples: Array) -> Array:
    return samples / 32768.0 if samples.dtype == np.int16 else np.nan_to_num(samples.astype("f8"))


def _subtract(golden: Array, ours: Array) -> Array:
    """ours − original as float64, the shorter one continued with silence: a trimmed tail is heard too."""
    left, right = _full_scale(golden), _full_scale(ours)
    count = max(len(left), len(right))
    difference: Array = np.pad(right, (0, count - len(right))) - np.pad(left, (0, count - len(left)))
    return difference


def describe(sound: Sound) -> dict[str, Any]:
    """What the page's script needs to know about the sound, apart from the FLAC files."""
    # a FLAC sample decodes to integer / 32768; the greatest difference becomes 32767
    scale = 32767 / 32768 / sound.peak if sound.peak else 1.0
    return {
        "rate": sound.rate,
        "duration": max(len(sound.original), len(sound.ours)) / sound.rate,
        "differenceScale": scale,
        "differencePeak": sound.peak,
        "levels": {"original": metrics.rms(sound.original), "ours": metrics.rms(sound.ours)},
        "counts": {"original": len(sound.original), "ours": len(sound.ours), "difference": len(sound.difference)},
    }


def flacs(sound: Sound) -> dict[str, str]:
    """The three sounds as base64 FLAC of 16 bits, the difference at full scale."""
    loudest = 32767 / sound.peak if sound.peak else 0.0
    return {
        "original": pack.flac(_steps(sound.original), sound.rate),
        "ours": pack.flac(_steps(sound.ours), sound.rate),
        "difference": pack.flac(np.round(sound.difference * loudest).astype(np.int16), sound.rate),
    }


def _steps(samples: Array) -> Array:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)
