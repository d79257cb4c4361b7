"""The types of the stage table: tensors, the stages that make them, and the facts of a case that require a tensor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from parity.stages.profile_table import METHODS, PROFILES
from parity.stages.tensor_name import Scope

SR16 = 16000  # Hz, the sample rate of content features, F0 and segmentation (docs/spec/00 §0.2)
FRAME = 160  # samples at 16 kHz in one pitch frame, 10 ms (docs/spec/00 §0.2)

# Seconds from one element to the next along an axis of fixed rate.
STEPS = {"sample16k": 1 / SR16, "frame10": 0.01, "frame20": 0.02}
# Axes whose rate depends on the case: the voice's rate, the output's rate, the audio device's rate.
RATE_AXES = ("sample", "sample.out", "sample.device")

F32, F64, HZ = ("float32",), ("float64",), ("float32", "float64")
I64, I16 = ("int64",), ("int16",)


class TensorKind(StrEnum):
    """How a tensor is compared."""

    INPUT = "input"  # the audio that a conversion starts from; not compared
    NOISE = "noise"  # a recorded draw of random numbers; not compared
    FLOAT = "float"  # relative error
    WAVE = "wave"  # relative error; the golden's mean is removed from the scale
    HZ = "hz"  # relative error of a pitch track in hertz
    DECISION = "decision"  # integers that must be equal, or differ within the margin of the decision
    PCM = "pcm"  # 16-bit samples: steps, and relative error as for a waveform


class Fact(StrEnum):
    """A property of a case that makes a tensor exist; each names a field of `Facts`."""

    F0 = "f0"
    INDEX = "index"
    FILL = "fill"
    SEVERAL_SEGMENTS = "several_segments"
    MIX = "mix"
    RESAMPLE = "resample"
    CREPE = "crepe"


class Weights(StrEnum):
    """Weights that a stage reads; `messages.FILES` lists the files that hold them."""

    VOICE = "voice"
    HUBERT = "hubert"
    INDEX = "index"
    F0 = "f0"  # the network of the F0 method; methods without one have none


@dataclass(frozen=True)
class Tensor:
    """One named array.

    Attributes:
        name: The local name, without the prefix of a segment or block.
        dtypes: The dtypes that a golden may hold.
        axes: One label for each axis. The labels are stored in case.json.
        unit: The unit of the values; "1" for a plain number.
        kind: How it is compared.
        needs: The facts of a case that must all hold for the tensor to exist.
        optional: A golden may lack it; it is compared only where golden and candidate both have it.
        padded: Its first element lies `pad` seconds before the audio it belongs to (docs/spec/06 §6.5).
    """

    name: str
    dtypes: tuple[str, ...]
    axes: tuple[str, ...]
    unit: str
    kind: TensorKind = TensorKind.FLOAT
    needs: tuple[Fact, ...] = ()
    optional: bool = False
    padded: bool = False

    @property
    def time_axis(self) -> int | None:
        """The position of the axis that runs with time; None for an embedding or a list of cuts."""
        for position, axis in enumerate(self.axes):
            if axis in STEPS or axis in RATE_AXES:
                return position
        return None

    @property
    def is_waveform(self) -> bool:
        """Whether it holds samples of the output, as floats or as integers."""
        return self.kind in (TensorKind.WAVE, TensorKind.PCM)


@dataclass(frozen=True)
class Earlier:
    """A tensor of earlier blocks of a stream, from which a stage gets the state that it continues.

    Attributes:
        local: The local name.
        all_blocks: Whether every earlier block is read; else the block before alone.
    """

    local: str
    all_blocks: bool = False


Read = str | tuple[str, ...] | Earlier


@dataclass(frozen=True)
class Stage:
    """One step of the conversion.

    Attributes:
        name: The name in verdicts and on the command line.
        scope: Whether it runs once per file, segment or block.
        what: What it does, for reports.
        makes: Its outputs.
        reads: The local names of its inputs. Of a tuple, the first tensor that exists is read. `Earlier` is the tensor
            of a block before; the first block has none.
        weights: The weights that it reads; all others are left out of a request for this stage.
    """

    name: str
    scope: Scope
    what: str
    makes: tuple[Tensor, ...]
    reads: tuple[Read, ...] = field(default=())
    weights: tuple[Weights, ...] = ()


@dataclass(frozen=True)
class Facts:
    """The properties of a case that determine which tensors a recording of it must hold.

    Attributes:
        f0: The voice takes F0.
        index: Retrieval is on.
        fill: The profile fills unvoiced frames.
        several_segments: The file is cut into segments.
        mix: The loudness envelope is mixed.
        resample: The output is resampled.
        crepe: The pitch method is CREPE, which draws dither.
        segments: The number of segments; 0 for a realtime stream.
        blocks: The number of blocks of a realtime stream; 0 for a file.
        isolated: The names of the stages that were recorded alone; empty for a recording of a whole conversion.
    """

    f0: bool = True
    index: bool = False
    fill: bool = True
    several_segments: bool = False
    mix: bool = False
    resample: bool = False
    crepe: bool = False
    segments: int = 1
    blocks: int = 0
    isolated: tuple[str, ...] = ()

    def has_stage(self, stage: Stage) -> bool:
        """Whether the recording holds the outputs of a stage: every one of a conversion, or those recorded alone."""
        return not self.isolated or stage.name in self.isolated

    def require(self, tensor: Tensor) -> bool:
        """Whether a recording with these facts must hold the tensor."""
        return not tensor.optional and all(bool(getattr(self, fact.value)) for fact in tensor.needs)


def facts(meta: Mapping[str, Any]) -> Facts:
    """The facts of a case from the fields of its case.json other than `tensors`."""
    options, voice = meta["options"], meta["voice"]
    f0 = bool(voice["f0"])
    rate, target = int(voice["rate"]), int(options.get("resample_rate", 0))
    segments = int(meta.get("segments", 1))
    method, profile = METHODS.get(str(options.get("f0_method", ""))), PROFILES.get(str(meta["profile"]))
    return Facts(
        f0=f0,
        index=bool(voice.get("index")) and float(options.get("index_rate", 0)) != 0,
        fill=profile is not None and profile.fills_unvoiced,
        several_segments=segments > 1,
        mix=float(options.get("rms_mix_rate", 1)) != 1,
        resample=target >= SR16 and target != rate,
        crepe=f0 and method is not None and method.is_dithered,
        segments=segments,
        blocks=int(meta.get("blocks", 0)),
        isolated=tuple(meta.get("isolated", ())),
    )
