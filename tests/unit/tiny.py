"""A whole voice small enough for quick tests: a synthesizer of a few channels, ears and a pitch tracker of a line."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from rvc.nn.sizes import layout, read_config
from rvc.nn.synthesizer import Synthesizer
from rvc.profiles import PROFILES
from rvc.realtime.converter import Models

SMALL = [1025, 32, 16, 16, 32, 2, 1, 3, 0, "1", [3, 7], [[1, 3], [1, 3]]]
CONFIGS = {
    40000: [*SMALL, [10, 10, 2, 2], 32, [16, 16, 4, 4], 2, 8, 40000],
    48000: [*SMALL, [12, 10, 2, 2], 32, [24, 20, 4, 4], 2, 8, 48000],
    32000: [*SMALL, [10, 8, 2, 2], 32, [20, 16, 4, 4], 2, 8, 32000],
}


def tiny_synthesizer(rate=40000, f0=True, version="v2", seed=0):
    """Random weights whose output is neither silent nor saturated."""
    sizes = read_config(CONFIGS[rate], version, f0)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in layout(sizes).items():
        fan = max(int(np.prod(shape[1:])), 1)
        scale = 0.1 if name.endswith("bias") else fan**-0.5
        tensors[name] = torch.randn(shape, generator=generator) * scale
        if name.endswith(("weight_g", "gamma")):
            tensors[name] = torch.ones(shape)
    if f0:
        tensors["dec.m_source.l_linear.weight"] = torch.full((1, 1), 8.0)
    return Synthesizer(CONFIGS[rate], version, f0, tensors)


class TinyHubert:
    """Hears each 20 ms by itself: 400 samples through one fixed matrix."""

    def __init__(self, seed=0):
        self.matrix = torch.randn(400, 768, generator=torch.Generator().manual_seed(seed)) * 0.1

    def __call__(self, audio, layer, project):
        frames = audio[0].unfold(0, 400, 320)
        content = torch.tanh(frames @ self.matrix)[None]
        return content[..., :256] if project else content


def steady_track(hertz=200.0):
    """A pitch tracker that always finds the same."""

    def track(at16k, block16, method, semitones, draw):
        frames = (block16 + 800) // 160 + 1
        hz = np.full(frames, hertz * 2 ** (semitones / 12), np.float32)
        mel = 1127 * np.log(1 + hz / 700)
        coarse = np.rint((mel - 77.755) * 254 / (1064.408 - 77.755) + 1).clip(1, 255).astype(np.int64)
        return coarse, hz

    return track


def tiny_models(rate=40000, f0=True, version="v2", seed=0, hertz=200.0, profile="webui-2026", index=None):
    synthesizer = tiny_synthesizer(rate, f0, version, seed)
    voice = SimpleNamespace(synthesizer=synthesizer, version=version, rate=rate, f0=f0, upp=rate // 100, speakers=2)
    return Models(voice, TinyHubert(), steady_track(hertz), PROFILES[profile], index)


class Silence:
    """Draws of zeros."""

    def draw(self, name, shape, kind="normal"):
        return np.zeros(shape, np.float32)
