"""What a conversion asks of a voice's networks, whichever program computes them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rvc.config import Config
from rvc.noise import NoiseSource
from rvc.retrieval.search import Index


class ConversionNetworks(Protocol):
    """A voice and the networks that convert to it: a voice file's (`voice_networks`) or an exported folder's."""

    @property
    def version(self) -> str:
        """ "v1" or "v2"."""

    @property
    def rate(self) -> int:
        """Output samples per second."""

    @property
    def f0(self) -> bool:
        """Whether the voice is guided by F0."""

    @property
    def segment_class(self) -> type[Any] | None:
        """What runs the stages of a segment; None: `rvc.pipeline.offline.Segment`."""

    def files(self) -> list[Path]:
        """The files and folders that the networks are read from."""

    def check(self, config: Config) -> None:
        """Raise RvcError unless these networks can do a conversion."""

    def warnings(self) -> list[str]:
        """What the user should know before a conversion, one sentence each."""

    def notes(self, config: Config) -> list[str]:
        """Options that have no effect in this conversion, one sentence each."""

    def f0_file_notes(self, config: Config) -> list[str]:
        """What the user should know of the F0 file, one sentence each."""

    def track(
        self, padded: npt.NDArray[np.float64], config: Config, noise: NoiseSource
    ) -> npt.NDArray[np.floating[Any]]:
        """`f0.raw`: float (≥ P,), Hz, 0 where unvoiced."""

    def packed_for(self, seconds: float) -> AbstractContextManager[None]:
        """Networks that are packed in this block are packed for `seconds` of sound, if they are not kept."""

    def borrow_hubert(self, low_latency: bool = False) -> AbstractContextManager[Any]:
        """The content encoder, for as long as the block lasts."""

    def borrow_index(self, config: Config) -> AbstractContextManager[Index | None]:
        """The retrieval index, or None for a conversion without retrieval."""

    def borrow_synthesizer(self) -> AbstractContextManager[Any]:
        """The synthesizer, for as long as the block lasts."""
