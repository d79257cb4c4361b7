"""The pipeline's own trimming and joining, with waveforms that are given instead of synthesized.

`rvc` trims and joins inside its synthesis of segments. A synthesizer that returns given waveforms takes the networks'
place there, so that the code that is judged is the code that a conversion executes.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.goldens.trace_file import Trace
from parity.rvc_bridge.case_voice import CaseVoice
from rvc.audio.segments import Span
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.timing import Stopwatch


def join(voice: CaseVoice, waveforms: Sequence[Array], spans: Sequence[Span]) -> tuple[Trace, Array]:
    """Trim and join the waveforms of segments.

    Args:
        voice: the case.
        waveforms: float32 (samples,) for each segment, untrimmed.
        spans: where each segment lies in the padded input.
    Returns:
        what the pipeline recorded, and the joined waveform, float32 (samples,).
    """
    trace = Trace()
    networks: Any = _ReplayedNetworks(_ReplayedSynthesizer(waveforms, voice.networks.rate // 100))
    content: list[offline.Content] = [
        offline.SegmentContent(np.zeros((1, span.content_frames // 2, 1), np.float32), None) for span in spans
    ]
    joined = offline.synthesize(content, list(spans), None, networks, voice.config, Seeded(0), trace, Stopwatch())
    return trace, joined


def concatenate(voice: CaseVoice, waveforms: Sequence[Array], spans: Sequence[Span]) -> Array:
    """Join the trimmed waveforms of segments, float32 (samples,) each; nothing is trimmed, that is another stage."""
    networks: Any = _ReplayedNetworks(_ReplayedSynthesizer(waveforms, voice.networks.rate // 100), _TrimmedSegment)
    content: list[offline.Content] = [offline.RELEASED for _ in spans]
    return offline.synthesize(
        content, list(spans), None, networks, voice.config, Seeded(0), offline.no_tap, Stopwatch()
    )


class _TrimmedSegment:
    """The stages of a segment whose trimmed waveform is given."""

    def __init__(self, name: str, synthesizer: "_ReplayedSynthesizer", *_: object) -> None:
        self._synthesizer = synthesizer

    def latent(self, *_: object) -> None:
        """None."""

    def wave(self, *_: object) -> Array:
        """The next waveform."""
        return self._synthesizer.waveforms.pop(0)


class _ReplayedSynthesizer:
    """A synthesizer that returns the given waveforms one after another; all its other results are one zero."""

    def __init__(self, waveforms: Sequence[Array], upp: int) -> None:
        """`upp` is the number of samples in a frame of 10 ms."""
        self.waveforms, self.upp = list(waveforms), upp

    def __getattr__(self, name: str) -> Callable[..., torch.Tensor]:
        return lambda *args: torch.zeros(1, 1, 1)

    def encode(self, *args: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)

    def source(self, *args: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)

    def generate(self, z: object, g: object, source: object, first: int = 0, last: int | None = None) -> torch.Tensor:
        waveform = torch.from_numpy(self.waveforms.pop(0).copy())
        return waveform if last is None else waveform[first * self.upp : last * self.upp]


class _ReplayedNetworks:
    """Networks of a voice of which only the synthesizer is used."""

    def __init__(self, synthesizer: _ReplayedSynthesizer, segment_class: type[Any] | None = None) -> None:
        """`segment_class` takes the place of the pipeline's class of a segment; None: no other."""
        self.synthesizer, self.segment_class = synthesizer, segment_class

    def borrow_synthesizer(self) -> contextlib.nullcontext[_ReplayedSynthesizer]:
        return contextlib.nullcontext(self.synthesizer)
