"""The audio of a case: original and candidate as they would be written to a file, and their difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from parity.goldens.arrays import Array
from parity.judge import metrics
from reports.data import pack, timeline
from reports.data.load import Evidence

# Tensors that hold the complete waveform, the last of the pipeline first.
OFFLINE_TENSORS = ("waveform.final", "waveform.resampled", "waveform.rmsmixed", "waveform.concat")
# Tensors of a realtime block, without the prefix; the output to the sound card first.
REALTIME_TENSORS = ("out", "infer_wav", "waveform.model", "waveform.raw")
FULL_SCALE = 32768  # int16 steps of full scale


@dataclass(frozen=True)
class Waveforms:
    """The waveforms of both sides.

    Attributes:
        original: float64 (N,), full scale 1.
        candidate: float64 (M,), full scale 1.
        difference: float64 (max(N, M),), candidate − original, from the tensor with the finest resolution.
        rate: Hz.
        tensor: the tensor that `original` and `candidate` come from.
        difference_tensor: the tensor that `difference` comes from.
    """

    original: Array
    candidate: Array
    difference: Array
    rate: int
    tensor: str
    difference_tensor: str

    @property
    def peak(self) -> float:
        """The greatest absolute difference, 1 being full scale."""
        return float(np.abs(self.difference).max()) if self.difference.size else 0.0


class AudioDescription(TypedDict):
    """What the page's script receives about the audio, besides the FLAC files.

    A sample of the difference's FLAC is the difference times `differenceScale`.
    """

    rate: int
    duration: float
    differenceScale: float
    differencePeak: float
    levels: dict[str, float]
    counts: dict[str, int]


def collect(evidence: Evidence) -> Waveforms | None:
    """The waveforms of the chained run, or of the isolated one; None where a side has no waveform."""
    for candidate in (evidence.chained, evidence.isolated):
        waveforms = (_realtime if evidence.meta.get("blocks") else _offline)(evidence, candidate)
        if waveforms:
            return waveforms
    return None


def _offline(evidence: Evidence, candidate: Mapping[str, Array]) -> Waveforms | None:
    golden = evidence.golden
    shared = [name for name in OFFLINE_TENSORS if name in golden and name in candidate]
    tensor = next((name for name in shared if golden[name].ndim == candidate[name].ndim == 1), None)
    if tensor is None:
        return None
    # waveform.final is int16 and hides differences below one step, so a float tensor is preferred for the difference
    finest = next(
        (
            name
            for name in shared
            if name != OFFLINE_TENSORS[0] and golden[name].shape == candidate[name].shape and candidate[name].ndim == 1
        ),
        tensor,
    )
    rate = timeline.rate_of(tensor, evidence.meta)
    if timeline.rate_of(finest, evidence.meta) != rate:
        finest = tensor
    return Waveforms(
        _full_scale(golden[tensor]),
        _full_scale(candidate[tensor]),
        _subtract(golden[finest], candidate[finest]),
        rate,
        tensor,
        finest,
    )


def _realtime(evidence: Evidence, candidate: Mapping[str, Array]) -> Waveforms | None:
    blocks = range(int(evidence.meta["blocks"]))
    for local in REALTIME_TENSORS:
        names = [f"rt.{n}.{local}" for n in blocks]
        if names and all(name in evidence.golden and name in candidate for name in names):
            left = np.concatenate([np.ravel(evidence.golden[name]) for name in names])
            right = np.concatenate([np.ravel(candidate[name]) for name in names])
            rate = timeline.rate_of(names[0], evidence.meta)
            pattern = f"rt.*.{local}"
            return Waveforms(_full_scale(left), _full_scale(right), _subtract(left, right), rate, pattern, pattern)
    return None


def _full_scale(samples: Array) -> Array:
    return samples / FULL_SCALE if samples.dtype == np.int16 else np.nan_to_num(samples.astype("f8"))


def _subtract(golden: Array, candidate: Array) -> Array:
    """candidate − original as float64, of full scale 1; a missing tail is included."""
    return difference(_full_scale(golden), _full_scale(candidate))


def difference(left: Array, right: Array) -> Array:
    """right − left as float64; the shorter one is extended with zeros."""
    count = max(len(left), len(right))
    result: Array = np.pad(right, (0, count - len(right))) - np.pad(left, (0, count - len(left)))
    return result


def describe(waveforms: Waveforms) -> AudioDescription:
    """What the page's script needs besides the FLAC files. Durations are in seconds, levels are RMS."""
    # a FLAC sample decodes to integer / 32768; the greatest difference is stored as 32767
    scale = (FULL_SCALE - 1) / FULL_SCALE / waveforms.peak if waveforms.peak else 1.0
    original, candidate = waveforms.original, waveforms.candidate
    return {
        "rate": waveforms.rate,
        "duration": max(len(original), len(candidate)) / waveforms.rate,
        "differenceScale": scale,
        "differencePeak": waveforms.peak,
        "levels": {"original": metrics.rms(original), "candidate": metrics.rms(candidate)},
        "counts": {
            "original": len(original),
            "candidate": len(candidate),
            "difference": len(waveforms.difference),
        },
    }


def flacs(waveforms: Waveforms) -> dict[str, str]:
    """Original, candidate and difference as 16-bit FLAC in base64; the difference is scaled to full scale."""
    scale = (FULL_SCALE - 1) / waveforms.peak if waveforms.peak else 0.0
    return {
        "original": pack.flac(_int16(waveforms.original), waveforms.rate),
        "candidate": pack.flac(_int16(waveforms.candidate), waveforms.rate),
        "difference": pack.flac(np.round(waveforms.difference * scale).astype(np.int16), waveforms.rate),
    }


def _int16(samples: Array) -> Array:
    return np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
