"""The networks that one voice needs, loaded when first asked for and, unless kept, let go when their stage is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rvc.config import Config
from rvc.errors import BadInput
from rvc.f0 import postprocessing
from rvc.f0.network_files import F0Weights
from rvc.nn.kernels.conv import PRECISIONS
from rvc.noise import NoiseSource
from rvc.voices.voice import Voice, load_voice
from rvc.weights import default_paths
from rvc.weights.memory import forget_code, give_back

if TYPE_CHECKING:
    from rvc.nn.hubert import Hubert
    from rvc.nn.synthesizer import Synthesizer
    from rvc.retrieval.search import Index

WIDTHS = {"v1": 256, "v2": 768}
NETWORKS = ("crepe", "crepe-tiny", "rmvpe", "fcpe")  # F0 methods with weights


class VoiceNetworks:
    """A voice file and the files that it is heard with."""

    def __init__(
        self,
        model: str | Path,
        hubert: str | Path | None = None,
        index: str | Path | None = None,
        *,
        rmvpe: str | Path | None = None,
        crepe: str | Path | None = None,
        fcpe: str | Path | None = None,
        device: str = "cpu",
        precision: str = "float32",
        keep: bool = True,
    ) -> None:
        """Paths are opened when first needed, the voice file at once.

        keep   : True for a voice used again and again; False frees each network after its stage, and of HuBERT and
                 RMVPE holds little more than a layer at a time
        device : "cpu", "cuda" or "mps";  precision : "float32" is the one that parity is shown for
        """
        self.model = Path(model)
        hubert = hubert or default_paths.find("hubert", self.model)
        rmvpe = rmvpe or default_paths.find("rmvpe", self.model)
        named = {"hubert": hubert, "index": index, "rmvpe": rmvpe, "crepe": crepe, "fcpe": fcpe}
        self.paths = {name: Path(path) for name, path in named.items() if path is not None}
        self.device = resolve_device(device)
        self.precision = precision
        self.keep = keep
        self._lock = threading.RLock()
        self._loaded: dict[str, Any] = {}
        self.voice: Voice = load_voice(self.model, device=self.device, precision=precision)
        self.version: str = self.voice.version
        self.rate: int = self.voice.rate
        self.f0: bool = self.voice.f0
        self.speakers: int = self.voice.speakers

    def check(self, config: Config) -> None:
        """Raises BadInput for a wish that this voice or these files cannot fulfil, before anything long is begun."""
        if not 0 <= config.speaker < self.speakers:
            known = "only speaker 0" if self.speakers == 1 else f"speakers 0 to {self.speakers - 1}"
            raise BadInput(f"speaker is {config.speaker}, but {self.model.name} has {known}")
        if "hubert" not in self.paths:
            raise BadInput("no HuBERT was named; give a transformers folder or hubert_base.pt with --hubert")
        if not self.paths["hubert"].exists():
            raise BadInput(f"there is no HuBERT at {self.paths['hubert']}")
        if self.f0 and config.f0_method == "rmvpe" and "rmvpe" not in self.paths:
            raise BadInput("the F0 method rmvpe needs its weights; give --rmvpe rmvpe.pt, or another --f0-method")
        for name, path in self.paths.items():
            if not path.exists():
                raise BadInput(f"there is no file {path} for --{name}")
        if self.precision not in PRECISIONS:
            raise BadInput(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if config.f0_file is not None:
            postprocessing.read_curve(config.f0_file)
        if self._retrieves(config):
            self._get("index", self._load_index)

    def notes(self, config: Config) -> list[str]:
        """What a user should know about this conversion, one sentence each."""
        notes = []
        if "index" in self.paths and config.index_rate == 0:
            notes.append("the index is not used, since the index rate is 0")
        if not self.f0:
            notes.append("this voice has no pitch of its own: the F0 method, transposition and protect have no effect")
        return notes

    def track(
        self, padded: npt.NDArray[np.float64], config: Config, noise: NoiseSource
    ) -> npt.NDArray[np.floating[Any]]:
        """`f0.raw`: the method's own output, float (≥ P,), in Hz."""
        from rvc import f0

        method = config.f0_method
        with self._borrow("f0", self._f0_weights) as weights:
            return f0.track(padded, method, weights=weights, noise=noise, filter_radius=config.filter_radius)

    @contextmanager
    def borrow_hubert(self, hurried: bool = False) -> Iterator[Hubert]:
        """HuBERT, for as long as the block lasts; hurried: the one for live blocks."""
        with self._borrow("hurried hubert" if hurried else "hubert", partial(self._load_hubert, hurried)) as hubert:
            yield hubert

    @contextmanager
    def borrow_index(self, config: Config) -> Iterator[Index | None]:
        """The index, or None where the conversion asks for none."""
        if not self._retrieves(config):
            yield None
            return
        with self._borrow("index", self._load_index) as index:
            yield index

    @contextmanager
    def borrow_synthesizer(self) -> Iterator[Synthesizer]:
        """The voice's own networks."""
        with self._borrow("synthesizer", self._build) as synthesizer:
            yield synthesizer

    def f0_weights(self) -> F0Weights:
        """The pitch networks, each opened when first asked for; they stay."""
        weights: F0Weights = self._get("f0", self._f0_weights)
        return weights

    def load(self, config: Config) -> None:
        """Load everything that such a conversion needs, for those who want the first one to be as fast as the next."""
        self.check(config)
        self._get("hubert", self._load_hubert)
        self._get("synthesizer", self._build)
        if self.f0 and config.f0_method in NETWORKS:
            self.f0_weights().network(config.f0_method)

    def loaded(self) -> set[str]:
        """Names of what is in memory: "synthesizer", "hubert", "hurried hubert", "index", "f0"."""
        return set(self._loaded)

    def _retrieves(self, config: Config) -> bool:
        return "index" in self.paths and config.index_rate != 0

    def _f0_weights(self) -> F0Weights:
        get = self.paths.get
        return F0Weights(get("rmvpe"), get("crepe"), get("fcpe"), self.device, lean=self._is_lean)

    @property
    def _is_lean(self) -> bool:
        """Whether networks read their large layers one after the other, each time they are run."""
        return not self.keep and self.device == "cpu"

    def _build(self) -> Synthesizer:
        return self.voice.synthesizer if self.keep else self.voice.build(self._is_lean)

    def _load_hubert(self, hurried: bool = False) -> Hubert:
        from rvc.content.features import load_hubert

        return load_hubert(self.paths["hubert"], self.device, self.precision, lean=self._is_lean, hurried=hurried)

    def _load_index(self) -> Index:
        from rvc.retrieval.search import load_index

        index = load_index(self.paths["index"])
        index.refuse_other_width(WIDTHS[self.version])
        return index

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._loaded:
                if not self.keep:
                    give_back()  # what the stage before this one has let go
                    forget_code()
                self._loaded[name] = load()
                if not self.keep:
                    give_back()  # what only the laying out needed
                    forget_code()
            return self._loaded[name]

    @contextmanager
    def _borrow(self, name: str, load: Callable[[], Any]) -> Iterator[Any]:
        try:
            yield self._get(name, load)
        finally:
            if not self.keep:
                with self._lock:
                    self._loaded.pop(name, None)


def resolve_device(device: str) -> str:
    """ "auto" made definite.  Raises BadInput for a device that this machine does not have."""
    import torch

    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if have[name])
    if not have.get(device.split(":")[0], False):
        known = ", ".join(name for name in have if have[name])
        raise BadInput(f"this machine has no device {device!r}; it has {known}")
    return device
