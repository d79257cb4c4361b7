"""An exported folder in place of a voice and its networks, for a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc.config import Config
from rvc.exported import interface
from rvc.exported.networks import ExportedNetworks
from rvc.exported.runtime import Graph
from rvc.f0 import registry, tracking
from rvc.f0.network_files import F0Weights
from rvc.f0.tracking import Draw
from rvc.nn.synthesizer import heads
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.profiles import named
from rvc.realtime import model_loading
from rvc.realtime.block_context import BlockContext, F0Tracker, Models
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.formant import FormantShift
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.f0_cache import Coarse, Hertz
from rvc.retrieval.search import ExactHits


def open_models(
    networks: VoiceNetworks | ExportedNetworks, profile: str, controls: Controls, exact_hits: ExactHits = "finite"
) -> Models:
    """Load what a stream runs, from a voice file or an exported folder; see `rvc.realtime.load_models`."""
    if isinstance(networks, ExportedNetworks):
        return load_models(networks, profile, controls, exact_hits)
    return model_loading.load_models(networks, profile, controls, exact_hits)


def load_models(
    networks: ExportedNetworks, profile: str, controls: Controls, exact_hits: ExactHits = "finite"
) -> Models:
    """Open every graph that a stream with these settings runs, as `rvc.realtime.load_models` does for a voice file.

    Args:
        networks: the folder.
        profile: name of the original to reproduce.
        controls: the settings of the first block.
        exact_hits: the weight of an index vector at distance 0, "finite" or the original's "nan".
    Raises:
        RvcError: a file is missing, damaged, or does not fit the voice.
    """
    config = Config.of(profile, f0_method=controls.f0_method, index_rate=1.0, speaker=controls.speaker)
    networks.load(config)
    with (
        networks.borrow_hubert() as hubert,
        networks.borrow_index(config) as index,
        networks.borrow_synthesizer() as synthesizer,
    ):
        voice: Any = (
            networks.exported
        )  # in place of the class that runs PyTorch; its facts are those that a stream reads
        made = GraphSynthesizer(synthesizer.graph, int(networks.exported.fields["latent_channels"]), synthesizer.upp)
        content: Any = hubert
        return Models(voice, content, tracker(networks, profile), named(profile), index, exact_hits, made)


def tracker(networks: ExportedNetworks, profile: str) -> F0Tracker:
    """The F0 tracker of a profile; the graph of an F0 method is opened when the method is first used."""
    fill = named(profile).fill_unvoiced

    def track(at16k: Samples, block16: int, method: str, semitones: float, draw: Draw) -> tuple[Coarse, Hertz]:
        if not registry.named(method).is_neural:
            return tracking.track_block(
                at16k, block16, method, semitones, weights=F0Weights(), draw=draw, fill_unvoiced=fill
            )
        newest = at16k[-tracking.block_length(block16, method) :]
        raw = networks.graph_f0(method, newest, lambda frames: draw("noise.crepe", (frames,), "dither"))
        return tracking.finish_block(raw, semitones, fill)

    return track


@dataclass(frozen=True)
class GraphSynthesizer:
    """synthesizer.onnx with the arguments of a stream, a `BlockSynthesizer` (docs/exported-voice.md).

    Attributes:
        graph: the opened graph.
        channels: latent channels of the voice.
        upp: output samples in a frame of 10 ms.
    """

    graph: Graph
    channels: int
    upp: int

    def __call__(
        self,
        content: Tensor,
        pitch: tuple[Tensor, Tensor] | None,
        formant: FormantShift,
        skip_head: int,
        context: BlockContext,
    ) -> Tensor:
        """The waveform of the frames after the context: float32 (formant.synthesized · upp,)."""
        kept = content.shape[1] - heads(skip_head)[0]
        inputs = {
            "content": content.numpy(),
            "speaker": np.array([context.controls.speaker], np.int64),
            "noise_z": context.draw("noise.z", (1, self.channels, kept)),
            "skip_head": np.array(skip_head, np.int64),
            "return_length": np.array(formant.frames, np.int64),
            "resized_length": np.array(formant.synthesized, np.int64),
        }
        if pitch is not None:
            inputs |= {"coarse": pitch[0].numpy(), "hz": pitch[1].numpy()}
            inputs["noise_source"] = context.draw("noise.nsf", (1, formant.frames * self.upp, 1))
        values = self.graph.run({name: np.asarray(value, order="C") for name, value in inputs.items()})
        for name in interface.synthesizer_outputs(pitch is not None)[1:]:
            context.tap(name, values[name])
        return torch.from_numpy(values["waveform"][0])
