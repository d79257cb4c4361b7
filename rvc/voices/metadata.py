"""What a voice's tensors say about it, what its metadata says, and what is wrong when the two do not agree.

Version (width of the content), F0 (a pitch embedding), speakers and every size that is a tensor's axis are *inferred*.
The upsampling rates are inferred where the widths of upsamplers and noise convolutions belong to one published family
alone; v1 at 32k and 48k without F0 look alike, so there the metadata is *believed*, as it is for the dilations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer_config import CONTENT_WIDTH, FIELDS

Shapes = Mapping[str, tuple[int, ...]]
RATE, VERSION_OF = FIELDS.index("rate"), {width: version for version, width in CONTENT_WIDTH.items()}
SPEC_CHANNELS = {32000: 513, 40000: 1025, 48000: 1025}
PUBLISHED = [  # (rate, version or None for both, upsample rates, upsample kernels)
    (32000, "v1", [10, 4, 2, 2, 2], [16, 16, 4, 4, 4]),
    (48000, "v1", [10, 6, 2, 2, 2], [16, 16, 4, 4, 4]),
    (32000, "v2", [10, 8, 2, 2], [20, 16, 4, 4]),
    (40000, None, [10, 10, 2, 2], [16, 16, 4, 4]),
    (48000, "v2", [12, 10, 2, 2], [24, 20, 4, 4]),
]


@dataclass
class Finding:
    """A voice's facts, each with how it came to be known.

    config : the list of 18 with which the network is built
    inferred, believed : fact → what it rests on, in words
    """

    config: list[Any] = field(default_factory=list)
    version: str = ""
    f0: bool = True
    inferred: dict[str, str] = field(default_factory=dict)
    believed: dict[str, str] = field(default_factory=dict)


def recognise(shapes: Shapes, metadata: Mapping[str, Any], config: list[Any] | None, file: str) -> Finding:
    """Version, F0, rate and sizes from the tensors' shapes, checked against what the metadata says.

    shapes   : name → shape, weight norm as `weight_g` and `weight_v`
    metadata : `version`, `f0` and `sr` where the file has them
    config   : the file's list of 18, or None for a training checkpoint
    raises   : BadCheckpoint naming both sides of a contradiction, or the tensor without which nothing can be told
    """
    found = Finding()
    found.version = _version(shapes, metadata, file, found)
    found.f0 = _f0(shapes, metadata, file, found)
    if config is None:
        found.config = _config_of(shapes, metadata, file, found)
    else:
        found.config = list(config)
        found.believed["dilations"] = "config; no tensor's shape can tell"
    _rate(shapes, metadata, file, found)
    speakers = _shape(shapes, "emb_g.weight", file)[0]
    if len(found.config) == len(FIELDS):
        stated = found.config[FIELDS.index("speakers")]
        found.config[FIELDS.index("speakers")] = speakers
        found.inferred["speakers"] = "rows of emb_g.weight" + (f"; config says {stated}" if stated != speakers else "")
    return found


def _version(shapes: Shapes, metadata: Mapping[str, Any], file: str, found: Finding) -> str:
    width = _shape(shapes, "enc_p.emb_phone.weight", file)[1]
    version = VERSION_OF.get(width)
    if version is None:
        raise BadCheckpoint(f"{file} reads content {width} wide; expected 256 (v1) or 768 (v2)")
    stated = metadata.get("version")
    if stated is not None and stated != version:
        raise BadCheckpoint(
            f"{file} says that it is version {stated}, but its enc_p.emb_phone.weight is {width} wide, "
            f"which is {version}; correct the file's version or ask its maker"
        )
    silent = (
        ""
        if stated is not None
        else "; the file names no version" + (", which originals take for v1" if version != "v1" else "")
    )
    found.inferred["version"] = f"enc_p.emb_phone.weight is {width} wide{silent}"
    return version


def _f0(shapes: Shapes, metadata: Mapping[str, Any], file: str, found: Finding) -> bool:
    parts = {
        "enc_p.emb_pitch.weight": "enc_p.emb_pitch.weight" in shapes,
        "dec.m_source": "dec.m_source.l_linear.weight" in shapes,
        "dec.noise_convs": "dec.noise_convs.0.weight" in shapes,
    }
    has = [name for name, there in parts.items() if there]
    if 0 < len(has) < len(parts):
        lacks = [name for name, there in parts.items() if not there]
        raise BadCheckpoint(
            f"{file} has {', '.join(has)} of a voice with F0, but lacks {', '.join(lacks)}; the file is incomplete"
        )
    f0, stated = bool(has), metadata.get("f0")
    if stated is not None and (not isinstance(stated, int | float | str) or stated not in (0, 1, "0", "1")):
        raise BadCheckpoint(f"{file} says that its f0 is {stated!r}; expected 0 or 1")
    if stated is not None and bool(int(stated)) != f0:
        tells = "it holds enc_p.emb_pitch.weight" if f0 else "it holds no enc_p.emb_pitch.weight"
        raise BadCheckpoint(f"{file} says f0 is {stated}, but {tells}, which means {int(f0)}; correct the file's f0")
    silent = "" if stated is not None else "; the file does not say" + ("" if f0 else ", which originals take for 1")
    found.inferred["f0"] = f"{'a' if f0 else 'no'} pitch embedding, source and noise convolutions{silent}"
    return f0


def _rate(shapes: Shapes, metadata: Mapping[str, Any], file: str, found: Finding) -> None:
    """Check the config's rate against `sr` and against the tensors; say which of them it rests on."""
    stated, said = _hertz(found.config[RATE] if len(found.config) == len(FIELDS) else None), _hertz(metadata.get("sr"))
    if stated and said and stated != said:
        raise BadCheckpoint(f"{file} says sr {metadata['sr']}, but its config says {stated}; correct one of them")
    fitting = sorted({rate for rate, _ in families(shapes)})
    if stated and fitting and stated not in fitting:
        looks = " or ".join(str(rate) for rate in fitting)
        raise BadCheckpoint(
            f"{file} says that its rate is {stated}, but its upsamplers and noise convolutions are those of {looks}; "
            "correct the file's rate and config"
        )
    if len(fitting) == 1:
        found.inferred["rate"] = f"widths of upsamplers{' and noise convolutions' if found.f0 else ''}: {fitting[0]}"
    elif fitting:
        found.believed.setdefault("rate", f"config; the tensors fit {' and '.join(str(rate) for rate in fitting)}")
    else:
        found.believed["rate"] = "config; the tensors are of no published family"


def families(shapes: Shapes) -> list[tuple[int, list[int]]]:
    """The published families, as (rate, upsample rates), whose generator has these widths."""
    kernels = _each(shapes, "dec.ups.{}.weight_v", 2)
    noise = _each(shapes, "dec.noise_convs.{}.weight", 2)
    fitting = []
    for rate, _, rates, theirs in PUBLISHED:
        if theirs == kernels and (not noise or noise_widths(rates) == noise):
            fitting.append((rate, rates))
    return fitting


def noise_widths(rates: list[int]) -> list[int]:
    """Kernel widths of the noise convolutions for upsampling by `rates`: twice the stride, the last one 1."""
    widths, stride = [1], 1
    for rate in reversed(rates[1:]):
        stride *= rate
        widths.append(2 * stride)
    return widths[::-1]


def _config_of(shapes: Shapes, metadata: Mapping[str, Any], file: str, found: Finding) -> list[Any]:
    """The config list of a file that has none, from its tensors' shapes."""
    fitting = families(shapes)
    said = _hertz(metadata.get("sr"))
    chosen = [family for family in fitting if said in (None, family[0])]
    if not fitting or (said and not chosen):
        kernels = _each(shapes, "dec.ups.{}.weight_v", 2)
        raise BadCheckpoint(
            f"{file} holds no config, and its upsamplers ({', '.join(map(str, kernels))} wide) are of no published "
            f"family{f' at {said} Hz' if said else ''}; put the config.json of its training beside it"
        )
    if len(chosen) > 1:
        looks = " or ".join(str(rate) for rate, _ in chosen)
        raise BadCheckpoint(
            f"{file} holds no config, and its tensors fit a rate of {looks}; "
            "put the config.json of its training beside it"
        )
    if len(fitting) > 1:
        found.believed["rate"] = f"sr {metadata['sr']}; the tensors fit {' and '.join(str(r) for r, _ in fitting)}"
    rate, rates = chosen[0]
    found.believed["dilations"] = "1, 3, 5 as every published voice has; no tensor's shape can tell"
    encoder = "enc_p.encoder"
    layers = len(_each(shapes, f"{encoder}.ffn_layers.{{}}.conv_1.weight", 0))
    width = _shape(shapes, f"{encoder}.attn_layers.0.emb_rel_k", file)[2]
    hidden = _shape(shapes, "enc_p.emb_phone.weight", file)[0]
    filters, _, kernel = _shape(shapes, f"{encoder}.ffn_layers.0.conv_1.weight", file)
    first, inter, _ = _shape(shapes, "dec.conv_pre.weight", file)
    spec = shapes.get("enc_q.pre.weight", (0, SPEC_CHANNELS[rate]))[1]
    second = "convs2" if "dec.resblocks.0.convs1.0.weight_v" in shapes else "convs"
    blocks = [
        shape[2] for name, shape in shapes.items() if re.fullmatch(rf"dec\.resblocks\.\d+\.{second}\.0\.weight_v", name)
    ]
    speakers, gin = _shape(shapes, "emb_g.weight", file)
    count = max(len(blocks) // len(rates), 1)
    return [
        spec,
        32,
        inter,
        hidden,
        filters,
        max(hidden // max(width, 1), 1),
        layers,
        kernel,
        0,
        "1" if second == "convs2" else "2",
        blocks[:count],
        [[1, 3, 5]] * count,
        list(rates),
        first,
        _each(shapes, "dec.ups.{}.weight_v", 2),
        speakers,
        gin,
        rate,
    ]


def _each(shapes: Shapes, pattern: str, axis: int) -> list[int]:
    """One axis of the tensors that `pattern` numbers 0, 1, 2, …"""
    found: list[int] = []
    while (shape := shapes.get(pattern.format(len(found)))) is not None and len(shape) > axis:
        found.append(shape[axis])
    return found


def _shape(shapes: Shapes, name: str, file: str) -> tuple[int, ...]:
    """The shape of a tensor that every voice has, with as many axes as it should have."""
    axes = 2 if name in ("emb_g.weight", "enc_p.emb_phone.weight") else 3
    shape = shapes.get(name)
    if shape is None:
        raise BadCheckpoint(f"{file} lacks the tensor {name}, which every RVC voice has; is it one?")
    if len(shape) != axes:
        raise BadCheckpoint(f"{file}'s {name} has the shape {shape}, expected {axes} axes; the file is damaged")
    return shape


def _hertz(value: Any) -> int | None:
    """A rate written as 40000, "40000", "40k" or "40K", in hertz; None when there is none to read."""
    match = re.fullmatch(r"(\d{1,6})(k?)", str(value).strip().lower())
    if match is None:
        return None
    return int(match[1]) * (1000 if match[2] else 1)
