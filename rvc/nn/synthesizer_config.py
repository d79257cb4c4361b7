"""The sizes in a voice's config list, and the name and shape of every tensor that such a voice must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from rvc.errors import BadCheckpoint
from rvc.voice_kinds import VERSIONS

CONTENT_WIDTH = {name: version.content_channels for name, version in VERSIONS.items()}
PITCH_BINS = 256  # values of the coarse pitch
WINDOW = 10  # frames up to which attention has relative positions (docs/spec/05 §5.2)
FLOWS = (0, 2, 4, 6)  # state-dict indices of the couplings; the odd ones are flips without parameters
FLOW_LAYERS, FLOW_KERNEL = 3, 5  # gated convolutions per coupling, and their kernel size (docs/spec/05 §5.4)
FIELDS = [
    "spec_channels",
    "segment_size",
    "inter",
    "hidden",
    "filter",
    "heads",
    "layers",
    "kernel",
    "dropout",
    "resblock",
    "resblock_kernels",
    "resblock_dilations",
    "upsample_rates",
    "upsample_initial",
    "upsample_kernels",
    "speakers",
    "gin",
    "rate",
]

Layout = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """The sizes of one synthesizer; `upp` is its output samples per frame of 10 ms."""

    version: str
    f0: bool
    inter: int
    hidden: int
    filter: int
    heads: int
    layers: int
    kernel: int
    resblock: str
    resblock_kernels: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]
    upsample_rates: tuple[int, ...]
    upsample_initial: int
    upsample_kernels: tuple[int, ...]
    speakers: int
    gin: int
    rate: int

    @property
    def content(self) -> int:
        """Width of the content features: 256 (v1) or 768 (v2)."""
        return CONTENT_WIDTH[self.version]

    @property
    def upp(self) -> int:
        """Output samples per content frame."""
        return prod(self.upsample_rates)

    def channels(self, stage: int) -> int:
        """Channels after upsampler `stage`; stage −1 is conv_pre."""
        return int(self.upsample_initial // 2 ** (stage + 1))

    def noise_stride(self, stage: int) -> int:
        """Source samples per sample after upsampler `stage`."""
        return prod(self.upsample_rates[stage + 1 :])


def read_config(config: Sequence[Any], version: str, f0: bool) -> Sizes:
    """Check and read a voice's `config`.

    Args:
        config: the list of 18 of docs/spec/01 §1.2; the rate may be 40000 or "40k".
        version: "v1" or "v2".
        f0: whether the voice is pitch-guided.
    Returns:
        The sizes of the synthesizer.
    Raises:
        BadCheckpoint: an entry is missing or of another type, or no network can have these sizes.
    """
    if version not in CONTENT_WIDTH:
        raise BadCheckpoint(f"version is {version!r}; known versions are {' and '.join(VERSIONS)}")
    if not isinstance(config, list | tuple) or len(config) != len(FIELDS):
        held = f"{len(config)} entries" if isinstance(config, list | tuple) else f"a {type(config).__name__}"
        raise BadCheckpoint(f"config holds {held}, expected a list of {len(FIELDS)}; is this an RVC voice?")
    entry = dict(zip(FIELDS, config, strict=True))
    counts = {
        name: _count(name, entry[name])
        for name in ("inter", "hidden", "filter", "heads", "layers", "kernel", "upsample_initial", "speakers", "gin")
    }
    lists = {name: _counts(name, entry[name]) for name in ("resblock_kernels", "upsample_rates", "upsample_kernels")}
    dilations = entry["resblock_dilations"]
    if not isinstance(dilations, list | tuple):
        raise BadCheckpoint(f"config entry resblock_dilations is {_short(dilations)}, expected a list of lists")
    sizes = Sizes(
        version=version,
        f0=bool(f0),
        resblock=str(entry["resblock"]),
        resblock_dilations=tuple(_counts("resblock_dilations", d) for d in dilations),
        rate=_rate(entry["rate"]),
        **counts,  # type: ignore[arg-type]
        **lists,  # type: ignore[arg-type]
    )
    _must_fit(sizes)
    return sizes


def layout(sizes: Sizes) -> Layout:
    """Name and shape of every tensor a voice of these sizes holds, weight norm as `weight_g` and `weight_v`."""
    names: Layout = {"emb_g.weight": (sizes.speakers, sizes.gin)}
    names |= _encoder_layout(sizes)
    names |= _flow_layout(sizes)
    names |= _generator_layout(sizes)
    return names


def _encoder_layout(s: Sizes) -> Layout:
    names: Layout = {"enc_p.emb_phone.weight": (s.hidden, s.content), "enc_p.emb_phone.bias": (s.hidden,)}
    if s.f0:
        names["enc_p.emb_pitch.weight"] = (PITCH_BINS, s.hidden)
    for i in range(s.layers):
        attention, ffn = f"enc_p.encoder.attn_layers.{i}", f"enc_p.encoder.ffn_layers.{i}"
        for table in ("emb_rel_k", "emb_rel_v"):
            names[f"{attention}.{table}"] = (1, 2 * WINDOW + 1, s.hidden // s.heads)
        for letter in "qkvo":
            names |= _conv(f"{attention}.conv_{letter}", s.hidden, s.hidden, 1)
        names |= _conv(f"{ffn}.conv_1", s.filter, s.hidden, s.kernel)
        names |= _conv(f"{ffn}.conv_2", s.hidden, s.filter, s.kernel)
        for norm in ("norm_layers_1", "norm_layers_2"):
            names[f"enc_p.encoder.{norm}.{i}.gamma"] = names[f"enc_p.encoder.{norm}.{i}.beta"] = (s.hidden,)
    return names | _conv("enc_p.proj", 2 * s.inter, s.hidden, 1)


def _flow_layout(s: Sizes) -> Layout:
    names: Layout = {}
    half = s.inter // 2
    for k in FLOWS:
        at = f"flow.flows.{k}"
        names |= _conv(f"{at}.pre", s.hidden, half, 1) | _conv(f"{at}.post", half, s.hidden, 1)
        names |= _normed(f"{at}.enc.cond_layer", 2 * s.hidden * FLOW_LAYERS, s.gin, 1)
        for layer in range(FLOW_LAYERS):
            out = s.hidden if layer == FLOW_LAYERS - 1 else 2 * s.hidden
            names |= _normed(f"{at}.enc.in_layers.{layer}", 2 * s.hidden, s.hidden, FLOW_KERNEL)
            names |= _normed(f"{at}.enc.res_skip_layers.{layer}", out, s.hidden, 1)
    return names


def _generator_layout(s: Sizes) -> Layout:
    names = _conv("dec.conv_pre", s.upsample_initial, s.inter, 7)
    names |= _conv("dec.cond", s.upsample_initial, s.gin, 1)
    if s.f0:
        names |= {"dec.m_source.l_linear.weight": (1, 1), "dec.m_source.l_linear.bias": (1,)}
    for i, width in enumerate(s.upsample_kernels):
        out = s.channels(i)
        names |= _normed(f"dec.ups.{i}", s.channels(i - 1), out, width)
        names[f"dec.ups.{i}.bias"] = (out,)
        if s.f0:
            stride = s.noise_stride(i)
            # Odd strides occur in voices at 44.1 kHz only; their kernels are one sample narrower.
            names |= _conv(f"dec.noise_convs.{i}", out, 1, 1 if stride == 1 else 2 * stride - stride % 2)
        for j, (kernel, dilations) in enumerate(zip(s.resblock_kernels, s.resblock_dilations, strict=True)):
            at = f"dec.resblocks.{i * len(s.resblock_kernels) + j}"
            if s.resblock == "1":
                convs = [f"convs{n}.{l}" for n in (1, 2) for l in range(len(dilations))]
            else:
                convs = ["convs.0", "convs.1"]
            for conv in convs:
                names |= _normed(f"{at}.{conv}", out, out, kernel)
    return names | {"dec.conv_post.weight": (1, s.channels(len(s.upsample_rates) - 1), 7)}


def _conv(name: str, out: int, into: int, width: int) -> Layout:
    return {f"{name}.weight": (out, into, width), f"{name}.bias": (out,)}


def _normed(name: str, first: int, second: int, width: int) -> Layout:
    return {f"{name}.weight_g": (first, 1, 1), f"{name}.weight_v": (first, second, width), f"{name}.bias": (first,)}


def _must_fit(s: Sizes) -> None:
    """Raise BadCheckpoint for sizes that no network can have, before any memory is allocated for them."""
    stages = len(s.upsample_rates)
    odd = [k for k in (s.kernel, *s.resblock_kernels) if k % 2 == 0]
    short = [
        (u, k)
        for u, k in zip(s.upsample_rates, s.upsample_kernels, strict=False)
        if k < u or ((k - u) % 2 and k != 2 * u)
    ]
    if not stages or len(s.upsample_kernels) != stages:
        problem = f"{stages} upsample_rates and {len(s.upsample_kernels)} upsample_kernels"
    elif not s.resblock_kernels or len(s.resblock_dilations) != len(s.resblock_kernels):
        problem = f"{len(s.resblock_kernels)} resblock_kernels and {len(s.resblock_dilations)} lists of dilations"
    elif s.resblock != "1" and any(len(d) < 2 for d in s.resblock_dilations):
        problem = f"resblock {s.resblock!r} with fewer than two dilations"
    elif odd:
        problem = f"an even kernel width {odd[0]}"
    elif short:
        problem = f"upsampling by {short[0][0]} with a kernel of {short[0][1]}"
    elif s.upsample_initial % 2**stages:
        problem = f"{s.upsample_initial} channels halved {stages} times"
    elif s.hidden % s.heads or s.inter % 2:
        problem = f"{s.hidden} hidden channels in {s.heads} heads and {s.inter} latent channels in two halves"
    elif s.upp * 100 != s.rate:
        problem = f"upsample_rates that make {s.upp * 100} samples a second and a rate of {s.rate}"
    else:
        return
    raise BadCheckpoint(f"config names {problem}, which no RVC synthesizer can have; is the file damaged?")


def _count(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 1 << 16:
        raise BadCheckpoint(f"config entry {name} is {_short(value)}, expected a whole number from 1 to 65536")
    return value


def _counts(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or len(value) > 16:
        raise BadCheckpoint(f"config entry {name} is {_short(value)}, expected a short list of whole numbers")
    return tuple(_count(name, v) for v in value)


def _rate(value: Any) -> int:
    if isinstance(value, str) and value.removesuffix("k").isdigit():
        value = int(value.removesuffix("k")) * (1000 if value.endswith("k") else 1)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 100 <= value <= 192000:
        raise BadCheckpoint(f"config entry rate is {_short(value)}, expected samples per second such as 40000")
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
