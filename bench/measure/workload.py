"""The timed conversion: the committed speech, repeated to a length, with a full-size voice, by rvc or an original."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr

from parity import voices

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ("speech_en_pauses.flac", "speech_de.flac")


@dataclass(frozen=True)
class Workload:
    """A conversion: one file, one voice, one F0 method.

    Attributes:
        audio: the input.
        seconds: length of the input.
        kind: kind of synthetic voice (parity/voices).
        f0_method: name of the F0 method.
        index_rate: strength of retrieval; 0 leaves out the index.
        threads: threads of each program.
        variables: environment variables of each program, such as caps on its instructions.
    """

    audio: Path
    seconds: float
    kind: str = "v2-40k-f0"
    f0_method: str = "rmvpe"
    index_rate: float = 0.75
    threads: int = 2
    variables: Mapping[str, str] = field(default_factory=dict)

    def weight_options(self) -> list[str]:
        """Options that name the synthetic weights, which are made first where the cache lacks them."""
        options = ["--model", str(voices.make_voice(self.kind)), "--hubert", str(voices.make_hubert())]
        if self.f0_method == "rmvpe":  # originals require it even for voices without F0
            options += ["--rmvpe", str(voices.make_rmvpe())]
        if self.index_rate:
            options += ["--index", str(voices.make_index(self.kind[:2]))]
        return options

    def voice_options(self) -> list[str]:
        """Options of the weights, and the index rate where there is an index."""
        return [*self.weight_options(), *(["--index-rate", f"{self.index_rate:g}"] if self.index_rate else [])]

    def common_options(self) -> list[str]:
        """Options that rvc and originals share; all are explicit, since defaults differ."""
        return [*self.voice_options(), "--f0-method", self.f0_method, "--protect", "0.33", "--rms-mix-rate", "1"]

    def rvc_command(self, out: Path, *extra: str, profile: str = "rvc-python") -> list[str]:
        """The command that converts with `rvc`."""
        head = [sys.executable, "-m", "rvc", "convert", str(self.audio), str(out), "--profile", profile]
        return [*head, *self.common_options(), "--threads", str(self.threads), "--json", *extra]

    def original_command(self, profile: str = "rvc-python", checkout: Path | None = None) -> list[str]:
        """The command that converts with an original, without taps."""
        head = [sys.executable, "-m", "reference.run_timed", str(self.audio), "--original", profile]
        where = [] if checkout is None else ["--checkout", str(checkout)]
        return [*head, *where, *self.common_options(), "--threads", str(self.threads)]


def speech(seconds: float, folder: Path, rate: int = 16000) -> Path:
    """Write the committed speech, repeated to exactly `seconds`, as a WAV at `rate` Hz into `folder`."""
    pieces = [soundfile.read(ROOT / "goldens" / "inputs" / name, dtype="float32")[0] for name in SPEECH]
    once = np.concatenate(pieces)
    once = once if rate == 16000 else soxr.resample(once, 16000, rate)
    wanted = round(seconds * rate)
    path = folder / f"speech_{seconds:g}s_{rate}.wav"
    soundfile.write(path, np.tile(once, wanted // len(once) + 1)[:wanted], rate, subtype="PCM_16")
    return path
