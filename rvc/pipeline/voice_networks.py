"""The networks of one voice, loaded when first needed and, unless they are kept, released after their stage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rvc.config import Config
from rvc.errors import BadCheckpoint, BadInput
from rvc.f0 import curve_file, registry, tracking
from rvc.f0.network_files import F0Weights, check_weights
from rvc.nn import calibration
from rvc.nn.kernels.backends import selection
from rvc.nn.kernels.conv import ON_GPU_ONLY, PRECISIONS
from rvc.noise import NoiseSource
from rvc.voice_kinds import VERSIONS
from rvc.voices.voice import Voice, load_voice
from rvc.weights import default_paths
from rvc.weights.memory import release_library_code, trim_heap
from rvc.weights.policy import RESIDENT, STREAMED, WeightPolicy

if TYPE_CHECKING:
    from rvc.nn.hubert import Hubert
    from rvc.nn.synthesizer import Synthesizer
    from rvc.retrieval.search import Index


class VoiceNetworks:
    """A voice file and the networks that convert to it."""

    segment_class: type[Any] | None = None  # runs the stages of a segment; None: rvc.pipeline.offline.Segment

    def __init__(
        self,
        model: str | Path,
        hubert: str | Path | None = None,
        index: str | Path | None = None,
        *,
        device: str = "cpu",
        precision: str = "float32",
        keep: bool = True,
        **f0_weights: str | Path | None,
    ) -> None:
        """Open the voice file; other files are opened when they are first needed.

        Args:
            model: the voice file.
            hubert: a transformers folder or hubert_base.pt; None searches $RVC_HUBERT, the voice's folder and "assets".
            index: the retrieval index; None converts without retrieval.
            device: "cpu", "cuda", "mps" or "auto".
            precision: "float32", "bfloat16", "float16" (on a GPU) or "int8"; parity is shown for "float32".
            keep: True keeps each network for further conversions; False releases it after its stage, and holds little
                more than one layer of HuBERT and RMVPE at a time.
            f0_weights: weight files of F0 methods by role, such as rmvpe="rmvpe.pt"; a role that is left out is
                searched for as `hubert` is, or taken from the installed package that contains the weights.
        Raises:
            TypeError: a keyword is not the role of a registered F0 method.
            BadCheckpoint: the voice file is missing or damaged, or is not a voice.
            BadInput: this machine does not have the device, or int8 is slower than float32 on it.
        """
        self.model = Path(model)
        roles = registry.weight_files()
        if unknown := set(f0_weights) - set(roles):
            raise TypeError(f"unexpected keyword {min(unknown)!r}; weight files of F0 methods are {', '.join(roles)}")
        self.hubert_is_named = hubert is not None
        named = {"hubert": hubert, "index": index} | {role: f0_weights.get(role) for role in roles}
        for role in ("hubert", *(role for role, methods in roles.items() if methods[0].needs_file)):
            named[role] = named[role] or default_paths.find(role, self.model)
        self.paths = {name: Path(path) for name, path in named.items() if path is not None}
        self.device = resolve_device(device)
        self.precision = precision
        if precision in ON_GPU_ONLY and self.device == "cpu":
            raise BadInput(f"{precision} computes on an NVIDIA GPU (--device cuda); choose bfloat16 on the CPU")
        calibration.prepare(precision, self.device)
        self.keep = keep
        self._lock = threading.RLock()
        self._loaded: dict[str, Any] = {}
        self._checked: set[Path] = set()
        self._index_warnings: list[str] = []
        self.voice: Voice = load_voice(self.model, device=self.device, precision=precision)
        self.version: str = self.voice.version
        self.rate: int = self.voice.rate
        self.f0: bool = self.voice.f0
        self.speakers: int = self.voice.speakers

    def files(self) -> list[Path]:
        """The voice file and the files of its networks; those inside installed packages are left out."""
        return [self.model, *(path for _, path in sorted(self.paths.items()))]

    def check(self, config: Config) -> None:
        """Check that this voice and these files can do a conversion, before any network is loaded.

        Raises:
            BadInput: the voice lacks the speaker, a file is missing, or an option or the F0 file cannot be used.
            BadCheckpoint: the voice needs another embedder or holds numbers that are not finite, or HuBERT's or the F0
                method's file is of another network.
        """
        if not 0 <= config.speaker < self.speakers:
            known = "only speaker 0" if self.speakers == 1 else f"speakers 0 to {self.speakers - 1}"
            raise BadInput(f"speaker is {config.speaker}, but {self.model.name} has {known}")
        embedder = self.voice.embedder
        if embedder is not None and not embedder.is_own and not self.hubert_is_named:
            raise BadCheckpoint(
                f"{self.model.name} was trained with the embedder {embedder.name}, not with ContentVec; give that "
                "model with --hubert"
            )
        if "hubert" not in self.paths:
            raise BadInput("no HuBERT was named; give a transformers folder or hubert_base.pt with --hubert")
        if not self.paths["hubert"].exists():
            raise BadInput(f"there is no HuBERT at {self.paths['hubert']}")
        method = registry.named(config.f0_method)
        if self.f0 and method.needs_file and method.network is not None and method.network.role not in self.paths:
            raise method.missing_file()
        for name, path in self.paths.items():
            if not path.exists():
                raise BadInput(f"there is no file {path} for --{name}")
        if self.precision not in PRECISIONS:
            raise BadInput(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if config.f0_file is not None:
            curve_file.read_curve(config.f0_file)
        if self._retrieves(config):
            self._index_warnings = self._get("index", self._load_index).warnings
        self._check_weights(config)

    def _check_weights(self, config: Config) -> None:
        """Check the weight files that a conversion reads, each once.  Raises BadCheckpoint."""
        from rvc.content.features import check_hubert

        hubert, network = self.paths["hubert"], registry.named(config.f0_method).network
        if hubert not in self._checked:
            check_hubert(hubert, self.version)
            self._checked.add(hubert)
        path = self.paths.get(network.role) if self.f0 and network is not None else None
        if network is not None and path is not None and path not in self._checked:
            check_weights(network, path)
            self._checked.add(path)
        if self.model not in self._checked:
            self.voice.refuse_odd_numbers()
            self._checked.add(self.model)

    def warnings(self) -> list[str]:
        """What the user should know of the voice and, after `check`, of the index, one sentence each."""
        sentences = [*self.voice.warnings, *self._index_warnings]
        embedder = self.voice.embedder
        if embedder is None or embedder.is_own:
            return sentences
        return [
            *sentences,
            f"{self.model.name} was trained with the embedder {embedder.name}; the HuBERT {self.paths['hubert']} is "
            "assumed to be that one",
        ]

    def notes(self, config: Config) -> list[str]:
        """Options that have no effect in this conversion, one sentence each."""
        notes = self.warnings()
        if "index" in self.paths and config.index_rate == 0:
            notes.append("the index is not used, since the index rate is 0")
        notes += self.f0_file_notes(config)
        if not self.f0:
            notes.append("this voice has no pitch of its own: the F0 method, transposition and protect have no effect")
        return notes

    def f0_file_notes(self, config: Config) -> list[str]:
        """What the user should know of the F0 file, one sentence each.  Raises BadInput for an unusable file."""
        return curve_file.notes(curve_file.read_curve(config.f0_file)) if config.f0_file is not None and self.f0 else []

    def track(
        self, padded: npt.NDArray[np.float64], config: Config, noise: NoiseSource
    ) -> npt.NDArray[np.floating[Any]]:
        """`f0.raw`: the F0 that the method itself returns, float (≥ P,), Hz, 0 where unvoiced.

        Args:
            padded: float64 (L,) at 16 kHz, P = L // 160.
            config: gives the method and its filter radius.
            noise: the source of CREPE's dither.
        Raises:
            BadInput: the sound is too short for the method.
            MissingExtra: the method's package is not installed.
            BadCheckpoint: the method's weights are damaged or of another network.
        """
        method = config.f0_method
        with self._borrow("f0", self._f0_weights) as weights:
            return tracking.track(padded, method, weights=weights, noise=noise, filter_radius=config.filter_radius)

    def packed_for(self, seconds: float) -> AbstractContextManager[None]:
        """Choose the backends of networks that are packed in this block by the time to pack and to apply them.

        Networks that are kept are packed once for many conversions, so that the time to apply them decides.

        Args:
            seconds: the seconds of sound that one packing serves.
        """
        return selection.packed_for(seconds) if self.policy.is_streamed else nullcontext()

    @contextmanager
    def borrow_hubert(self, low_latency: bool = False) -> Iterator[Hubert]:
        """HuBERT, for as long as the block lasts; low_latency: the one for realtime blocks."""
        name = "low-latency hubert" if low_latency else "hubert"
        with self._borrow(name, partial(self._load_hubert, low_latency)) as hubert:
            yield hubert

    @contextmanager
    def borrow_index(self, config: Config) -> Iterator[Index | None]:
        """The retrieval index for as long as the block lasts, or None for a conversion without retrieval."""
        if not self._retrieves(config):
            yield None
            return
        with self._borrow("index", self._load_index) as index:
            yield index

    @contextmanager
    def borrow_synthesizer(self) -> Iterator[Synthesizer]:
        """The voice's synthesizer, for as long as the block lasts."""
        with self._borrow("synthesizer", self._build) as synthesizer:
            yield synthesizer

    def f0_weights(self) -> F0Weights:
        """The networks of F0 methods, each loaded when it is first needed; they are kept."""
        weights: F0Weights = self._get("f0", self._f0_weights)
        return weights

    def load(self, config: Config) -> None:
        """Load every network that a conversion uses, so that the first conversion is as fast as later ones.

        Raises:
            RvcError: a file is missing or damaged, or does not fit.
        """
        self.check(config)
        self._get("hubert", self._load_hubert)
        self._get("synthesizer", self._build)
        if self.f0 and registry.named(config.f0_method).is_neural:
            self.f0_weights().network(config.f0_method)

    def loaded(self) -> set[str]:
        """Names of what is in memory: "synthesizer", "hubert", "low-latency hubert", "index", "f0"."""
        return set(self._loaded)

    def _retrieves(self, config: Config) -> bool:
        return "index" in self.paths and config.index_rate != 0

    def _f0_weights(self) -> F0Weights:
        return F0Weights(self.paths, self.device, policy=self.policy)

    @property
    def policy(self) -> WeightPolicy:
        """How networks hold their weights: streamed on the CPU where they are not kept."""
        return RESIDENT if self.keep or self.device != "cpu" else STREAMED

    def _build(self) -> Synthesizer:
        return self.voice.synthesizer if self.keep else self.voice.build(self.policy)

    def _load_hubert(self, low_latency: bool = False) -> Hubert:
        from rvc.content.features import load_hubert

        policy = replace(self.policy, low_latency=low_latency)
        return load_hubert(self.paths["hubert"], self.device, self.precision, policy)

    def _load_index(self) -> Index:
        from rvc.retrieval.search import load_index

        index = load_index(self.paths["index"])
        index.refuse_other_width(VERSIONS[self.version].content_channels)
        return index

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._loaded:
                if not self.keep:
                    trim_heap()  # memory that the previous stage released
                    release_library_code()
                self._loaded[name] = load()
                if not self.keep:
                    trim_heap()  # memory that only the loading needed
                    release_library_code()
            return self._loaded[name]

    @contextmanager
    def _borrow(self, name: str, load: Callable[[], Any]) -> Iterator[Any]:
        try:
            yield self._get(name, load)
        finally:
            if not self.keep:
                with self._lock:
                    self._loaded.pop(name, None)
                trim_heap()  # otherwise what follows is allocated beside the memory that the network leaves


def resolve_device(device: str) -> str:
    """The device to use: "auto" becomes the first of cuda, mps and cpu that this machine has.

    Raises:
        BadInput: this machine does not have the device.
    """
    import torch

    from rvc.nn.kernels.backends.cuda import use_exact_float32

    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if have[name])
    if not have.get(device.split(":")[0], False):
        known = ", ".join(name for name in have if have[name])
        raise BadInput(f"this machine has no device {device!r}; it has {known}")
    if device.startswith("cuda"):
        use_exact_float32()
    return device
