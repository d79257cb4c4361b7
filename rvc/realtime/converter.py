"""The window of 16 kHz sound to its newest part in another voice: the order of the stages for one block."""

from __future__ import annotations

import torch

from rvc.content import features
from rvc.nn.synthesizer import heads, resize_frames, resize_source
from rvc.realtime.block_context import Turn
from rvc.realtime.block_sizes import Sizes
from rvc.realtime.dsp.formant import Formant
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.f0_cache import PitchCache
from rvc.retrieval import search as retrieval
from rvc.retrieval.search import Index

Pitch = tuple[torch.Tensor, torch.Tensor]  # coarse int64 (1, p) and Hz float32 (1, p)


class Converter:
    """Content, pitch and voice of one block; the pitch caches are its only memory."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.cache = PitchCache()

    def reset(self) -> None:
        """Forget the pitch, as in a new object."""
        self.cache.reset()

    @torch.inference_mode()
    def convert(self, at16k: Samples, turn: Turn) -> torch.Tensor:
        """Convert one block.

        at16k   : float32 (window16,), left untouched
        returns : `waveform.model`, float32 (return_length · rate // 100,) at the voice's rate
        """
        formant = Formant.of(turn.controls.formant, self.sizes.return_length, turn.models.voice.rate)
        frames = len(at16k) // 160
        heard = features.extract(torch.from_numpy(at16k)[None], turn.models.hubert, turn.models.voice.version).cpu()
        turn.tap("hubert.features", heard)
        content = self.content(heard, turn)[:, :frames]
        turn.tap("content", content)
        pitch = self.pitch(at16k, frames, formant, turn) if turn.models.voice.f0 else None
        raw = self.speak(content, pitch, formant, turn)
        turn.tap("waveform.raw", raw[None])
        model = formant.play(raw)
        turn.tap("waveform.model", model)
        return model

    def content(self, heard: torch.Tensor, turn: Turn) -> torch.Tensor:
        """Features (1, n, C) with the last one twice, the newer part retrieved, and each frame doubled: (1, ≥p, C)."""
        heard = torch.cat([heard, heard[:, -1:]], dim=1)
        if turn.models.index is not None and turn.controls.index_rate != 0:
            newer = heard[0, self.sizes.skip_head // 2 :]
            newer.copy_(torch.from_numpy(retrieve(newer.numpy(), turn.models.index, turn)))
        return heard.repeat_interleave(2, dim=1)

    def pitch(self, at16k: Samples, frames: int, formant: Formant, turn: Turn) -> Pitch:
        """The newest part tracked, the rest remembered, `frames` of it for the synthesizer."""
        controls, block = turn.controls, self.sizes.block16
        semitones = controls.transpose - controls.formant
        fresh = turn.models.track(at16k, block, controls.f0_method, semitones, turn.draw)
        self.cache.push(*fresh, block // 160)
        coarse = torch.from_numpy(self.cache.coarse[None, -frames:])
        hz = torch.from_numpy(formant.scale(self.cache.hz[None, -frames:]))
        turn.tap("f0.coarse", coarse)
        turn.tap("f0.hz", hz)
        return coarse, hz

    def speak(self, content: torch.Tensor, pitch: Pitch | None, formant: Formant, turn: Turn) -> torch.Tensor:
        """Content and pitch of the whole window to the samples of its heard part, float32 (made · upp,)."""
        flow_head, dec_head = heads(self.sizes.skip_head)
        net, tap = turn.models.voice.synthesizer, turn.tap
        g = net.speaker(turn.controls.speaker)
        tap("spk.g", g)
        m, logs = net.encode(content, pitch[0] if pitch else None, flow_head)
        tap("enc_p.m", m)
        tap("enc_p.logs", logs)
        z_p = net.prior(m, logs, torch.from_numpy(turn.draw("noise.z", tuple(m.shape))))
        tap("z_p", z_p)
        z = net.flow(z_p, g)
        tap("flow.z", z)
        z = resize_frames(z[:, :, dec_head : dec_head + formant.frames], formant.made)
        return net.generate(z, g, self.source(pitch[1], formant, turn) if pitch else None).cpu()

    def source(self, hz: torch.Tensor, formant: Formant, turn: Turn) -> torch.Tensor:
        """The excitation of the heard part, float32 (1, 1, made · upp)."""
        net, head = turn.models.voice.synthesizer, self.sizes.skip_head
        noise = torch.from_numpy(turn.draw("noise.nsf", (1, formant.frames * net.upp, 1)))
        heard = hz[:, head : head + formant.frames]
        sine, source = net.source(heard, noise, turn.models.profile.generation)
        turn.tap("nsf.sine", sine)
        turn.tap("nsf.source", source)
        return resize_source(source, formant.made * net.upp)


def retrieve(frames: Samples, index: Index, turn: Turn) -> Samples:
    """Frames (n, C) moved towards the voice's own; left alone, all of them, when any lacks a neighbour."""
    distances, ids = index.search(frames)
    turn.tap("retrieval.distances", distances)
    turn.tap("retrieval.ids", ids)
    if (ids < 0).any():
        return frames
    shares = retrieval.weights(distances, turn.models.exact_hits)
    turn.tap("retrieval.weights", shares)
    mean = retrieval.mean(shares, ids, index)
    turn.tap("retrieval.mean", mean)
    blended = retrieval.blend(frames, mean, turn.controls.index_rate)
    turn.tap("retrieval.blended", blended)
    return blended.reshape(frames.shape)
