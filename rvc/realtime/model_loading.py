"""Load the files that a stream needs, once, and keep them in memory."""

from __future__ import annotations

from typing import Any

from rvc.config import Config
from rvc.f0 import registry
from rvc.f0.network_files import F0Weights
from rvc.f0.tracking import Draw, track_block
from rvc.nn.gpu.graph_replay import Recorder, Replayed, cuda_graph
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.profiles import Profile, named
from rvc.realtime.block_context import F0Tracker, Models
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.f0_cache import Coarse, Hertz
from rvc.retrieval.search import ExactHits


def load_models(networks: VoiceNetworks, profile: str, controls: Controls, exact_hits: ExactHits = "finite") -> Models:
    """Load every network that a stream with these settings runs.

    The index is loaded wherever `networks` names one, even for an index rate of 0, since the rate may be raised later.

    Args:
        networks: the voice and its files, created with `keep=True`.
        profile: name of the original to reproduce.
        controls: the settings of the first block.
        exact_hits: the weight of an index vector at distance 0, "finite" or the original's "nan".
    Raises:
        RvcError: a file is missing, damaged, or does not fit the voice.
    """
    config = Config.of(profile, f0_method=controls.f0_method, index_rate=1.0, speaker=controls.speaker)
    networks.check(config)
    weights = networks.f0_weights()
    if networks.f0 and registry.named(controls.f0_method).is_neural:
        weights.network(controls.f0_method)
    _ = networks.voice.synthesizer  # built here rather than in the first block
    with networks.borrow_hubert(low_latency=True) as hubert, networks.borrow_index(config) as index:
        recorder = cuda_graph if networks.device.startswith("cuda") else None
        track = tracker(weights, named(profile), recorder)
        return Models(networks.voice, hubert, track, named(profile), index, exact_hits)


def tracker(weights: F0Weights, profile: Profile, recorder: Recorder | None = None) -> F0Tracker:
    """The F0 tracker of a profile; the network of an F0 method is loaded when the method is first used.

    Args:
        weights: the networks of F0 methods.
        profile: the original to reproduce.
        recorder: records the kernels of networks that can be recorded; None records nothing.
    """
    loaded = weights if recorder is None else RecordedF0Weights(weights, recorder)

    def track(at16k: Samples, block16: int, method: str, semitones: float, draw: Draw) -> tuple[Coarse, Hertz]:
        return track_block(
            at16k, block16, method, semitones, weights=loaded, draw=draw, fill_unvoiced=profile.fill_unvoiced
        )

    return track


class RecordedF0Weights:
    """The networks of F0 methods, those that can be recorded in the form that replays their kernels."""

    def __init__(self, weights: F0Weights, recorder: Recorder) -> None:
        self.weights, self.replayed = weights, Replayed(recorder)
        self._made: dict[str, Any] = {}

    def network(self, method: str) -> Any:
        """The network of a method, or None for one without; raises the errors of `F0Weights.network`."""
        if method not in self._made:
            network, entry = self.weights.network(method), registry.named(method).network
            if entry is not None and entry.record is not None:
                network = registry.resolve(entry.record)(network, self.replayed)
            self._made[method] = network
        return self._made[method]
