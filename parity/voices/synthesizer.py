"""Synthetic weights of the twelve kinds of voice, as an exported checkpoint whose output depends on every input.

Names and shapes follow docs/spec/01. The scales were chosen by measurement, so that a change of content, F0, noise or
speaker changes the waveform; tests/parity/test_tracing.py checks that.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parity.errors import UsageError
from parity.voices.draw import GAIN, Array, Draw, Named

SPEAKERS, SPEAKER_WIDTH = 109, 256
# The encoder's channels, its feed-forward channels, channels of one attention head, and frames of relative attention on
# each side (docs/spec/01).
_WIDTH, _INNER, _HEAD, _WINDOW = 192, 768, 96, 10
_FIRST = 512  # channels before the first upsampler
# Gains of a harmonic generator: of the source before the last residual blocks and before the others, of the residual
# blocks, of the interpolation, and of the output. Measured on a sung scale: harmonics are 12 dB above the rest, F0 of
# the output is within 50 cents in 99 % of the frames, and other latents change the waveform by 18 to 20 % of its RMS.
_SOURCE, _EARLY, _BLOCK, _INTERPOLATION, _LOUDNESS = 4.0, 0.1, 0.5, 1.2, 0.13

_UPSAMPLERS = {  # (version, rate): strides and kernels
    ("v1", 32): ([10, 4, 2, 2, 2], [16, 16, 4, 4, 4]),
    ("v2", 32): ([10, 8, 2, 2], [20, 16, 4, 4]),
    ("v1", 40): ([10, 10, 2, 2], [16, 16, 4, 4]),
    ("v2", 40): ([10, 10, 2, 2], [16, 16, 4, 4]),
    ("v1", 48): ([10, 6, 2, 2, 2], [16, 16, 4, 4, 4]),
    ("v2", 48): ([12, 10, 2, 2], [24, 20, 4, 4]),
}
KINDS = tuple(f"{v}-{rate}k-{f0}" for v in ("v1", "v2") for rate in (32, 40, 48) for f0 in ("f0", "nof0"))
# Voices whose output can be judged by ear: the harmonics of the source dominate it (see `_harmonic_generator`).
HARMONIC = ("v1-40k-f0-harmonic", "v2-40k-f0-harmonic")
VOICES = KINDS + HARMONIC


@dataclass(frozen=True)
class Kind:
    """One of the twelve kinds of voice, read from the name of a voice such as "v2-40k-f0"."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in VOICES:
            raise UsageError(f"there is no kind of voice {self.name!r}; choose one of {', '.join(KINDS)}")

    @property
    def version(self) -> str:
        return self.name[:2]

    @property
    def rate(self) -> int:
        """Output rate in kHz."""
        return int(self.name[3:5])

    @property
    def f0(self) -> bool:
        return "-f0" in self.name

    @property
    def harmonic(self) -> bool:
        """Whether the voice is one of HARMONIC."""
        return self.name in HARMONIC

    @property
    def content(self) -> int:
        """Width of the content features."""
        return 256 if self.version == "v1" else 768

    @property
    def strides(self) -> list[int]:
        return _UPSAMPLERS[self.version, self.rate][0]

    @property
    def kernels(self) -> list[int]:
        return _UPSAMPLERS[self.version, self.rate][1]

    @property
    def config(self) -> list[object]:
        """The 18 constructor arguments that the originals store."""
        bins = 513 if self.rate == 32 else 1025
        blocks = ["1", [3, 7, 11], [[1, 3, 5], [1, 3, 5], [1, 3, 5]]]
        upsampling = [list(self.strides), _FIRST, list(self.kernels)]
        sizes = [bins, 32, _WIDTH, _WIDTH, _INNER, 2, 6, 3, 0]
        return [*sizes, *blocks, *upsampling, SPEAKERS, SPEAKER_WIDTH, self.rate * 1000]


def tensors(name: str, seed: str | None = None) -> Iterator[Named]:
    """Every tensor of the voice of kind `name`, float16, without the posterior encoder.

    Args:
        name: the kind, or one of HARMONIC.
        seed: the key of the weights in the fixed stream; the kind's name for the voices of the goldens.
    """
    kind = Kind(name)
    draw = Draw(name if seed is None else seed, np.float16)
    yield from _text_encoder(draw, kind)
    yield from (_harmonic_generator if kind.harmonic else _generator)(draw, kind)
    for k in (0, 2, 4, 6):  # the layers between them reverse the channels and have no weights
        yield from _coupling(draw, f"flow.flows.{k}")
    yield _speakers(draw)


def speaker(name: str, number: int) -> Array:
    """A speaker's embedding, float16 (256,), of the voice of kind `name`; nothing else is drawn."""
    return np.asarray(_speakers(Draw(name, np.float16))[1][number])


def _speakers(draw: Draw) -> Named:
    return draw.vector("emb_g.weight", (SPEAKERS, SPEAKER_WIDTH), 1.0)


def _text_encoder(draw: Draw, kind: Kind) -> Iterator[Named]:
    yield draw.weight("enc_p.emb_phone.weight", (_WIDTH, kind.content), 0.1 if kind.version == "v2" else 0.08)
    yield draw.vector("enc_p.emb_phone.bias", _WIDTH, 0.01)
    if kind.f0:
        yield draw.vector("enc_p.emb_pitch.weight", (256, _WIDTH), 0.035)
    for i in range(6):
        name = f"enc_p.encoder.attn_layers.{i}"
        # Each relative position weighs on one key among many; with smaller values it would not change the output.
        for table, std in (("emb_rel_k", 0.3), ("emb_rel_v", 0.6)):
            yield draw.vector(f"{name}.{table}", (1, 2 * _WINDOW + 1, _HEAD), std)
        for part, factor in (("q", 1.2), ("k", 1.2), ("v", 1.0), ("o", 0.25)):
            yield from _conv(draw, f"{name}.conv_{part}", _WIDTH, _WIDTH, 1, GAIN * factor)
        yield from _norm(draw, f"enc_p.encoder.norm_layers_1.{i}")
        yield from _conv(draw, f"enc_p.encoder.ffn_layers.{i}.conv_1", _INNER, _WIDTH, 3)
        yield from _conv(draw, f"enc_p.encoder.ffn_layers.{i}.conv_2", _WIDTH, _INNER, 3, GAIN * 0.25)
        yield from _norm(draw, f"enc_p.encoder.norm_layers_2.{i}")
    yield from _conv(draw, "enc_p.proj", 2 * _WIDTH, _WIDTH, 1, 0.5)


def _coupling(draw: Draw, name: str) -> Iterator[Named]:
    """One coupling layer; its gains keep the gates' tanh out of saturation, and `post` is larger to compensate."""
    yield from _conv(draw, f"{name}.pre", _WIDTH, _WIDTH // 2, 1, GAIN * 0.8)
    yield from _normed_conv(draw, f"{name}.enc.cond_layer", 6 * _WIDTH, SPEAKER_WIDTH, 1, GAIN * 0.35)
    for i in range(3):
        outputs = (2 if i < 2 else 1) * _WIDTH
        yield from _normed_conv(draw, f"{name}.enc.in_layers.{i}", 2 * _WIDTH, _WIDTH, 5, GAIN * 0.5)
        yield from _normed_conv(draw, f"{name}.enc.res_skip_layers.{i}", outputs, _WIDTH, 1, GAIN * 0.7)
    yield from _conv(draw, f"{name}.post", _WIDTH // 2, _WIDTH, 1, 0.7)


def _generator(draw: Draw, kind: Kind) -> Iterator[Named]:
    yield from _conv(draw, "dec.conv_pre", _FIRST, _WIDTH, 7)
    yield from _conv(draw, "dec.cond", _FIRST, SPEAKER_WIDTH, 1)
    if kind.f0:
        yield draw.vector("dec.m_source.l_linear.weight", (1, 1), 0.0, 3.0)
        yield draw.vector("dec.m_source.l_linear.bias", 1, 0.01)
    channels = _FIRST
    # Each upsampler amplifies, so that voices with five of them get smaller factors than those with four.
    gain, loudness = (1.1, 0.075) if len(kind.kernels) == 4 else (1.0, 0.065)
    for i, kernel in enumerate(kind.kernels):
        yield from _upsampler(draw, f"dec.ups.{i}", channels, kernel)
        channels //= 2
        if kind.f0:
            stride = math.prod(kind.strides[i + 1 :])
            width = 2 * stride if stride > 1 else 1
            yield from _conv(draw, f"dec.noise_convs.{i}", channels, 1, width, 0.26, centered=False)
        for j, width in enumerate((3, 7, 11)):
            for conv in (f"convs{side}.{layer}" for side in (1, 2) for layer in range(3)):
                yield from _normed_conv(draw, f"dec.resblocks.{3 * i + j}.{conv}", channels, channels, width, gain)
    yield draw.weight("dec.conv_post.weight", (1, channels, 7), loudness)


def _harmonic_generator(draw: Draw, kind: Kind) -> Iterator[Named]:
    """A generator that plays the source with slow changes of timbre.

    The latents are upsampled by interpolation, so that they change no faster than a frame: they shift the rectifiers
    through which the source passes, and the content becomes timbre instead of noise.
    """
    yield from _conv(draw, "dec.conv_pre", _FIRST, _WIDTH, 7)
    yield from _conv(draw, "dec.cond", _FIRST, SPEAKER_WIDTH, 1, 0.5)
    yield draw.vector("dec.m_source.l_linear.weight", (1, 1), 0.0, 3.0)
    yield draw.vector("dec.m_source.l_linear.bias", 1, 0.01)
    channels = _FIRST
    for i, kernel in enumerate(kind.kernels):
        yield from _interpolator(draw, f"dec.ups.{i}", channels, kind.strides[i], kernel)
        channels //= 2
        stride = math.prod(kind.strides[i + 1 :])
        last = stride == 1
        width = 1 if last else 2 * stride
        of_source = _conv(draw, f"dec.noise_convs.{i}", channels, 1, width, _SOURCE if last else _EARLY, centered=False)
        name, weight = next(of_source)
        yield name, np.abs(weight) if last else weight  # all positive, so that the fundamental adds up
        yield from of_source
        for j, width in enumerate((3, 7, 11)):
            for conv in (f"convs{side}.{layer}" for side in (1, 2) for layer in range(3)):
                yield from _normed_conv(draw, f"dec.resblocks.{3 * i + j}.{conv}", channels, channels, width, _BLOCK)
    name, mix = draw.weight("dec.conv_post.weight", (1, channels, 1), _LOUDNESS, centered=False)
    slope = np.array([-1, -1, -1, 0, 1, 1, 1])  # 6 dB an octave to 5 kHz: rectifiers' harmonics fall by 12; no offset
    yield name, (np.abs(mix).astype(np.float64) * slope).astype(draw.dtype)


def _interpolator(draw: Draw, name: str, inputs: int, stride: int, kernel: int) -> Iterator[Named]:
    """A transposed convolution that mixes channels and interpolates in time: one ramp for all its filters."""
    outputs, overlap = inputs // 2, kernel - stride
    ramp = [min(2 * i + 1, 2 * overlap, 2 * (kernel - i) - 1) for i in range(kernel)]  # over 2·overlap
    mix_name, mix = draw.weight(f"{name}.weight_v", (inputs, outputs, 1), over=(0,))
    energy = sum(value * value for value in ramp) / (2 * overlap) ** 2
    norm = _INTERPOLATION * math.sqrt(outputs * energy / inputs)
    yield draw.vector(f"{name}.weight_g", (inputs, 1, 1), 0.1 * norm, norm)
    filters = mix.astype(np.float64) * np.array(ramp, np.float64) / (2 * overlap)
    yield mix_name, filters.astype(draw.dtype)
    yield draw.vector(f"{name}.bias", outputs, 0.02)


def _upsampler(draw: Draw, name: str, inputs: int, kernel: int) -> Iterator[Named]:
    """A transposed convolution: stored (in, out, kernel), its norm taken for each *input* channel."""
    outputs = inputs // 2
    # With a kernel of about twice the stride, an output sample is a sum over about two taps of each input channel.
    norm = 1.2 * GAIN * math.sqrt(outputs * kernel / (2 * inputs))
    yield draw.vector(f"{name}.weight_g", (inputs, 1, 1), 0.1 * norm, norm)
    yield draw.weight(f"{name}.weight_v", (inputs, outputs, kernel), over=(0,))
    yield draw.vector(f"{name}.bias", outputs, 0.02)


def _normed_conv(draw: Draw, name: str, outputs: int, inputs: int, kernel: int, gain: float = GAIN) -> Iterator[Named]:
    """A weight-normed convolution: the norm of an output unit's filter is its gain."""
    yield draw.vector(f"{name}.weight_g", (outputs, 1, 1), 0.1 * gain, gain)
    yield draw.weight(f"{name}.weight_v", (outputs, inputs, kernel))
    yield draw.vector(f"{name}.bias", outputs, 0.02)


def _conv(
    draw: Draw, name: str, outputs: int, inputs: int, kernel: int, gain: float = GAIN, *, centered: bool = True
) -> Iterator[Named]:
    yield draw.weight(f"{name}.weight", (outputs, inputs, kernel), gain, centered=centered)
    yield draw.vector(f"{name}.bias", outputs, 0.02)


def _norm(draw: Draw, name: str) -> Iterator[Named]:
    yield draw.vector(f"{name}.gamma", _WIDTH, 0.1, 1.0)
    yield draw.vector(f"{name}.beta", _WIDTH, 0.1)
