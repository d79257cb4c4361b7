"""Fit the last layer of the synthetic RMVPE once; the result is stored in parity/data/rmvpe_head.safetensors.

python -m reference.fit_rmvpe_head OUT.safetensors [TONES]

The network below the head is drawn from the fixed random stream (parity/voices/rmvpe.py) and run by rvc-python's code.
Ridge regression fits the layer that maps the GRU's output, on sung tones, breath and silence of known pitch, to logits
-5 + 8 exp(-(distance in cents / 45)^2). The solution's bits depend on the machine, so it is stored as data.
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
RATE = 16000  # Hz, RMVPE's input rate
SECONDS = 4.0  # length of one synthetic tone
RIDGE = 3.0  # weight of the regression's L2 penalty
CENTS = 20 * np.arange(360) + 1997.3794084376191  # center of each pitch bin, above 10 Hz (docs/spec/03)


def main(arguments: list[str]) -> int:
    """Fit on TONES sung tones (default 160), print the tracking error on unseen tones, and write the layer."""
    gru_output = network()
    weight, bias = fit(gru_output, int(arguments[1]) if len(arguments) > 1 else 160)
    report(gru_output, weight, bias)
    save_file({"fc.1.weight": weight, "fc.1.bias": bias}, arguments[0])
    return 0


def network() -> Callable[[Floats], Floats]:
    """The original's mel and network without its head: a function from sound (N,) to the GRU's output (frames, 512)."""
    package = ModuleType("rvc_python")  # without running the package's __init__
    package.__path__ = [str(RvcPython.package())]
    sys.modules["rvc_python"] = package
    original: Any = importlib.import_module("rvc_python.lib.rmvpe")
    net = original.E2E(4, 1, (2, 2)).eval()
    drawn = {name: torch.from_numpy(np.asarray(values)) for name, values in rmvpe.tensors(head=False)}
    missing = net.load_state_dict(drawn, strict=False)
    assert set(missing.missing_keys) == {"fc.1.weight", "fc.1.bias"} and not missing.unexpected_keys, missing
    mel = original.MelSpectrogram(False, 128, RATE, 1024, 160, None, 30, 8000)
    recorded: list[torch.Tensor] = []
    net.fc[1].register_forward_pre_hook(lambda _module, inputs: recorded.append(inputs[0]))

    @torch.no_grad()
    def gru_output(sound: Floats) -> Floats:
        log_mel = mel(torch.from_numpy(sound.astype(np.float32))[None], center=True)
        frames = log_mel.shape[-1]
        net(torch.nn.functional.pad(log_mel, (0, -frames % 32)))
        return np.asarray(recorded.pop()[0, :frames].double().numpy())

    return gru_output


def fit(gru_output: Callable[[Floats], Floats], tones: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Solve for the head: weight (360, 512) and bias (360,), both float16."""
    random = np.random.default_rng(0)
    inner, outer = RIDGE * np.eye(513), np.zeros((513, 360))
    for _ in range(tones):
        sound, hz = tone(random)
        state = np.pad(gru_output(sound), ((0, 0), (0, 1)), constant_values=1)
        inner += state.T @ state
        outer += state.T @ target_logits(hz)
    layer = np.linalg.solve(inner, outer).T.astype(np.float16)
    return np.ascontiguousarray(layer[:, :512]), np.ascontiguousarray(layer[:, 512])


def target_logits(hz: Floats) -> Floats:
    """The logits that the head is fitted to, (frames, 360): a bell around the pitch; -5 everywhere when unvoiced."""
    distance = 1200 * np.log2(np.maximum(hz, 1) / 10)[:, None] - CENTS
    return np.where(hz[:, None] > 0, -5 + 8 * np.exp(-((distance / 45) ** 2)), -5.0)


def tone(random: np.random.Generator) -> tuple[Floats, Floats]:
    """A random sung phrase with breaths, noise and rests: sound (64000,) and its pitch in Hz (401,), 0 if unvoiced."""
    seconds = np.arange(int(SECONDS * RATE)) / RATE
    knots = np.sort(np.r_[0, random.uniform(0, SECONDS, random.integers(3, 9)), SECONDS])
    octaves = random.uniform(np.log2(55), np.log2(1000)) + random.uniform(-0.7, 0.7, len(knots))
    hz = 2 ** np.interp(seconds, knots, np.clip(octaves, np.log2(50), np.log2(1100)))
    hz *= singing.vibrato(seconds, random.uniform(4, 7), random.uniform(0, 50))
    vowels = [str(vowel) for vowel in random.choice(list(singing.VOWELS), random.integers(1, 6))]
    brightness = 10 ** random.uniform(-2, 0)  # from all formants to none
    voice = singing.sing(hz, RATE, vowels, tilt=random.uniform(0, 2), brightness=brightness)
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
    return sound, singing.reference_pitch(hz, voiced, RATE)


def report(gru_output: Callable[[Floats], Floats], weight: NDArray[np.float16], bias: NDArray[np.float16]) -> None:
    """Print the error in cents and the voicing mistakes on 12 tones that were not fitted."""
    random = np.random.default_rng(99)
    estimated, known = [], []
    for _ in range(12):
        sound, hz = tone(random)
        estimated.append(decode(gru_output(sound) @ weight.T.astype(np.float64) + bias))
        known.append(hz)
    pitch, truth = np.concatenate(estimated), np.concatenate(known)
    both = (pitch > 0) & (truth > 0)
    cents = np.abs(1200 * np.log2(pitch[both] / truth[both]))
    print(
        f"median {np.median(cents):.1f} cents, {np.mean(cents < 50):.1%} within 50, "
        f"voiced frames detected {np.mean(pitch[truth > 0] > 0):.1%}, "
        f"unvoiced frames detected as voiced {np.mean(pitch[truth == 0] > 0):.1%}"
    )


def decode(scores: Floats) -> Floats:
    """Pitch in Hz, (frames,): mean of the nine bins around the largest salience; 0 where that is at most 0.03."""
    salience = np.pad(1 / (1 + np.exp(-scores)), ((0, 0), (4, 4)))
    top = salience.argmax(axis=1)
    window = top[:, None] + np.arange(-4, 5)
    near = np.take_along_axis(salience, window, axis=1)
    cents = (near * np.pad(CENTS, 4)[window]).sum(axis=1) / near.sum(axis=1)
    return np.where(salience.max(axis=1) > 0.03, 10 * 2 ** (cents / 1200), 0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
