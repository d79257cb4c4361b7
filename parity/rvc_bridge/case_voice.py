"""A case with what converts it: its voice's networks and its options as a configuration of `rvc`."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from parity.goldens.store import Case
from rvc.audio.segments import Window
from rvc.config import Config
from rvc.nn.hubert import Hubert
from rvc.nn.synthesizer import Synthesizer
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.retrieval.search import Index
from rvc.voices.contents import read_contents


@dataclass(frozen=True)
class CaseVoice:
    """What a stage needs besides its input tensors.

    Attributes:
        case: the golden.
        networks: the networks of its voice.
    """

    case: Case
    networks: VoiceNetworks

    @cached_property
    def config(self) -> Config:
        """The options of the case over the defaults of its profile."""
        return config(self.case)

    @property
    def synthesizer(self) -> Synthesizer:
        """The networks of the voice itself."""
        with self.networks.borrow_synthesizer() as synthesizer:
            return synthesizer

    def f0_network(self, method: str) -> Any:
        """The network of an F0 method: Rmvpe, Fcpe or Crepe."""
        return self.networks.f0_weights().network(method)

    def borrow_hubert(self) -> AbstractContextManager[Hubert]:
        """HuBERT, while the block lasts."""
        return self.networks.borrow_hubert()

    def borrow_index(self) -> AbstractContextManager[Index | None]:
        """The index, while the block lasts; None where the case uses none."""
        return self.networks.borrow_index(self.config)


def voice_tensors(model: Path) -> dict[str, Tensor]:
    """The tensors of a voice file under the names of docs/spec/01."""
    return dict(read_contents(model).tensors)


def config(case: Case) -> Config:
    """The options of a case over the defaults of its profile."""
    options = {name: value for name, value in case.options.items() if name not in ("window", "realtime")}
    options["window"] = Window(*case.options["window"]) if "window" in case.options else None
    if options.get("f0_file"):
        options["f0_file"] = Path(options["f0_file"])
    if "transpose" in options:
        options["transpose"] = int(options["transpose"])
    return Config.of(case.profile, **options)
