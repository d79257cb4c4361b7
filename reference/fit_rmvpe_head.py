"""Fit the last layer of the synthetic RMVPE, once; the result is kept as parity/data/rmvpe_head.safetensors.

python -m reference.fit_rmvpe_head OUT.safetensors [TONES]

The network below the head is drawn from the fixed stream (parity/voices/rmvpe.py) and run by rvc-python's own code.
Ridge regression then finds the layer that turns the GRU's output, on sung tones, breath and silence of known pitch,
into logits -5 + 8 exp(-(cents away / 45)^2). No two machines solve that to the same bits, hence data.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.signal import lfilter

from parity.voices import rmvpe
from reference.material import singing
from reference.originals.rvc_python import RvcPython

Floats = NDArray[np.float64]
RATE, SECONDS, RIDGE = 16000, 4.0, 3.0
CENTS = 20 * np.arange(360) + 1997.3794084376191


def main(arguments: list[str]) -> int:
    """Fit on TONES sung tones (160), print how well unseen ones are tracked, write the layer."""
    hear = network()
    weight, bias = fit(hear, int(arguments[1]) if len(arguments) > 1 else 160)
    report(hear, weight, bias)
    save_file({"fc.1.weight": weight, "fc.1.bias": bias}, arguments[0])
    return 0


def network() -> Callable[[Floats], Floats]:
    """The original's mel and network without its head, as a function: sound (N,) to the GRU's output (frames, 512)."""
    bare = ModuleType("rvc_python")
    bare.__path__ = [str(RvcPython.package())]
    sys.modules["rvc_python"] = bare
    original: Any = importlib.import_module("rvc_python.lib.rmvpe")
    net = original.E2E(4, 1, (2, 2)).eval()
    drawn = {name: torch.from_numpy(np.asarray(values)) for name, values in rmvpe.tensors(head=False)}
    missing = net.load_state_dict(drawn, strict=False)
    assert set(missing.missing_keys) == {"fc.1.weight", "fc.1.bias"} and not missing.unexpected_keys, missing
    mel = original.MelSpectrogram(False, 128, RATE, 1024, 160, None, 30, 8000)
    heard: list[torch.Tensor] = []
    net.fc[1].register_forward_pre_hook(lambda _module, given: heard.append(given[0]))

    @torch.no_grad()
    def hear(sound: Floats) -> Floats:
        log_mel = mel(torch.from_numpy(sound.astype(np.float32))[None], center=True)
        frames = log_mel.shape[-1]
        net(torch.nn.functional.pad(log_mel, (0, -frames % 32)))
        return np.asarray(heard.pop()[0, :frames].double().numpy())

    return hear


def fit(hear: Callable[[Floats], Floats], tones: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Weight (360, 512) and bias (360,) of the head."""
    random = np.random.default_rng(0)
    inner, outer = RIDGE * np.eye(513), np.zeros((513, 360))
    for _ in range(tones):
        sound, hz = tone(random)
        state = np.pad(hear(sound), ((0, 0), (0, 1)), constant_values=1)
        inner += state.T @ state
        outer += state.T @ logits(hz)
    layer = np.linalg.solve(inner, outer).T.astype(np.float16)
    return np.ascontiguousarray(layer[:, :512]), np.ascontiguousarray(layer[:, 512])


def logits(hz: Floats) -> Floats:
    """What the head should say: (frames, 360)."""
    away = 1200 * np.log2(np.maximum(hz, 1) / 10)[:, None] - CENTS
    return np.where(hz[:, None] > 0, -5 + 8 * np.exp(-((away / 45) ** 2)), -5.0)


def tone(random: np.random.Generator) -> tuple[Floats, Floats]:
    """A sung phrase with breaths, noises and rests: sound (64000,) and its pitch, 0 unvoiced (401,)."""
    seconds = np.arange(int(SECONDS * RATE)) / RATE
    knots = np.sort(np.r_[0, random.uniform(0, SECONDS, random.integers(3, 9)), SECONDS])
    octaves = random.uniform(np.log2(55), np.log2(1000)) + random.uniform(-0.7, 0.7, len(knots))
    hz = 2 ** np.interp(seconds, knots, np.clip(octaves, np.log2(50), np.log2(1100)))
    hz *= singing.vibrato(seconds, random.uniform(4, 7), random.uniform(0, 50))
    path = [str(vowel) for vowel in random.choice(list(singing.VOWELS), random.integers(1, 6))]
    brightness = 10 ** random.uniform(-2, 0)  # from all formants to none
    voice = singing.sing(hz, RATE, path, tilt=random.uniform(0, 2), brightness=brightness)
    swell = np.interp(seconds, np.linspace(0, SECONDS, 24), 10 ** random.uniform(-1.2, 0, 24))  # syllables
    spans, at = [], 0.0
    while at < SECONDS:
        length = random.uniform(0.2, 1.2)
        spans.append((at, at + length))
        at += length + random.uniform(0.05, 0.5)
    voiced = singing.gate(spans, len(hz), RATE)
    noise = lfilter([1], [1, random.uniform(-0.9, 0.9)], random.standard_normal(len(hz)))
    noise /= noise.std()
    hiss = (1 - voiced) * 10 ** random.uniform(-2.5, -0.7) if random.random() < 0.7 else 0.0
    sound = voiced * voice * swell * random.uniform(0.3, 0.9) + noise * (10 ** random.uniform(-5, -2) + hiss)
    sound *= 10 ** random.uniform(-1.2, 0) / max(1.0, np.abs(sound).max())
    return sound, singing.known(hz, voiced, RATE)


def report(hear: Callable[[Floats], Floats], weight: NDArray[np.float16], bias: NDArray[np.float16]) -> None:
    """Print the error in cents and the voicing mistakes on tones that were not fitted."""
    random = np.random.default_rng(99)
    found, known = [], []
    for _ in range(12):
        sound, hz = tone(random)
        found.append(decode(hear(sound) @ weight.T.astype(np.float64) + bias))
        known.append(hz)
    pitch, truth = np.concatenate(found), np.concatenate(known)
    both = (pitch > 0) & (truth > 0)
    cents = np.abs(1200 * np.log2(pitch[both] / truth[both]))
    print(
        f"median {np.median(cents):.1f} cents, {np.mean(cents < 50):.1%} within 50, "
        f"voiced frames found {np.mean(pitch[truth > 0] > 0):.1%}, "
        f"false alarms {np.mean(pitch[truth == 0] > 0):.1%}"
    )


def decode(scores: Floats) -> Floats:
    """Pitch in Hz of each frame's nine bins around the largest salience, 0 where it is at most 0.03."""
    salience = np.pad(1 / (1 + np.exp(-scores)), ((0, 0), (4, 4)))
    top = salience.argmax(axis=1)
    window = top[:, None] + np.arange(-4, 5)
    near = np.take_along_axis(salience, window, axis=1)
    cents = (near * np.pad(CENTS, 4)[window]).sum(axis=1) / near.sum(axis=1)
    return np.where(salience.max(axis=1) > 0.03, 10 * 2 ** (cents / 1200), 0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
