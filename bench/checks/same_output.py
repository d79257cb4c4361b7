"""Whether the timed conversions compute the right output: the timed files beside a traced run of the same options.

The bytes must be those of the traced run. In bfloat16 and int8 the output must also be as near to the float32 of the
same seed as LIMITS requires.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import ArrayLike
from safetensors import safe_open

from bench.measure import child
from bench.measure.workload import Workload

# Least SNR in dB of each precision against float32, as docs/performance.md states for the tiers.
LIMITS: Mapping[str, Mapping[str, float]] = {
    "bfloat16": {"waveform": 30.0, "features": 40.0},
    "int8": {"waveform": 20.0, "features": 30.0},
}
FEATURES = "seg0.hubert.features"


@dataclass(frozen=True)
class Exactness:
    """Whether an output is the right one.

    Attributes:
        exact: the result.
        why: how it was determined, in words.
        snr_db: SNR against float32 in dB by signal; None where the bytes decide.
    """

    exact: bool
    why: str
    snr_db: Mapping[str, float] | None = None

    def document(self) -> dict[str, Any]:
        """The fields of result.json."""
        fields: dict[str, Any] = {"exact": self.exact, "why": self.why}
        return fields if self.snr_db is None else {**fields, "snr_db": dict(self.snr_db)}


def snr(truth: ArrayLike, other: ArrayLike) -> float:
    """The ratio of the energy of `truth` to the energy of its difference from `other`, in dB; infinity where equal.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(truth, np.float64), np.asarray(other, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"two sounds of shapes {a.shape} and {b.shape} cannot be compared; expected the same")
    noise, signal = float(np.square(a - b).sum()), float(np.square(a).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def beside(reference: Path, other: Path, least: float) -> dict[str, Any]:
    """Whether a sound file is near another one: `exact`, `why`, and `snr_db` of the waveform in dB.

    Args:
        reference: the file to compare with.
        other: the file that is judged, with as many samples.
        least: the SNR in dB from which on it is near enough.
    """
    ratio = snr(*(soundfile.read(path)[0] for path in (reference, other)))
    return {"exact": ratio >= least, "why": f"waveform {ratio:.1f} dB (≥ {least:g})", "snr_db": {"waveform": ratio}}


def judge(workload: Workload, precisions: Sequence[str], profile: str, scratch: Path) -> dict[str, Exactness]:
    """Compare the timed files with traced runs.

    Args:
        workload: the timed conversion.
        precisions: the timed precisions.
        profile: the profile of the timed conversion.
        scratch: folder of the timed files, named KIND-PRECISION.wav.
    Returns:
        The result for each precision, and for float32.
    Raises:
        ChildFailed: a traced run failed.
    """
    features = {}
    exactness: dict[str, Exactness] = {}
    for name in dict.fromkeys(["float32", *precisions]):
        timed, again = scratch / f"{workload.kind}-{name}.wav", scratch / "again.wav"
        trace = scratch / "again.safetensors"
        command = workload.rvc_command(again, "--precision", name, "--trace", str(trace), profile=profile)
        child.run(command, threads=workload.threads, variables=workload.variables)
        with safe_open(trace, "numpy") as file:
            features[name] = file.get_tensor(FEATURES)
        trace.unlink()
        if not timed.exists():  # float32 was not timed, but the other precisions are compared with it
            again.rename(timed)
        elif timed.read_bytes() != again.read_bytes():
            exactness[name] = Exactness(False, "the timed output is not the traced run's")
            continue
        sounds = [soundfile.read(scratch / f"{workload.kind}-{n}.wav")[0] for n in ("float32", name)]
        exactness[name] = near(name, snr(*sounds), snr(features["float32"], features[name]))
    return exactness


def near(precision: str, waveform: float, features: float) -> Exactness:
    """Judge the SNR in dB of waveform and content features against float32."""
    if precision == "float32":
        return Exactness(True, "the bytes of the traced run")
    limit = LIMITS[precision]
    exact = waveform >= limit["waveform"] and features >= limit["features"]
    why = f"waveform {waveform:.1f} dB (≥ {limit['waveform']:g}), features {features:.1f} dB (≥ {limit['features']:g})"
    return Exactness(exact, why, {"waveform": waveform, "features": features})
