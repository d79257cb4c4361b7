"""The small stages in float64 on a recording's own inputs: the truth that the original's float32 rounds.

The networks' truth is `isolated.run` with float64. Here stand the few lines of arithmetic between them, whose exact
result needs no original: how far a golden is from it is the original's own rounding (docs/spec/04, 05 §5.3, 06).
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity import stages
from parity.goldens.store import Case

Array = NDArray[Any]


def small_stages(golden: Case, index: Path | None) -> dict[str, Array]:
    """Every small float stage of an offline golden, rounded once to the dtype of the golden's tensor."""
    exact = _file(golden)
    vectors = _vectors(index) if index is not None else None
    for prefix in stages.prefixes_of(golden):
        exact |= {prefix + name: value for name, value in _segment(golden, prefix, vectors).items()}
    return {name: value.astype(golden[name].dtype) for name, value in exact.items() if name in golden}


def _file(golden: Case) -> dict[str, Array]:
    raw = golden["audio16k.raw"].astype(np.float64)
    found = {"audio16k": raw / max(float(np.abs(raw).max()) / 0.95, 1.0)}
    track = next((golden[name] for name in ("f0.filled", "f0.raw") if name in golden), None)
    if track is not None and "f0_file" not in golden.options:
        shift = 2.0 ** (int(golden.options.get("transpose", 0)) / 12)
        found["f0.hz"] = track.astype(np.float64)[None, : golden["f0.hz"].shape[1]] * shift
    pieces = [golden[prefix + "waveform.segment"] for prefix in stages.prefixes_of(golden)]
    return found | {"waveform.concat": np.concatenate(pieces)}


def _segment(golden: Case, prefix: str, vectors: Array | None) -> dict[str, Array]:
    def given(name: str) -> Array:
        return golden[prefix + name].astype(np.float64)

    heard = given("hubert.features")
    found = {"z_p": given("enc_p.m") + np.exp(given("enc_p.logs")) * given("noise.z") * 0.66666}
    said = heard
    if vectors is not None and prefix + "retrieval.ids" in golden:
        found |= _retrieval(golden, prefix, vectors, heard)
        said = given("retrieval.blended")
    frames = golden[prefix + "content.protected"].shape[1]
    found["content.upsampled"] = np.repeat(said, 2, 1)[:, : golden[prefix + "content.upsampled"].shape[1]]
    if "f0.hz" in golden and float(golden.options.get("protect", 0.33)) < 0.5:
        start = _first_frame(golden, prefix)
        hz = golden["f0.hz"][:, start : start + frames]
        share = np.where(hz < 1, float(golden.options.get("protect", 0.33)), 1.0)[..., None]
        doubled = given("content.upsampled")[:, :frames]
        found["content.protected"] = doubled * share + np.repeat(heard, 2, 1)[:, :frames] * (1 - share)
    if prefix + "nsf.sine" in golden:
        found |= _source(golden, prefix, frames)
    return found


def _source(golden: Case, prefix: str, frames: int) -> dict[str, Array]:
    """The sine whose phase is the exact running sum of F0 over the rate, and what its linear layer makes of the gap."""
    start = _first_frame(golden, prefix)
    hz = golden["f0.hz"][0, start : start + frames].astype(np.float64)
    upp = int(golden.voice["rate"]) // 100
    on = np.repeat(hz > 0, upp)
    phase = np.cumsum(np.repeat(hz, upp) / int(golden.voice["rate"]))
    loudness = np.where(on, 0.003, 0.1 / 3) * golden[prefix + "noise.nsf"].ravel()
    wave = np.where(on, 0.1 * np.sin(2 * np.pi * np.mod(phase, 1)), 0) + loudness
    heard, bent = (golden[prefix + name].astype(np.float64).ravel() for name in ("nsf.sine", "nsf.source"))
    inside = np.abs(bent) < 0.9
    slope = np.polyfit(heard[inside], np.arctanh(bent[inside]), 1)[0]
    source = bent + slope * (1 - bent**2) * (wave - heard)
    return {"nsf.sine": wave.reshape(1, -1, 1), "nsf.source": source.reshape(1, 1, -1)}


def _retrieval(golden: Case, prefix: str, vectors: Array, heard: Array) -> dict[str, Array]:
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
        "retrieval.distances": ((near - heard[0][:, None]) ** 2).sum(axis=2),
        "retrieval.weights": close / close.sum(axis=1, keepdims=True),
        "retrieval.mean": (near * weights[..., None]).sum(axis=1),
        "retrieval.blended": mean[None] * rate + heard * (1 - rate),
    }


def _vectors(index: Path) -> Array:
    import faiss

    opened = faiss.read_index(str(index))
    return np.asarray(opened.reconstruct_n(0, opened.ntotal), np.float64)


def _first_frame(golden: Case, prefix: str) -> int:
    number = int(prefix.removeprefix("seg").rstrip("."))
    return int(golden["segment.cuts"][number - 1]) // stages.FRAME if number else 0
