"""A small case that needs no network: every tensor of the table for half a second, and a candidate that replays it."""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.candidates.candidate import Tensors
from parity.goldens import random_stream, store
from parity.goldens.store import Case
from parity.judge import limits, verdict
from parity.judge.diagnosis.registry import Guess
from parity.judge.judgment import Judgment
from parity.judge.states import NotTried

RATE, UPP, SAMPLES, PAD = 40000, 400, 8000, 4000
FRAMES20 = (SAMPLES + 2 * PAD - 80) // 320
FRAMES = 2 * FRAMES20
META: dict[str, Any] = {
    "name": "small",
    "why": "a case small enough for a test of the judge",
    "profile": "rvc-python",
    "input": {"file": "small.wav", "sha256": "0" * 64},
    "voice": {"kind": "v2-40k-f0", "rate": RATE, "version": "v2", "f0": True, "index": "v2"},
    "options": {
        "f0_method": "pm",
        "index_rate": 0.75,
        "protect": 0.33,
        "rms_mix_rate": 0.25,
        "window": [0.25, 6, 38, 41],
    },
    "seed": "small",
    "original": {"name": "rvc-python", "version": "0.1.5"},
    "environment": {},
}


def draw(name: str, *shape: int) -> Any:
    return random_stream.normal(f"small/{name}", shape)


def tensors() -> Tensors:
    """What an original might have computed, a fresh copy; the relations that recipes rely on hold."""
    return {name: value.copy() for name, value in _tensors().items()}


@functools.cache
def _tensors() -> Tensors:
    raw = (np.round(draw("raw", SAMPLES) * 2000).astype(np.float32) / 32768).astype(np.float32)
    high = raw.astype(np.float64) * 0.97
    padded = np.pad(high, PAD, mode="reflect")
    pitch = 200 + 20 * draw("pitch", 100).astype(np.float64)
    pitch[10:30] = 0
    hz = pitch.astype(np.float32)[None]
    coarse = np.clip(np.rint(hz / 5), 1, 255).astype(np.int64)
    features, mean = draw("features", 1, FRAMES20, 16), draw("mean", FRAMES20, 16)
    blended = mean[None] * np.float32(0.75) + np.float32(0.25) * features
    doubled = np.repeat(blended, 2, axis=1)
    weight = np.where(hz[:, :FRAMES] < 1, np.float32(0.33), np.float32(1))[..., None]
    full = 0.1 * draw("wave", FRAMES * UPP)
    segment = full[UPP * 25 : -UPP * 25]
    latent = (1, 12, FRAMES)
    distances = np.sort(np.abs(draw("distances", FRAMES20, 8)) * 100 + 50, axis=1)
    here = {
        "audio": padded.astype(np.float32)[None],
        "hubert.features": features,
        "retrieval.distances": distances,
        "retrieval.ids": np.argsort(draw("ids", FRAMES20, 8), axis=1).astype(np.int64),
        "retrieval.weights": np.full((FRAMES20, 8), 0.125, np.float32),
        "retrieval.mean": mean,
        "retrieval.blended": blended,
        "content.upsampled": doubled,
        "content.protected": doubled * weight + np.repeat(features, 2, axis=1) * (1 - weight),
        "spk.g": draw("g", 1, 16, 1),
        "enc_p.m": draw("m", *latent),
        "enc_p.logs": draw("logs", *latent),
        "noise.z": draw("seg0.noise.z", *latent),
        "z_p": draw("z_p", *latent),
        "flow.z": draw("z", *latent),
        "noise.nsf": draw("seg0.noise.nsf", 1, FRAMES * UPP, 1),
        "nsf.sine": 0.1 * draw("sine", 1, FRAMES * UPP, 1),
        "nsf.source": 0.1 * draw("source", 1, 1, FRAMES * UPP),
        "waveform.segment.full": full,
        "waveform.segment": segment,
    }
    mixed = segment * np.float32(0.9)
    return {
        "audio16k.raw": raw,
        "audio16k": raw,
        "highpassed": high,
        "padded": padded,
        "f0.raw": pitch,
        "f0.hz": hz,
        "f0.coarse": coarse,
        "waveform.concat": segment,
        "waveform.rmsmixed": mixed,
        "waveform.final": (mixed * 32768).astype(np.int16),
        **{f"seg0.{name}": value for name, value in here.items()},
    }


def golden(folder: Path, **changes: Any) -> Case:
    """The small case, written below `folder`."""
    return store.save_case(folder / "small", tensors(), META | changes)


class Player:
    """A candidate that returns stored tensors and lacks the named stages."""

    def __init__(
        self,
        isolated: Mapping[str, Any],
        chained: Mapping[str, Any] | None = None,
        lacks: tuple[str, ...] = (),
        chains: bool = True,
    ) -> None:
        self.isolated, self.chained = dict(isolated), dict(isolated if chained is None else chained)
        self.lacks, self.chains = lacks, chains

    @property
    def about(self) -> dict[str, object]:
        return {"name": "player", "version": "1"}

    def takes(self, case: Case) -> bool:
        return True

    def offers(self, stage: stages.Stage) -> bool:
        return stage.name not in self.lacks

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        names = [prefix + row.name for row in stage.makes]
        return {name: self.isolated[name] for name in names if name in self.isolated}

    def run(self, case: Case) -> Tensors:
        return dict(self.chained)

    def run_final(self, case: Case) -> Tensors:
        return self.run(case)

    def restart(self) -> bool:
        return False


def judge(
    case: Case, isolated: Mapping[str, Any], chained: Mapping[str, Any] | None = None, **more: Any
) -> verdict.CaseVerdict:
    """The verdict on a candidate that returns these tensors."""
    return verdict.judge(Judgment(case, limits.Limits(), candidate=Player(isolated, chained, **more)))


def changed(name: str, value: Any) -> Tensors:
    """The right tensors with one of them replaced; None leaves it out."""
    values = tensors()
    if value is None:
        del values[name]
    else:
        values[name] = value
    return values


def spread(values: dict[str, float], metric: str = "relative_rms") -> dict[str, Any]:
    """A spread.json whose only entry is `flow.z`: variant → its distance from the golden."""
    return {
        "format": "rvc-spread/1",
        "variants": [{"name": name, "environment": {}} for name in values],
        "entries": [
            {
                "tensor": "flow.z",
                "mode": "isolated",
                "metric": metric,
                "network_f0": None,
                "by_variant": values,
                "cases": 3,
            }
        ],
    }


class RightStages:
    """Counterfactuals of which only right stages are available."""

    refused = True
    not_tried: tuple[NotTried, ...] = ()

    def __init__(self, run_stage: Callable[[Case, stages.Stage, str, Tensors], Tensors | None]) -> None:
        self.run_stage = run_stage

    def guesses(self, *_: Any) -> Iterator[Guess]:
        return iter(())

    def salience(self, *_: Any) -> None:
        return None

    def convert(self, case: Case) -> Tensors:
        raise NotImplementedError
