"""Infer a voice's version, F0, rate and sizes from its tensors, and check them against the file's metadata.

The version (width of the content features), F0 (a pitch embedding), the number of speakers and every size that is an
axis of a tensor are *inferred*. The upsampling rates are inferred where the kernel widths of upsamplers and noise
convolutions fit one published generator only. v1 voices at 32 and 48 kHz without F0 have the same widths, so their rate
is *unverified*: it is taken from the metadata, as the dilations always are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer_config import FIELDS
from rvc.voice_kinds import GENERATORS, VERSIONS, GeneratorKind, version_of_width

Shapes = Mapping[str, tuple[int, ...]]  # tensor name → shape, weight norm as `weight_g` and `weight_v`
# Positions in the config list.
RATE, SPEAKERS = FIELDS.index("rate"), FIELDS.index("speakers")
LONGEST_SHOWN = 40  # characters of an entry in a message


@dataclass
class VoiceFacts:
    """What is known about a voice, and where each fact comes from.

    Attributes:
        config: the list of 18 entries with which the networks are built (docs/spec/01 §1.2).
        version: "v1" or "v2".
        f0: whether the voice is guided by F0.
        inferred: fact → the tensors that show it.
        unverified: fact → the metadata that states it; no tensor's shape confirms it.
        corrected: entry of the metadata → its right value, where the file states it otherwise than the originals do.
        warnings: sentences about entries that the tensors overrule; a conversion prints them.
    """

    config: list[Any] = field(default_factory=list)
    version: str = ""
    f0: bool = True
    inferred: dict[str, str] = field(default_factory=dict)
    unverified: dict[str, str] = field(default_factory=dict)
    corrected: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def infer_facts(shapes: Shapes, metadata: Mapping[str, Any], config: list[Any] | None, file: str) -> VoiceFacts:
    """Infer a voice's facts from its tensors' shapes and check them against the metadata.

    Args:
        shapes: name → shape of every tensor, weight norm as `weight_g` and `weight_v`.
        metadata: the file's entries `version`, `f0` and `sr`, as far as it has them.
        config: the file's list of 18 entries, None for a training checkpoint.
        file: the file's name, for messages.
    Raises:
        BadCheckpoint: tensors and metadata contradict each other, or a tensor is missing that the facts depend on.
    """
    facts = VoiceFacts()
    facts.version = _version(shapes, metadata, file, facts)
    facts.f0 = _f0(shapes, metadata, file, facts)
    if config is None:
        facts.config = _config_of(shapes, metadata, file, facts)
    else:
        facts.config = list(config)
        facts.unverified["dilations"] = "config; no tensor's shape depends on them"
    _check_rate(shapes, metadata, file, facts)
    speakers = _shape(shapes, "emb_g.weight", file)[0]
    if len(facts.config) == len(FIELDS):
        stated = facts.config[SPEAKERS]
        facts.config[SPEAKERS] = speakers
        facts.inferred["speakers"] = "rows of emb_g.weight" + (
            f"; config states {stated}" if stated != speakers else ""
        )
    return facts


def _version(shapes: Shapes, metadata: Mapping[str, Any], file: str, facts: VoiceFacts) -> str:
    width = _shape(shapes, "enc_p.emb_phone.weight", file)[1]
    version = version_of_width(width)
    if version is None:
        known = " or ".join(f"{kind.content_channels} ({kind.name})" for kind in VERSIONS.values())
        raise BadCheckpoint(
            f"{file} reads content features with {width} channels, expected {known}; is it an RVC voice?"
        )
    written = metadata.get("version")
    stated = _version_name(written)
    if stated is not None and stated != version:
        raise BadCheckpoint(
            f"{file} states the version {written}, but its enc_p.emb_phone.weight has {width} channels, "
            f"which is {version}; correct the file's version or ask its maker"
        )
    missing = ""
    if stated is None:
        missing = "; the file states no version" + (", which the originals take for v1" if version != "v1" else "")
    if stated is not None and written != version:
        facts.corrected["version"] = version
    facts.inferred["version"] = f"enc_p.emb_phone.weight has {width} channels{missing}"
    return version


def _version_name(value: Any) -> str | None:
    """A version as files state it: "v2", "V2 ", "2", 2 or 2.0 is "v2"; None where the file states none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        return None
    text = str(value).strip().lower().removeprefix("v").removesuffix(".0")
    return f"v{text}"


def _f0(shapes: Shapes, metadata: Mapping[str, Any], file: str, facts: VoiceFacts) -> bool:
    modules = {
        "enc_p.emb_pitch.weight": "enc_p.emb_pitch.weight" in shapes,
        "dec.m_source": "dec.m_source.l_linear.weight" in shapes,
        "dec.noise_convs": "dec.noise_convs.0.weight" in shapes,
    }
    has = [name for name, present in modules.items() if present]
    if 0 < len(has) < len(modules):
        lacks = [name for name, present in modules.items() if not present]
        raise BadCheckpoint(
            f"{file} has {', '.join(has)} of a voice with F0, but lacks {', '.join(lacks)}; the file is incomplete, "
            "download or export it again"
        )
    f0, stated = bool(has), metadata.get("f0")
    if stated is not None and (isinstance(stated, Tensor | list) or stated not in (int(f0), str(int(f0)))):
        facts.corrected["f0"] = int(f0)
        facts.warnings.append(
            f"{file} states f0 {_shown(stated)}, expected {int(f0)}; its tensors decide: it is converted "
            f"{'with' if f0 else 'without'} F0"
        )
    missing = (
        "" if stated is not None else "; the file states no f0" + ("" if f0 else ", which the originals take for 1")
    )
    facts.inferred["f0"] = f"{'a' if f0 else 'no'} pitch embedding, source and noise convolutions{missing}"
    return f0


def _shown(value: Any) -> str:
    """An entry of a file in a message: its text in Python, or how large it is."""
    if isinstance(value, Tensor):
        return f"as a tensor of {value.tolist()}" if value.numel() < 4 else f"as a tensor of {value.numel()} numbers"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _check_rate(shapes: Shapes, metadata: Mapping[str, Any], file: str, facts: VoiceFacts) -> None:
    """Check the config's rate against `sr` and against the tensors, and record which of them confirm it."""
    in_config = _hertz(facts.config[RATE] if len(facts.config) == len(FIELDS) else None)
    in_sr = _hertz(metadata.get("sr"))
    if in_config and in_sr and in_config != in_sr:
        raise BadCheckpoint(
            f"{file} states sr {metadata['sr']}, but its config states {in_config}; correct one of them"
        )
    fitting = sorted({generator.rate for generator in matching_generators(shapes)})
    if in_config and fitting and in_config not in fitting:
        rates = " or ".join(str(rate) for rate in fitting)
        raise BadCheckpoint(
            f"{file} states the rate {in_config}, but its upsamplers and noise convolutions are those of {rates}; "
            "correct the file's rate and config"
        )
    if len(fitting) == 1:
        facts.inferred["rate"] = f"widths of upsamplers{' and noise convolutions' if facts.f0 else ''}: {fitting[0]}"
    elif fitting:
        facts.unverified.setdefault("rate", f"config; the tensors fit {' and '.join(str(rate) for rate in fitting)}")
    else:
        facts.unverified["rate"] = "config; the tensors fit no published generator"


def matching_generators(shapes: Shapes) -> list[GeneratorKind]:
    """The published generators whose upsamplers and noise convolutions have the kernel widths of these tensors."""
    kernels = _each(shapes, "dec.ups.{}.weight_v", 2)
    noise = _each(shapes, "dec.noise_convs.{}.weight", 2)
    return [
        generator
        for generator in GENERATORS
        if generator.upsample_kernels == kernels and (not noise or generator.noise_kernels == noise)
    ]


def _config_of(shapes: Shapes, metadata: Mapping[str, Any], file: str, facts: VoiceFacts) -> list[Any]:
    """The config list of a file that has none, from its tensors' shapes."""
    fitting = matching_generators(shapes)
    in_sr = _hertz(metadata.get("sr"))
    chosen = [generator for generator in fitting if in_sr in (None, generator.rate)]
    if not fitting or (in_sr and not chosen):
        kernels = _each(shapes, "dec.ups.{}.weight_v", 2)
        raise BadCheckpoint(
            f"{file} holds no config, and its upsamplers ({', '.join(map(str, kernels))} wide) fit no published "
            f"generator{f' at {in_sr} Hz' if in_sr else ''}; put the config.json of its training beside it"
        )
    if len(chosen) > 1:
        rates = " or ".join(str(generator.rate) for generator in chosen)
        raise BadCheckpoint(
            f"{file} holds no config, and its tensors fit a rate of {rates}; "
            "put the config.json of its training beside it"
        )
    if len(fitting) > 1:
        rates = " and ".join(str(generator.rate) for generator in fitting)
        facts.unverified["rate"] = f"sr {metadata['sr']}; the tensors fit {rates}"
    generator = chosen[0]
    facts.unverified["dilations"] = "1, 3, 5 as in every published voice; no tensor's shape depends on them"
    encoder = "enc_p.encoder"
    layers = len(_each(shapes, f"{encoder}.ffn_layers.{{}}.conv_1.weight", 0))
    head_width = _shape(shapes, f"{encoder}.attn_layers.0.emb_rel_k", file)[2]
    hidden = _shape(shapes, "enc_p.emb_phone.weight", file)[0]
    filters, _, kernel = _shape(shapes, f"{encoder}.ffn_layers.0.conv_1.weight", file)
    first, inter, _ = _shape(shapes, "dec.conv_pre.weight", file)
    spec = shapes.get("enc_q.pre.weight", (0, generator.spec_channels))[1]
    # ResBlock1 has two convolutions per dilation (convs1, convs2), ResBlock2 has one (convs).
    second = "convs2" if "dec.resblocks.0.convs1.0.weight_v" in shapes else "convs"
    blocks = list(_each(shapes, f"dec.resblocks.{{}}.{second}.0.weight_v", 2))  # files may store them in any order
    speakers, gin = _shape(shapes, "emb_g.weight", file)
    dilations = len(_each(shapes, f"dec.resblocks.0.{second}.{{}}.weight_v", 2)) if second == "convs2" else 3
    count = max(len(blocks) // len(generator.upsample_rates), 1)
    return [
        spec,
        32,  # segment_size, the literal that exported voices have; only training uses it (docs/spec/01 §1.2)
        inter,
        hidden,
        filters,
        max(hidden // max(head_width, 1), 1),
        layers,
        kernel,
        0,  # dropout, which inference does not use
        "1" if second == "convs2" else "2",
        blocks[:count],
        [[1, 3, 5][: max(dilations, 2)]] * count,
        list(generator.upsample_rates),
        first,
        list(_each(shapes, "dec.ups.{}.weight_v", 2)),
        speakers,
        gin,
        generator.rate,
    ]


def _each(shapes: Shapes, pattern: str, axis: int) -> tuple[int, ...]:
    """The size along one axis of the tensors that `pattern` numbers 0, 1, 2, …"""
    sizes: list[int] = []
    while (shape := shapes.get(pattern.format(len(sizes)))) is not None and len(shape) > axis:
        sizes.append(shape[axis])
    return tuple(sizes)


def _shape(shapes: Shapes, name: str, file: str) -> tuple[int, ...]:
    """The shape of a tensor that every voice has.  Raises BadCheckpoint when it is missing or has other axes."""
    axes = 2 if name in ("emb_g.weight", "enc_p.emb_phone.weight") else 3
    shape = shapes.get(name)
    if shape is None:
        raise BadCheckpoint(f"{file} lacks the tensor {name}, which every RVC voice has; is it one?")
    if len(shape) != axes:
        raise BadCheckpoint(
            f"{file}'s {name} has the shape {shape}, expected {axes} axes; the file is damaged, download it again"
        )
    return shape


def _hertz(value: Any) -> int | None:
    """A rate written as 40000, "40000", "40k", "40 kHz" or 40, in hertz; None for anything else."""
    match = re.fullmatch(r"(\d{1,6})(?:\.0)?\s*(k?)(?:hz)?", str(value).strip().lower())
    if match is None:
        return None
    number = int(match[1])
    return number * (1000 if match[2] or 0 < number < 1000 else 1)
