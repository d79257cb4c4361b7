"""Weights of RMVPE: a U-Net of small residual branches, and a last layer that was fitted once to sung tones.

Everything but the last linear layer comes from the fixed stream. That layer was fitted by ridge regression
(`reference/fit_rmvpe_head.py`), which no two machines solve to the same bits, so its result is kept as data.
"""

from collections.abc import Iterator
from importlib.resources import files

import numpy as np
from safetensors.numpy import load

from parity.voices.draw import Array, Draw, Named

BINS, HIDDEN, MELS = 360, 256, 128
_LEVELS = (16, 32, 64, 128, 256)  # channels of the five encoder levels
_BLOCKS = 4  # residual blocks of a level
_RESIDUAL = 0.1  # scale of each residual branch; larger, and the U-Net grows until the GRU saturates


def tensors(*, head: bool = True) -> Iterator[Named]:
    """Every entry of rmvpe.pt, float16 and int64 counters: 741, or two fewer without the fitted head."""
    draw = Draw("rmvpe", np.float16)
    yield from _encoder(draw)
    yield from _intermediate(draw)
    yield from _decoder(draw)
    yield draw.weight("cnn.weight", (3, _LEVELS[0], 3, 3))
    yield draw.vector("cnn.bias", 3, 0.1)
    for way in ("", "_reverse"):
        yield draw.weight(f"fc.0.gru.weight_ih_l0{way}", (3 * HIDDEN, 3 * MELS), 1.0)
        yield draw.weight(f"fc.0.gru.weight_hh_l0{way}", (3 * HIDDEN, HIDDEN), 1.0)
        yield draw.vector(f"fc.0.gru.bias_ih_l0{way}", 3 * HIDDEN, 0.05)
        yield draw.vector(f"fc.0.gru.bias_hh_l0{way}", 3 * HIDDEN, 0.05)
    if head:
        yield from fitted_head().items()


def fitted_head() -> dict[str, Array]:
    """The committed `fc.1.weight` (360, 512) and `fc.1.bias` (360,), float16."""
    return load(files("parity").joinpath("data/rmvpe_head.safetensors").read_bytes())


def _encoder(draw: Draw) -> Iterator[Named]:
    # The only batch norm whose input is a log-mel spectrogram, from -11.5 in silence to about 3.
    yield from _norm(draw, "unet.encoder.bn", 1, 1.0, mean=-5.0, variance=9.0)
    below = 1
    for i, channels in enumerate(_LEVELS):
        yield from _level(draw, f"unet.encoder.layers.{i}.conv", below, channels)
        below = channels


def _intermediate(draw: Draw) -> Iterator[Named]:
    below = _LEVELS[-1]
    for i in range(_BLOCKS):
        yield from _level(draw, f"unet.intermediate.layers.{i}.conv", below, 2 * _LEVELS[-1])
        below = 2 * _LEVELS[-1]


def _decoder(draw: Draw) -> Iterator[Named]:
    for i, channels in enumerate(reversed(_LEVELS)):
        name = f"unet.decoder.layers.{i}"
        # stride 2 in both directions: an output meets 9/4 taps of each input channel on average
        shape = (2 * channels, channels, 3, 3)
        yield draw.weight(f"{name}.conv1.0.weight", shape, over=(0, 2, 3), fan_in=2 * channels * 9 / 4)
        yield from _norm(draw, f"{name}.conv1.1", channels, 1.0)
        yield from _level(draw, f"{name}.conv2", 2 * channels, channels)


def _level(draw: Draw, name: str, inputs: int, outputs: int) -> Iterator[Named]:
    for j in range(_BLOCKS):
        yield from _block(draw, f"{name}.{j}", outputs if j else inputs, outputs)


def _block(draw: Draw, name: str, inputs: int, outputs: int) -> Iterator[Named]:
    yield draw.weight(f"{name}.conv.0.weight", (outputs, inputs, 3, 3))
    yield from _norm(draw, f"{name}.conv.1", outputs, 1.0)
    yield draw.weight(f"{name}.conv.3.weight", (outputs, outputs, 3, 3))
    yield from _norm(draw, f"{name}.conv.4", outputs, _RESIDUAL)
    if inputs != outputs:
        yield draw.weight(f"{name}.shortcut.weight", (outputs, inputs, 1, 1), 1.0, centered=inputs > 1)
        yield draw.vector(f"{name}.shortcut.bias", outputs, 0.05)


def _norm(
    draw: Draw, name: str, channels: int, scale: float, *, mean: float = 0.0, variance: float = 1.0
) -> Iterator[Named]:
    yield draw.vector(f"{name}.weight", channels, 0.1 * scale, scale)
    yield draw.vector(f"{name}.bias", channels, 0.1 * scale)
    yield draw.vector(f"{name}.running_mean", channels, 0.1, mean)
    yield draw.vector(f"{name}.running_var", channels, 0.1 * variance, variance)
    yield f"{name}.num_batches_tracked", np.array(1, np.int64)
