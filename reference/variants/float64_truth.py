"""The arithmetic stages between the networks in float64, on a recording's own inputs.

A golden's distance from these values is the original's float32 rounding (docs/spec/04, 05 §5.3, 06). The networks in
float64 are computed by `isolated.run` with the original's code.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity import stages
from parity.goldens import time_axes
from parity.goldens.store import Case

Array = NDArray[Any]


def small_stages(golden: Case, index: Path | None) -> dict[str, Array]:
    """Every arithmetic stage of an offline golden, computed in float64 and rounded once to the golden's dtype.

    Args:
        golden: an offline golden.
        index: the file that its retrieval searched, or None.
    """
    exact = _file_stages(golden)
    vectors = _vectors(index) if index is not None else None
    for prefix in stages.prefixes_of(golden):
        exact |= {prefix + name: value for name, value in _segment_stages(golden, prefix, vectors).items()}
    return {name: value.astype(golden[name].dtype) for name, value in exact.items() if name in golden}


def _file_stages(golden: Case) -> dict[str, Array]:
    raw = golden["audio16k.raw"].astype(np.float64)
    values = {"audio16k": raw / max(float(np.abs(raw).max()) / 0.95, 1.0)}
    track = next((golden[name] for name in ("f0.filled", "f0.raw") if name in golden), None)
    if track is not None and "f0_file" not in golden.options:
        shift = 2.0 ** (int(golden.options.get("transpose", 0)) / 12)
        values["f0.hz"] = track.astype(np.float64)[None, : golden["f0.hz"].shape[1]] * shift
    pieces = [golden[prefix + "waveform.segment"] for prefix in stages.prefixes_of(golden)]
    return values | {"waveform.concat": np.concatenate(pieces)}


def _segment_stages(golden: Case, prefix: str, vectors: Array | None) -> dict[str, Array]:
    def recorded(name: str) -> Array:
        return golden[prefix + name].astype(np.float64)

    features = recorded("hubert.features")
    values = {"z_p": recorded("enc_p.m") + np.exp(recorded("enc_p.logs")) * recorded("noise.z") * 0.66666}
    content = features
    if vectors is not None and prefix + "retrieval.ids" in golden:
        values |= _retrieval(golden, prefix, vectors, features)
        content = recorded("retrieval.blended")
    frames = golden[prefix + "content.protected"].shape[1]
    values["content.upsampled"] = np.repeat(content, 2, 1)[:, : golden[prefix + "content.upsampled"].shape[1]]
    if "f0.hz" in golden and float(golden.options.get("protect", 0.33)) < 0.5:
        start = _first_frame(golden, prefix)
        hz = golden["f0.hz"][:, start : start + frames]
        share = np.where(hz < 1, float(golden.options.get("protect", 0.33)), 1.0)[..., None]
        doubled = recorded("content.upsampled")[:, :frames]
        values["content.protected"] = doubled * share + np.repeat(features, 2, 1)[:, :frames] * (1 - share)
    if prefix + "nsf.sine" in golden:
        values |= _source(golden, prefix, frames)
    return values


def _source(golden: Case, prefix: str, frames: int) -> dict[str, Array]:
    """The sine, whose phase is the exact running sum of F0 / rate, and the source that follows from it.

    The source is tanh of a linear function of the sine. The slope is fitted to the recorded pair, and the recorded
    source is corrected to first order by the difference between the exact and the recorded sine.
    """
    start = _first_frame(golden, prefix)
    hz = golden["f0.hz"][0, start : start + frames].astype(np.float64)
    upp = int(golden.voice["rate"]) // 100
    on = np.repeat(hz > 0, upp)
    phase = np.cumsum(np.repeat(hz, upp) / int(golden.voice["rate"]))
    noise = np.where(on, 0.003, 0.1 / 3) * golden[prefix + "noise.nsf"].ravel()  # docs/spec/05 §5.3
    exact = np.where(on, 0.1 * np.sin(2 * np.pi * np.mod(phase, 1)), 0) + noise
    sine, source = (golden[prefix + name].astype(np.float64).ravel() for name in ("nsf.sine", "nsf.source"))
    linear = np.abs(source) < 0.9  # beyond, tanh is too flat for the fit
    slope = np.polyfit(sine[linear], np.arctanh(source[linear]), 1)[0]
    corrected = source + slope * (1 - source**2) * (exact - sine)
    return {"nsf.sine": exact.reshape(1, -1, 1), "nsf.source": corrected.reshape(1, 1, -1)}


def _retrieval(golden: Case, prefix: str, vectors: Array, features: Array) -> dict[str, Array]:
    """Retrieval's four tensors for the recorded neighbor ids; empty if a frame has fewer than K neighbors."""
    ids = golden[prefix + "retrieval.ids"]
    if (ids < 0).any():
        return {}
    near = vectors[ids]  # (T, K, C)
    rate = float(golden.options["index_rate"])
    distances = golden[prefix + "retrieval.distances"].astype(np.float64)
    close = 1 / distances**2
    weights = golden[prefix + "retrieval.weights"].astype(np.float64)
    mean = golden[prefix + "retrieval.mean"].astype(np.float64)
    return {
        "retrieval.distances": ((near - features[0][:, None]) ** 2).sum(axis=2),
        "retrieval.weights": close / close.sum(axis=1, keepdims=True),
        "retrieval.mean": (near * weights[..., None]).sum(axis=1),
        "retrieval.blended": mean[None] * rate + features * (1 - rate),
    }


def _vectors(index: Path) -> Array:
    import faiss

    opened = faiss.read_index(str(index))
    return np.asarray(opened.reconstruct_n(0, opened.ntotal), np.float64)


def _first_frame(golden: Case, prefix: str) -> int:
    return time_axes.first_frame(stages.index_of(prefix), golden.get("segment.cuts"))
