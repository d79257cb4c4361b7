"""The stages of a conversion in one table: what each makes, what it reads, its unit, its axes and its step in time.

Names are those of docs/spec/00-overview.md. A tensor of the table is written without the prefix of its scope:
`seg{i}.` for what belongs to a segment of a file, `rt.{n}.` for what belongs to a block of a live stream.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SR16 = 16000  # Hz, the rate of content, F0 and segmentation
FRAME = 160  # samples at SR16 in one pitch frame
FILLING = ("webui-2026",)  # profiles whose unvoiced frames are filled

# Seconds from one element to the next along an axis; the model's and the file's rate are known only with a case.
STEPS = {"sample16k": 1 / SR16, "frame10": 0.01, "frame20": 0.02}
RATE_AXES = ("sample", "sample.out", "sample.device")

F32, F64, HZ = ("float32",), ("float64",), ("float32", "float64")
I64, I16 = ("int64",), ("int16",)


@dataclass(frozen=True)
class Tensor:
    """One named array: its dtypes, axes, unit, how it is judged, and when it exists.

    kind : given (an input), noise (a recorded draw), float, wave (judged with its mean removed), hz,
           decision (integers that must be equal), pcm (integers within steps)
    when : the fact that makes it exist, see `Facts`; "" always, "optional" never demanded
    lead : it begins `pad` seconds before the sound it belongs to
    """

    name: str
    dtypes: tuple[str, ...]
    axes: tuple[str, ...]
    unit: str
    kind: str = "float"
    when: str = ""
    lead: bool = False

    @property
    def time_axis(self) -> int | None:
        """The position of the axis that runs with time; None for an embedding or a list of cuts."""
        for place, axis in enumerate(self.axes):
            if axis in STEPS or axis in RATE_AXES:
                return place
        return None


@dataclass(frozen=True)
class Stage:
    """A step of the conversion. Of a tuple in `reads`, the first tensor that exists is read."""

    name: str
    scope: str  # file, segment, block
    what: str
    makes: tuple[Tensor, ...]
    reads: tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True)
class Facts:
    """What a case switches on, so that the tensors it must hold are known without looking at it."""

    f0: bool = True
    index: bool = False
    fill: bool = True
    long: bool = False
    mix: bool = False
    resample: bool = False
    crepe: bool = False
    segments: int = 1
    blocks: int = 0

    def hold(self, when: str) -> bool:
        """Whether a tensor marked `when` must exist."""
        return when == "" or (when != "optional" and all(bool(getattr(self, fact)) for fact in when.split("+")))


_LATENT = ("batch", "channel", "frame10")
_CONTENT20 = ("batch", "frame20", "channel")
_CONTENT10 = ("batch", "frame10", "channel")
_NEIGHBOURS = ("frame20", "neighbour")
_PITCH = ("batch", "frame10")

_WAYS_TO_FINAL = ("waveform.resampled", "waveform.rmsmixed", "waveform.concat")

OFFLINE: tuple[Stage, ...] = (
    Stage(
        "audio16k", "file", "the peak guard of 0.95", (Tensor("audio16k", F32, ("sample16k",), "1"),), ("audio16k.raw",)
    ),
    Stage(
        "highpassed",
        "file",
        "the zero-phase high-pass of 48 Hz",
        (Tensor("highpassed", F64, ("sample16k",), "1"),),
        ("audio16k",),
    ),
    Stage(
        "segment.cuts",
        "file",
        "the quietest places near every centre of a long file",
        (
            Tensor("quiet.profile", F64, ("sample16k",), "1", when="long"),
            Tensor("segment.cuts", I64, ("cut",), "sample", "decision", "long"),
        ),
        ("highpassed",),
    ),
    Stage(
        "padded",
        "file",
        "reflection at both ends",
        (Tensor("padded", F64, ("sample16k",), "1", lead=True),),
        ("highpassed",),
    ),
    Stage(
        "f0.raw",
        "file",
        "the pitch method",
        (Tensor("f0.raw", HZ, ("frame10",), "Hz", "hz", "f0", True),),
        ("padded", "noise.crepe"),
    ),
    Stage(
        "f0.filled",
        "file",
        "unvoiced frames filled from their neighbours",
        (Tensor("f0.filled", HZ, ("frame10",), "Hz", "hz", "f0+fill", True),),
        ("f0.raw",),
    ),
    Stage(
        "f0.hz",
        "file",
        "transposition",
        (Tensor("f0.hz", F32, _PITCH, "Hz", "hz", "f0", True),),
        (("f0.filled", "f0.raw"),),
    ),
    Stage(
        "f0.coarse",
        "file",
        "the mel scale in 255 bins",
        (Tensor("f0.coarse", I64, _PITCH, "bin", "decision", "f0", True),),
        (("f0.filled", "f0.raw"),),
    ),
    Stage(
        "seg.audio",
        "segment",
        "one segment cut from the padded file",
        (Tensor("audio", F32, ("batch", "sample16k"), "1", lead=True),),
        ("padded", "segment.cuts"),
    ),
    Stage(
        "hubert.features",
        "segment",
        "the content encoder",
        (
            Tensor("hubert.conv", F32, ("batch", "channel", "frame20"), "1", when="optional", lead=True),
            Tensor("hubert.hidden0", F32, _CONTENT20, "1", when="optional", lead=True),
            Tensor("hubert.features", F32, _CONTENT20, "1", lead=True),
        ),
        ("audio",),
    ),
    Stage(
        "retrieval.search",
        "segment",
        "the eight nearest frames of the voice",
        (
            Tensor("retrieval.distances", F32, _NEIGHBOURS, "squared L2", when="index", lead=True),
            Tensor("retrieval.ids", I64, _NEIGHBOURS, "row", "decision", "index", True),
        ),
        ("hubert.features",),
    ),
    Stage(
        "retrieval.weights",
        "segment",
        "inverse-square weights",
        (Tensor("retrieval.weights", F32, _NEIGHBOURS, "1", when="index", lead=True),),
        ("retrieval.distances",),
    ),
    Stage(
        "retrieval.mean",
        "segment",
        "the weighted mean of the neighbours",
        (Tensor("retrieval.mean", F32, ("frame20", "channel"), "1", when="index", lead=True),),
        ("retrieval.weights", "retrieval.ids"),
    ),
    Stage(
        "retrieval.blended",
        "segment",
        "content moved towards that mean by the index rate",
        (Tensor("retrieval.blended", F32, _CONTENT20, "1", when="index", lead=True),),
        ("hubert.features", "retrieval.mean"),
    ),
    Stage(
        "content.upsampled",
        "segment",
        "each content frame twice",
        (Tensor("content.upsampled", F32, _CONTENT10, "1", lead=True),),
        (("retrieval.blended", "hubert.features"),),
    ),
    Stage(
        "content.protected",
        "segment",
        "unvoiced frames moved back towards the source",
        (Tensor("content.protected", F32, _CONTENT10, "1", lead=True),),
        ("content.upsampled", "hubert.features", "f0.hz"),
    ),
    Stage("spk.g", "segment", "the speaker's embedding", (Tensor("spk.g", F32, ("batch", "channel", "one"), "1"),), ()),
    Stage(
        "enc_p",
        "segment",
        "the text encoder",
        (Tensor("enc_p.m", F32, _LATENT, "1", lead=True), Tensor("enc_p.logs", F32, _LATENT, "1", lead=True)),
        ("content.protected", "f0.coarse"),
    ),
    Stage(
        "z_p",
        "segment",
        "the prior sample",
        (Tensor("z_p", F32, _LATENT, "1", lead=True),),
        ("enc_p.m", "enc_p.logs", "noise.z"),
    ),
    Stage(
        "flow",
        "segment",
        "four inverse coupling layers",
        (Tensor("flow.z", F32, _LATENT, "1", lead=True),),
        ("z_p", "spk.g"),
    ),
    Stage(
        "nsf",
        "segment",
        "the sine at F0 with its noise, its linear layer and tanh",
        (
            Tensor("nsf.sine", F32, ("batch", "sample", "one"), "1", when="f0", lead=True),
            Tensor("nsf.source", F32, ("batch", "one", "sample"), "1", when="f0", lead=True),
        ),
        ("f0.hz", "noise.nsf"),
    ),
    Stage(
        "generator",
        "segment",
        "the NSF-HiFiGAN generator",
        (Tensor("waveform.segment.full", F32, ("sample",), "1", "wave", "", True),),
        ("flow.z", "nsf.source", "spk.g"),
    ),
    Stage(
        "trim",
        "segment",
        "the padding dropped at both ends",
        (Tensor("waveform.segment", F32, ("sample",), "1", "wave"),),
        ("waveform.segment.full",),
    ),
    Stage(
        "concat",
        "file",
        "the segments joined",
        (Tensor("waveform.concat", F32, ("sample",), "1", "wave"),),
        ("waveform.segment",),
    ),
    Stage(
        "rmsmixed",
        "file",
        "the loudness envelope mixed",
        (Tensor("waveform.rmsmixed", F32, ("sample",), "1", "wave", "mix"),),
        ("waveform.concat", "highpassed"),
    ),
    Stage(
        "resampled",
        "file",
        "resampling to the rate asked for",
        (Tensor("waveform.resampled", F32, ("sample.out",), "1", "wave", "resample"),),
        (("waveform.rmsmixed", "waveform.concat"),),
    ),
    Stage(
        "final",
        "file",
        "the peak guard of 0.99 and 16-bit integers",
        (Tensor("waveform.final", I16, ("sample.out",), "int16 step", "pcm"),),
        (_WAYS_TO_FINAL,),
    ),
)

GIVEN: tuple[Tensor, ...] = (
    Tensor("audio16k.raw", F32, ("sample16k",), "1", "given"),
    Tensor("noise.crepe", HZ, ("frame10",), "cent", "noise", "crepe", True),
)
GIVEN_SEGMENT: tuple[Tensor, ...] = (
    Tensor("noise.z", F32, _LATENT, "1", "noise", "", True),
    Tensor("noise.phase", F32, ("batch", "harmonic"), "1", "noise", "optional"),
    Tensor("noise.nsf", F32, ("batch", "sample", "one"), "1", "noise", "f0", True),
)

_MONO = ("sample.device",)
REALTIME: tuple[Stage, ...] = (
    Stage(
        "rt.input_wav",
        "block",
        "the gated block in its ring at the device's rate",
        (
            Tensor("rms_in", F32, ("frame10",), "1", when="optional"),
            Tensor("input_wav", F32, _MONO, "1", when="optional"),
        ),
        ("in",),
    ),
    Stage(
        "rt.input16k",
        "block",
        "the ring at 16 kHz",
        (Tensor("input16k", F32, ("sample16k",), "1"),),
        (("input_wav", "in"),),
    ),
    Stage(
        "rt.hubert.features",
        "block",
        "the content encoder over the ring",
        (Tensor("hubert.features", F32, _CONTENT20, "1"),),
        ("input16k",),
    ),
    Stage(
        "rt.retrieval",
        "block",
        "neighbours from skip_head // 2 on",
        (
            Tensor("retrieval.distances", F32, _NEIGHBOURS, "squared L2", when="index"),
            Tensor("retrieval.ids", I64, _NEIGHBOURS, "row", "decision", "index"),
            Tensor("retrieval.weights", F32, _NEIGHBOURS, "1", when="index"),
            Tensor("retrieval.mean", F32, ("frame20", "channel"), "1", when="index"),
            Tensor("retrieval.blended", F32, _CONTENT20, "1", when="index"),
        ),
        ("hubert.features",),
    ),
    Stage(
        "rt.content",
        "block",
        "each frame twice, cut to the block",
        (Tensor("content", F32, _CONTENT10, "1"),),
        (("retrieval.blended", "hubert.features"),),
    ),
    Stage(
        "rt.f0",
        "block",
        "pitch through the 1024-frame caches",
        (Tensor("f0.hz", F32, _PITCH, "Hz", "hz", "f0"), Tensor("f0.coarse", I64, _PITCH, "bin", "decision", "f0")),
        ("input16k",),
    ),
    Stage(
        "rt.spk.g",
        "block",
        "the speaker's embedding",
        (Tensor("spk.g", F32, ("batch", "channel", "one"), "1", when="optional"),),
        (),
    ),
    Stage(
        "rt.enc_p",
        "block",
        "the text encoder after the flow_head cut",
        (Tensor("enc_p.m", F32, _LATENT, "1"), Tensor("enc_p.logs", F32, _LATENT, "1")),
        ("content", "f0.coarse"),
    ),
    Stage(
        "rt.z_p", "block", "the prior sample", (Tensor("z_p", F32, _LATENT, "1"),), ("enc_p.m", "enc_p.logs", "noise.z")
    ),
    Stage("rt.flow", "block", "four inverse coupling layers", (Tensor("flow.z", F32, _LATENT, "1"),), ("z_p", "spk.g")),
    Stage(
        "rt.nsf",
        "block",
        "the sine at F0 with its noise, its linear layer and tanh",
        (
            Tensor("nsf.sine", F32, ("batch", "sample", "one"), "1", when="f0"),
            Tensor("nsf.source", F32, ("batch", "one", "sample"), "1", when="f0"),
        ),
        ("f0.hz", "noise.nsf"),
    ),
    Stage(
        "rt.generator",
        "block",
        "the generator for the frames that are heard",
        (Tensor("waveform.raw", F32, ("batch", "sample"), "1", "wave"),),
        ("flow.z", "nsf.source", "spk.g"),
    ),
    Stage(
        "rt.formant",
        "block",
        "the formant resampling",
        (Tensor("waveform.model", F32, ("sample",), "1", "wave"),),
        ("waveform.raw",),
    ),
    Stage(
        "rt.infer_wav",
        "block",
        "resampling to the device, noise gate and loudness mix",
        (
            Tensor("rms_out", F32, ("frame10",), "1", when="optional"),
            Tensor("infer_wav", F32, _MONO, "1", "wave", "optional"),
        ),
        ("waveform.model", "input_wav"),
    ),
    Stage(
        "rt.sola",
        "block",
        "the offset where the blocks agree best",
        (Tensor("sola.cor", F32, ("lag",), "1"), Tensor("sola.offset", I64, ("one",), "sample", "decision")),
        (("infer_wav", "waveform.model"), "sola_buffer"),
    ),
    Stage(
        "rt.out",
        "block",
        "the crossfade",
        (Tensor("sola_buffer", F32, _MONO, "1", "wave"), Tensor("out", F32, _MONO, "1", "wave")),
        (("infer_wav", "waveform.model"), "sola.offset"),
    ),
)
GIVEN_BLOCK: tuple[Tensor, ...] = (
    Tensor("in", F32, _MONO, "1", "given"),
    Tensor("noise.z", F32, _LATENT, "1", "noise"),
    Tensor("noise.phase", F32, ("batch", "harmonic"), "1", "noise", "optional"),
    Tensor("noise.nsf", F32, ("batch", "sample", "one"), "1", "noise", "f0"),
)

_PREFIX = re.compile(r"^(seg\d+|rt\.\d+)\.(.+)$")
_FILE: dict[str, tuple[Tensor, Stage | None]] = {}
_SEGMENT: dict[str, tuple[Tensor, Stage | None]] = {}
_BLOCK: dict[str, tuple[Tensor, Stage | None]] = {}
_TABLES = {"file": _FILE, "segment": _SEGMENT, "block": _BLOCK}
for _stage in OFFLINE + REALTIME:
    _TABLES[_stage.scope].update({tensor.name: (tensor, _stage) for tensor in _stage.makes})
for _scope, _given in (("file", GIVEN), ("segment", GIVEN_SEGMENT), ("block", GIVEN_BLOCK)):
    _TABLES[_scope].update({tensor.name: (tensor, None) for tensor in _given})


def split(name: str) -> tuple[str, str]:
    """`seg0.flow.z` → ("seg0.", "flow.z"); a tensor of the whole file has the prefix ""."""
    match = _PREFIX.match(name)
    return (match[1] + ".", match[2]) if match else ("", name)


def _row(name: str) -> tuple[Tensor, Stage | None]:
    prefix, local = split(name)
    scope = "file" if not prefix else "segment" if prefix.startswith("seg") else "block"
    return _TABLES[scope][local]


def known(name: str) -> bool:
    """Whether the table has a row for this full name."""
    prefix, local = split(name)
    return local in (_FILE if not prefix else _SEGMENT if prefix.startswith("seg") else _BLOCK)


def tensor(name: str) -> Tensor:
    """The row of a full name such as `seg0.flow.z`; raises KeyError for a name the table does not know."""
    return _row(name)[0]


def stage_of(name: str) -> Stage | None:
    """The stage that makes this tensor; None for what is given (the input and the noise)."""
    return _row(name)[1]


def names(prefixes: Iterable[str]) -> list[str]:
    """Every full name of the table in flow order, for prefixes such as "seg0." or "rt.3."."""
    wanted = list(prefixes)
    return [prefix + row.name for stage, prefix in walk(wanted) for row in stage.makes]


def walk(prefixes: Iterable[str]) -> list[tuple[Stage, str]]:
    """Each stage with each prefix it runs under, in the order of the flow; segments stay together."""
    wanted = sorted(prefixes, key=lambda prefix: int(re.sub(r"\D", "", prefix) or 0))
    segments = [prefix for prefix in wanted if prefix.startswith("seg")]
    blocks = [prefix for prefix in wanted if prefix.startswith("rt.")]
    per_segment = [stage for stage in OFFLINE if stage.scope == "segment"]
    first = next(place for place, stage in enumerate(OFFLINE) if stage.scope == "segment")
    before = [(stage, "") for stage in OFFLINE[:first]]
    after = [(stage, "") for stage in OFFLINE[first:] if stage.scope == "file"]
    middle = [(stage, prefix) for prefix in segments for stage in per_segment]
    live = [(stage, prefix) for prefix in blocks for stage in REALTIME]
    return (before + middle + after if segments else []) + live


def prefixes_of(present: Iterable[str]) -> list[str]:
    """The prefixes that occur in a collection of names."""
    return sorted({split(name)[0] for name in present} - {""}, key=lambda prefix: int(re.sub(r"\D", "", prefix)))


def expected(facts: Facts) -> list[str]:
    """The full names that a recording with these facts must hold, what is given included."""
    prefixes = [f"seg{i}." for i in range(facts.segments)] + [f"rt.{n}." for n in range(facts.blocks)]
    made = [prefix + row.name for stage, prefix in walk(prefixes) for row in stage.makes if facts.hold(row.when)]
    given = [row.name for row in GIVEN if facts.segments and facts.hold(row.when)]
    for prefix in prefixes:
        rows = GIVEN_SEGMENT if prefix.startswith("seg") else GIVEN_BLOCK
        given += [prefix + row.name for row in rows if facts.hold(row.when)]
    return given + made


def reads(stage: Stage, prefix: str, present: Iterable[str]) -> list[str]:
    """The full names this stage reads under `prefix`, as far as they are `present`; all segments for a join."""
    here = set(present)
    found: list[str] = []
    for alternatives in stage.reads:
        for local in (alternatives,) if isinstance(alternatives, str) else alternatives:
            names_here = _addresses(local, stage, prefix, here)
            if names_here:
                found += names_here
                break
    return found


def _addresses(local: str, stage: Stage, prefix: str, here: set[str]) -> list[str]:
    if prefix + local in here:
        return [prefix + local]
    if stage.scope == "file" and local in _SEGMENT:
        return [full for full in (f"seg{i}.{local}" for i in range(len(here))) if full in here]
    return [local] if local in here else []


def upstream(name: str, present: Iterable[str]) -> set[str]:
    """Every present tensor that `name` depends on, directly or not."""
    here, found, todo = set(present), set[str](), [name]
    while todo:
        stage = stage_of(current := todo.pop())
        if stage is None:
            continue
        new = set(reads(stage, split(current)[0], here)) - found
        found |= new
        todo += new
    return found


def facts(meta: Mapping[str, Any]) -> Facts:
    """What the meta of a case (see parity/goldens/store.py) switches on."""
    options, voice = meta["options"], meta["voice"]
    f0 = bool(voice["f0"])
    rate, target = int(voice["rate"]), int(options.get("resample_rate", 0))
    return Facts(
        f0=f0,
        index=bool(voice.get("index")) and float(options.get("index_rate", 0)) != 0,
        fill=meta["profile"] in FILLING,
        long=int(meta.get("segments", 1)) > 1,
        mix=float(options.get("rms_mix_rate", 1)) != 1,
        resample=target >= SR16 and target != rate,
        crepe=f0 and str(options.get("f0_method", "")).startswith("crepe"),
        segments=int(meta.get("segments", 1)),
        blocks=int(meta.get("blocks", 0)),
    )
