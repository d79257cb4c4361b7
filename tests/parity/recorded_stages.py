"""A conversion that can be replayed from any of its values on: replace one, and everything that depends on it is
computed again with rvc's own stage functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rvc.config import Config
from rvc.content import alignment, features
from rvc.f0 import postprocessing
from rvc.noise import Seeded
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.retrieval import search as retrieval

Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Step:
    """One stage: its name, what it makes, what it reads, and how."""

    name: str
    makes: tuple[str, ...]
    reads: tuple[str, ...]
    run: Callable[..., Any]


class Replay:
    """The stages of one segment over a recorded trace; names are without `seg0.`."""

    def __init__(self, parts: VoiceNetworks, config: Config, trace: Mapping[str, np.ndarray]) -> None:
        self.parts, self.config = parts, config
        self.values: Values = {name.removeprefix("seg0."): np.asarray(value) for name, value in trace.items()}
        self.frames = self.values["content.protected"].shape[1]
        self.values["hz"] = self.values["f0.hz"][:, : self.frames]
        self.values["coarse"] = self.values["f0.coarse"][:, : self.frames]
        with parts.borrow_synthesizer() as synthesizer, parts.borrow_hubert() as hubert:
            self.synthesizer, self.hubert = synthesizer, hubert
        with parts.borrow_index(config) as index:
            self.index = index
        self.steps = self._steps()

    def with_(self, name: str, value: np.ndarray) -> Values:
        """What every stage makes once `name` is `value`."""
        values, changed = {**self.values, name: value.astype(self.values[name].dtype)}, {name}
        for step in self.steps:
            if changed & set(step.reads):
                made = step.run(*(values[read] for read in step.reads))
                values.update(zip(step.makes, made, strict=True))
                changed |= set(step.makes)
        return values

    def _steps(self) -> list[Step]:
        net = self.synthesizer
        return [
            Step("f0", ("f0.raw",), ("padded",), self._track),
            Step("pitch", ("hz", "coarse"), ("f0.raw",), self._finish),
            Step(
                "hubert",
                ("hubert.features",),
                ("audio",),
                lambda audio: arrays(features.extract(torch.from_numpy(audio), self.hubert, self.parts.version)),
            ),
            Step(
                "search",
                ("retrieval.distances", "retrieval.ids"),
                ("hubert.features",),
                lambda heard: self.index.search(heard[0]),
            ),
            Step("weights", ("retrieval.weights",), ("retrieval.distances",), lambda d: (retrieval.weights(d),)),
            Step(
                "mean",
                ("retrieval.mean",),
                ("retrieval.weights", "retrieval.ids"),
                lambda weights, ids: (retrieval.mean(weights, ids, self.index),),
            ),
            Step(
                "blend",
                ("retrieval.blended",),
                ("hubert.features", "retrieval.mean"),
                lambda heard, mean: (retrieval.blend(heard, mean, self.config.index_rate),),
            ),
            Step("upsample", ("content.upsampled",), ("retrieval.blended",), lambda x: (alignment.upsample(x),)),
            Step("protect", ("content.protected",), ("content.upsampled", "hubert.features", "hz"), self._protect),
            Step(
                "encoder",
                ("enc_p.m", "enc_p.logs"),
                ("content.protected", "coarse"),
                lambda text, coarse: arrays(*net.encode(torch.from_numpy(text), torch.from_numpy(coarse))),
            ),
            Step("prior", ("z_p",), ("enc_p.m", "enc_p.logs", "noise.z"), lambda *x: arrays(net.prior(*tensors(*x)))),
            Step("flow", ("flow.z",), ("z_p", "spk.g"), lambda *x: arrays(net.flow(*tensors(*x)))),
            Step(
                "source",
                ("nsf.sine", "nsf.source"),
                ("hz", "noise.nsf"),
                lambda *x: arrays(*net.source(*tensors(*x), self.config.profile.generation)),
            ),
            Step(
                "generator",
                ("waveform.segment.full",),
                ("flow.z", "spk.g", "nsf.source"),
                lambda *x: arrays(net.generate(*tensors(*x))),
            ),
        ]

    def _track(self, padded: np.ndarray) -> tuple[np.ndarray]:
        return (self.parts.track(padded, self.config, Seeded(0)),)

    def _finish(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, hz, coarse = postprocessing.finish(raw, self.values["f0.hz"].shape[1], self.config)
        return hz[:, : self.frames], coarse[:, : self.frames]

    def _protect(self, doubled: np.ndarray, heard: np.ndarray, hz: np.ndarray) -> tuple[np.ndarray]:
        return (alignment.protect(doubled, alignment.upsample(heard), hz, self.config.protect),)


def tensors(*values: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(value)) for value in values]


def arrays(*values: torch.Tensor) -> tuple[np.ndarray, ...]:
    return tuple(value.numpy() for value in values)


def moved(found: np.ndarray, before: np.ndarray) -> float:
    """Relative RMS of a change, each with its mean removed as waveforms are judged."""
    a, b = found.astype(np.float64), before.astype(np.float64)
    if a.ndim == 1:
        a, b = a - a.mean(), b - b.mean()
    return float(np.sqrt(((a - b) ** 2).mean() / (b**2).mean()))
