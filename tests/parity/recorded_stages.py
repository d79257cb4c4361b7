"""A recorded conversion of which one value can be replaced: all stages that depend on it are computed again, by the
stage functions of rvc."""

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
    """One stage: its name, the values that it makes and reads, and its function."""

    name: str
    makes: tuple[str, ...]
    reads: tuple[str, ...]
    run: Callable[..., Any]


class Replay:
    """The stages of one segment, on the values of a recorded trace; names are without the prefix `seg0.`."""

    def __init__(self, networks: VoiceNetworks, config: Config, trace: Mapping[str, np.ndarray]) -> None:
        self.networks, self.config = networks, config
        self.values: Values = {name.removeprefix("seg0."): np.asarray(value) for name, value in trace.items()}
        self.frames = self.values["content.protected"].shape[1]
        self.values["hz"] = self.values["f0.hz"][:, : self.frames]
        self.values["coarse"] = self.values["f0.coarse"][:, : self.frames]
        with networks.borrow_synthesizer() as synthesizer, networks.borrow_hubert() as hubert:
            self.synthesizer, self.hubert = synthesizer, hubert
        with networks.borrow_index(config) as index:
            self.index = index
        self.steps = self._steps()

    def with_(self, name: str, value: np.ndarray) -> Values:
        """All values after `name` has been replaced by `value`."""
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
                lambda audio: arrays(features.extract(torch.from_numpy(audio), self.hubert, self.networks.version)),
            ),
            Step(
                "search",
                ("retrieval.distances", "retrieval.ids"),
                ("hubert.features",),
                lambda content: self.index.search(content[0]),
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
                lambda content, mean: (retrieval.blend(content, mean, self.config.index_rate),),
            ),
            Step("upsample", ("content.upsampled",), ("retrieval.blended",), lambda x: (alignment.upsample(x),)),
            Step("protect", ("content.protected",), ("content.upsampled", "hubert.features", "hz"), self._protect),
            Step(
                "encoder",
                ("enc_p.m", "enc_p.logs"),
                ("content.protected", "coarse"),
                lambda phone, coarse: arrays(*net.encode(torch.from_numpy(phone), torch.from_numpy(coarse))),
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
        return (self.networks.track(padded, self.config, Seeded(0)),)

    def _finish(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, hz, coarse = postprocessing.finish(raw, self.values["f0.hz"].shape[1], self.config)
        return hz[:, : self.frames], coarse[:, : self.frames]

    def _protect(self, doubled: np.ndarray, content: np.ndarray, hz: np.ndarray) -> tuple[np.ndarray]:
        return (alignment.protect(doubled, alignment.upsample(content), hz, self.config.protect),)


def tensors(*values: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(value)) for value in values]


def arrays(*values: torch.Tensor) -> tuple[np.ndarray, ...]:
    return tuple(value.numpy() for value in values)


def relative_change(after: np.ndarray, before: np.ndarray) -> float:
    """The relative RMS of a change; the means of waveforms are removed, as the judge does."""
    a, b = after.astype(np.float64), before.astype(np.float64)
    if a.ndim == 1:
        a, b = a - a.mean(), b - b.mean()
    return float(np.sqrt(((a - b) ** 2).mean() / (b**2).mean()))
