"""The files a stream needs, loaded once and kept."""

from __future__ import annotations

from rvc.config import Config
from rvc.f0 import F0Weights
from rvc.f0.block_tracking import Draw, track_tail
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.profiles import Profile, named
from rvc.realtime.block_context import Models, Track
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.f0_cache import Coarse, Hertz
from rvc.retrieval.search import ExactHits

NETWORKS = ("rmvpe", "crepe", "crepe-tiny", "fcpe")


def load(parts: VoiceNetworks, profile: str, controls: Controls, exact_hits: ExactHits = "finite") -> Models:
    """Everything for these sliders; the index too where one is named, since its rate may be raised at any time.

    parts  : with `keep`
    raises : RvcError for a file that is missing, damaged, or does not fit
    """
    config = Config.of(profile, f0_method=controls.f0_method, index_rate=1.0, speaker=controls.speaker)
    parts.check(config)
    weights = parts.f0_weights()
    if parts.f0 and controls.f0_method in NETWORKS:
        weights.network(controls.f0_method)
    _ = parts.voice.synthesizer  # built now, not in the first block
    with parts.borrow_hubert(hurried=True) as hubert, parts.borrow_index(config) as index:
        return Models(parts.voice, hubert, tracker(weights, named(profile)), named(profile), index, exact_hits)


def tracker(weights: F0Weights, profile: Profile) -> Track:
    """The pitch tracker of a profile; a method's network is loaded when the method is first asked for."""

    def track(at16k: Samples, block16: int, method: str, semitones: float, draw: Draw) -> tuple[Coarse, Hertz]:
        return track_tail(
            at16k, block16, method, semitones, weights=weights, draw=draw, fill_unvoiced=profile.fill_unvoiced
        )

    return track
