"""One voice's networks: content features, F0 and noise to a waveform, stage by stage, docs/spec/05.

All noise is an argument, and every function is pure, so several threads can use one synthesizer. Tensors are float32
unless a docstring states another type; shapes are those of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.errors import BadInput
from rvc.nn.encoder import Encoder
from rvc.nn.flow import REACH, Flow
from rvc.nn.generator import Generator
from rvc.nn.kernels.conv import PRECISIONS, Weights
from rvc.nn.source import GENERATIONS, Source
from rvc.nn.synthesizer_config import PITCH_BINS, read_config
from rvc.weights.policy import RESIDENT, WeightPolicy

TEMPERATURE = 0.66666  # the reference's constant of five sixes, not two thirds (docs/spec/05 §5.3)


class Synthesizer:
    """The text encoder, prior, flow, source and generator of one voice."""

    def __init__(
        self,
        config: Sequence[Any],
        version: str,
        f0: bool | int,
        tensors: Mapping[str, Tensor],
        device: str | torch.device = "cpu",
        precision: str = "float32",
        policy: WeightPolicy = RESIDENT,
    ) -> None:
        """Build the networks.

        Args:
            config: the list of 18 sizes of docs/spec/01 §1.2.
            version: "v1" or "v2".
            f0: whether the voice is pitch-guided.
            tensors: name → tensor of any float type, as in a voice file.
            device: where the networks run.
            precision: "float32", "bfloat16", "float16" or "int8", see `to_precision`.
            policy: a streamed synthesizer builds encoder and flow for each run, and the generator when it is first run;
                it reads `tensors` then.
        Raises:
            BadCheckpoint: the config or a tensor does not fit.
            BadInput: the precision is unknown.
        """
        self.sizes = read_config(config, version, bool(f0))
        self.device = torch.device(device)
        self.policy = policy
        plain = Weights(tensors, self.device)
        self._weights = plain.to(precise(precision))
        with torch.inference_mode():
            self.embedding = plain["emb_g.weight"]
            self._source = Source(self.sizes, plain) if self.sizes.f0 else None
            self.encoder = policy.hold(lambda: Encoder(self.sizes, self._around), trim=True)
            self._flow = policy.hold(lambda: Flow(self.sizes, self._around), trim=True)
            if not policy.is_streamed:
                self.generator  # noqa: B018 - built now
                del self._weights  # the file's

    @cached_property
    def generator(self) -> Generator:
        """The generator, built when it is first used."""
        self.policy.trim()  # the memory of the stages before
        generator = Generator(self.sizes, self._weights, self.policy)
        self.policy.trim()
        return generator

    @property
    def _around(self) -> Weights:
        """The weights of encoder and flow, which do not compute in int8."""
        return self._weights.to(self._weights.signal_dtype)

    @property
    def upp(self) -> int:
        """Output samples per frame of 10 ms."""
        return self.sizes.upp

    def speaker(self, sid: int = 0) -> Tensor:
        """The speaker's embedding g, (1, gin, 1); raises BadInput for a speaker that the voice does not have."""
        count = self.embedding.shape[0]
        if not 0 <= sid < count:
            known = "speaker 0 only" if count == 1 else f"speakers 0 to {count - 1}"
            raise BadInput(f"speaker {sid} was requested, but this voice has {known}; choose one of those")
        return self.embedding[sid].view(1, -1, 1)

    @torch.inference_mode()
    def encode(self, content: Tensor, coarse: Tensor | None, keep_from: int = 0) -> tuple[Tensor, Tensor]:
        """The prior's mean and log-scale for the frames from `keep_from` on; they depend on all frames.

        Args:
            content: (1, p, C), content features of 256 (v1) or 768 (v2) channels.
            coarse: int64 (1, p), coarse pitch in 0 … 255; None for a voice without F0.
            keep_from: the first frame of the result.
        Returns:
            m and logs, (1, inter, p − keep_from) each.
        Raises:
            BadInput: an argument has another shape or range.
        """
        frames = content.shape[1]
        if content.shape[2] != self.sizes.content:
            raise BadInput(
                f"content features have {content.shape[2]} channels, but this {self.sizes.version} voice reads "
                f"{self.sizes.content}; were they extracted for another version?"
            )
        if self.sizes.f0:
            if coarse is None:
                raise BadInput("this voice is pitch-guided, but there is no coarse pitch; track F0 first")
            if coarse.shape != (1, frames):
                raise BadInput(f"coarse pitch has shape {tuple(coarse.shape)}, expected (1, {frames}) like the content")
            if int(coarse.min()) < 0 or int(coarse.max()) >= PITCH_BINS:
                raise BadInput(f"coarse pitch runs from {int(coarse.min())} to {int(coarse.max())}, expected 0 to 255")
            coarse = coarse.to(self.device)
        if not 0 <= keep_from < frames:
            raise BadInput(f"frames from {keep_from} on were requested, but there are {frames}")
        stats: tuple[Tensor, Tensor] = self.encoder(content.to(self.device), coarse, keep_from)
        return stats

    @torch.inference_mode()
    def prior(self, m: Tensor, logs: Tensor, noise: Tensor) -> Tensor:
        """A sample of the prior, (1, inter, p): m + exp(logs)·noise·0.66666 in that order."""
        m, logs, noise = (x.to(self.device) for x in (m, logs, noise))
        return logs.exp().mul_(noise).mul_(TEMPERATURE).add_(m)

    @torch.inference_mode()
    def flow(self, z_p: Tensor, g: Tensor) -> Tensor:
        """The inverse flow: z_p (1, inter, p) and g (1, gin, 1) → z (1, inter, p)."""
        z: Tensor = self._flow(z_p.to(self.device), g.to(self.device))
        return z

    @torch.inference_mode()
    def source(self, f0: Tensor, noise: Tensor, generation: str = "A") -> tuple[Tensor, Tensor]:
        """The NSF source of a segment, whose phase starts at 0.

        Args:
            f0: (1, p) in Hz, 0 where unvoiced.
            noise: (1, p·upp, 1), standard normal.
            generation: "A" (2023 and 2026) or "B" (classic).
        Returns:
            The sine with noise, (1, p·upp, 1), and the source, (1, 1, p·upp).
        Raises:
            BadInput: the voice has no F0, the generation is unknown, or the noise has another shape.
        """
        if self._source is None:
            raise BadInput("this voice is not pitch-guided, so it has no source")
        if generation not in GENERATIONS:
            raise BadInput(f"sine generation {generation!r} is unknown; known are {' and '.join(GENERATIONS)}")
        if noise.shape != (1, f0.shape[1] * self.upp, 1):
            raise BadInput(
                f"source noise has shape {tuple(noise.shape)}, expected (1, {f0.shape[1] * self.upp}, 1) for "
                f"{f0.shape[1]} frames"
            )
        return self._source(f0.to(self.device), noise.to(self.device), generation)

    @torch.inference_mode()
    def generate(self, z: Tensor, g: Tensor, source: Tensor | None, first: int = 0, last: int | None = None) -> Tensor:
        """Synthesize the samples of frames first … last − 1; only the pieces needed are computed.

        Args:
            z: (1, inter, p), the latent.
            g: (1, gin, 1), the speaker's embedding.
            source: (1, 1, p·upp), the NSF source; None for a voice without F0.
            first, last: all frames by default.
        Returns:
            ((last − first)·upp,), in −1 … 1.
        Raises:
            BadInput: there are no such frames, or the source is missing or of another shape.
        """
        frames = z.shape[2]
        last = frames if last is None else last
        if not 0 <= first <= last <= frames:
            raise BadInput(f"frames {first} to {last} were requested, but the segment has {frames}")
        if not self.sizes.f0:
            source = None
        elif source is None:
            raise BadInput("this voice is pitch-guided, but there is no source; make one with source()")
        elif source.shape != (1, 1, frames * self.upp):
            raise BadInput(
                f"the source has shape {tuple(source.shape)}, expected (1, 1, {frames * self.upp}) for {frames} frames"
            )
        source = None if source is None else source.to(self.device)
        return self.generator(z.to(self.device), g.to(self.device), source, first, last)

    def to_precision(self, precision: str) -> Synthesizer:
        """Compute in float32, bfloat16, float16 or int8 from now on; changes this synthesizer and returns it.

        With int8, encoder and flow stay in float32.

        Raises:
            BadInput: the precision is unknown, or this machine has no int8.
        """
        dtype = precise(precision)
        if self.policy.is_streamed:  # no network is held but the generator, if it is built
            self._weights = self._weights.to(dtype)
            self.__dict__.pop("generator", None)
            return self
        with torch.inference_mode():
            for network in (self.generator, self.encoder, self._flow):
                if network is self.generator or dtype != torch.int8:
                    network.to_precision(dtype)
        return self


def precise(precision: str) -> torch.dtype:
    """The type of a precision; raises BadInput for an unknown one."""
    if precision not in PRECISIONS:
        raise BadInput(f"precision {precision!r} is unknown; known are {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]


def heads(skip_head: int) -> tuple[int, int]:
    """Realtime: (flow_head, dec_head), the frames cut before the flow, and those that are its left context only."""
    flow_head = max(skip_head - REACH, 0)
    return flow_head, skip_head - flow_head


def resize_frames(z: Tensor, frames: int) -> Tensor:
    """Realtime with a formant shift: z (1, C, T) to (1, C, frames), linear in time; z itself if T is `frames`."""
    if z.shape[2] == frames:
        return z
    return F.interpolate(z, size=frames, mode="linear", align_corners=False)


def resize_source(source: Tensor, samples: int) -> Tensor:
    """Realtime with a formant shift: the source (1, 1, S) to (1, 1, samples), linear in time."""
    return resize_frames(source, samples)
