"""The public interface: open an exported folder, convert recordings and streams with it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx.conversion import Conversion, Options
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.folder import Folder
from rvc_onnx.profiles import Noise, Record, seeded
from rvc_onnx.stream import BlockSizes, Controls, Stream


class Voice(Folder):
    """An opened folder that converts."""

    def convert(
        self,
        raw: npt.NDArray[np.float32],
        options: Options | None = None,
        *,
        record: Record = lambda name, value: value,
        noise: Noise | None = None,
        **changes: Any,
    ) -> tuple[npt.NDArray[np.int16], int]:
        """Convert a recording.

        Args:
            raw: float32 (N,) at 16 kHz, more than 25 ms.
            options: the options of the conversion.
            record: called with the name and value of every tensor of docs/spec/00 §0.3.
            noise: draws (name, shape, kind); None draws from `options.seed`.
            changes: fields of `Options`, such as transpose=3.
        Returns:
            `waveform.final`, int16 (M,), and its rate in Hz.
        Raises:
            OnnxVoiceError: an option or the sound cannot be used.
        """
        if unknown := set(changes) - {item.name for item in fields(Options)}:
            raise OnnxVoiceError(f"there is no option {min(unknown)}")
        options = Options(**{**(vars(options) if options else {}), **changes})
        return Conversion(self, options, record, noise or seeded(options.seed)).run(np.asarray(raw, np.float32))

    def stream(
        self,
        sizes: BlockSizes,
        controls: Controls | None = None,
        *,
        profile: str | None = None,
        seed: int = 0,
        record: Record = lambda name, value: value,
        noise: Noise | None = None,
    ) -> Stream:
        """A stream; its method `block` converts one block after the other.

        Args:
            sizes: lengths at the device rate, such as BlockSizes.of(48000).
            controls: the settings; the originals' defaults without them.
            profile: the original to reproduce; None takes the folder's.
            seed: the seed of every random number.
            record: called with the name and value of every tensor of docs/spec/00 §0.4.
            noise: draws (name, shape, kind); None draws from `seed`.
        Raises:
            OnnxVoiceError: the voice lacks the speaker or the F0 method.
        """
        chosen = profile or str(self.facts["profile"])
        return Stream(self, sizes, controls or Controls(), profile=chosen, noise=noise or seeded(seed), record=record)


def open_voice(folder: str | Path, threads: int = 0, runtime: str = "onnxruntime") -> Voice:
    """Open an exported folder; see `Folder` for the arguments.  Raises OnnxVoiceError."""
    return Voice(Path(folder), threads, runtime)
