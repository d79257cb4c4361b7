"""What was timed is what is exact: the timed files beside a run that is listened to at every stage.

In float32 the bytes must be those of the traced run. The other precisions must give the bytes of their own traced run,
and lie as near to the float32 of the same seed as LIMITS says.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import ArrayLike
from safetensors import safe_open

from bench.measure import child
from bench.measure.workload import Workload

# dB below the signal that the difference from float32 must stay: the tiers' own promise (docs/performance.md)
LIMITS: Mapping[str, Mapping[str, float]] = {
    "bfloat16": {"waveform": 30.0, "features": 40.0},
    "int8": {"waveform": 20.0, "features": 30.0},
}
FEATURES = "seg0.hubert.features"


def snr(truth: ArrayLike, other: ArrayLike) -> float:
    """dB by which `truth` is stronger than its difference from `other`; infinity where there is none.

    raises ValueError when the shapes differ: a sound of another length is another sound
    """
    a, b = np.asarray(truth, np.float64), np.asarray(other, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"two sounds of shapes {a.shape} and {b.shape} cannot be compared; expected the same")
    noise, signal = float(np.square(a - b).sum()), float(np.square(a).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def judge(work: Workload, precisions: Sequence[str], profile: str, scratch: Path) -> dict[str, dict[str, Any]]:
    """For each precision whether what was timed is exact, and the sentence that says why.

    The timed files are scratch / "KIND-PRECISION.wav".
    """
    features = {}
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(["float32", *precisions]):
        timed, again = scratch / f"{work.kind}-{name}.wav", scratch / "again.wav"
        trace = scratch / "again.safetensors"
        command = work.ours(again, "--precision", name, "--trace", str(trace), profile=profile)
        child.run(command, threads=work.threads)
        with safe_open(trace, "numpy") as file:
            features[name] = file.get_tensor(FEATURES)
        trace.unlink()
        if not timed.exists():  # float32 was not timed, but the others are measured against it
            again.rename(timed)
        elif timed.read_bytes() != again.read_bytes():
            found[name] = {"exact": False, "why": "the timed output is not the traced run's"}
            continue
        sounds = [soundfile.read(scratch / f"{work.kind}-{n}.wav")[0] for n in ("float32", name)]
        found[name] = near(name, snr(*sounds), snr(features["float32"], features[name]))
    return found


def near(precision: str, waveform: float, features: float) -> dict[str, Any]:
    """The verdict on two distances from float32 in dB."""
    if precision == "float32":
        return {"exact": True, "why": "the bytes of the traced run"}
    limit = LIMITS[precision]
    good = waveform >= limit["waveform"] and features >= limit["features"]
    why = f"waveform {waveform:.1f} dB (≥ {limit['waveform']:g}), features {features:.1f} dB (≥ {limit['features']:g})"
    return {"exact": good, "why": why, "snr_db": {"waveform": waveform, "features": features}}
