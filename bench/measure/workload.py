"""What is timed: the committed speech, repeated to a length, through a full-size voice, by ours and by an original."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from parity import voices

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ("speech_en_pauses.flac", "speech_de.flac")


@dataclass(frozen=True)
class Workload:
    """A conversion to time: one file, one voice, one F0 method."""

    audio: Path
    seconds: float
    kind: str = "v2-40k-f0"
    f0_method: str = "rmvpe"
    index_rate: float = 0.75
    threads: int = 2

    def weights(self) -> list[str]:
        """The options that name the synthetic weights; made first where the cache lacks them."""
        options = ["--model", str(voices.make_voice(self.kind)), "--hubert", str(voices.make_hubert())]
        if self.f0_method == "rmvpe":  # a voice without F0 does not read it, but an original wants it named
            options += ["--rmvpe", str(voices.make_rmvpe())]
        if self.index_rate:
            options += ["--index", str(voices.make_index(self.kind[:2]))]
        return options

    def files(self) -> list[str]:
        """The weights, and how far retrieval goes where it has an index."""
        return [*self.weights(), *(["--index-rate", f"{self.index_rate:g}"] if self.index_rate else [])]

    def common(self) -> list[str]:
        """The options both sides understand, none left to a side's own default."""
        return [*self.files(), "--f0-method", self.f0_method, "--protect", "0.33", "--rms-mix-rate", "1"]

    def ours(self, out: Path, *extra: str, profile: str = "rvc-python") -> list[str]:
        """The command that converts with `rvc`."""
        head = [sys.executable, "-m", "rvc", "convert", str(self.audio), str(out), "--profile", profile]
        return [*head, *self.common(), "--threads", str(self.threads), "--json", *extra]

    def original(self, profile: str = "rvc-python", checkout: Path | None = None) -> list[str]:
        """The command that converts with an original, unheard."""
        head = [sys.executable, "-m", "reference.run_timed", str(self.audio), "--original", profile]
        where = [] if checkout is None else ["--checkout", str(checkout)]
        return [*head, *where, *self.common(), "--threads", str(self.threads)]


def speech(seconds: float, folder: Path, rate: int = 16000) -> Path:
    """The committed speech again and again, exactly `seconds` long, as a WAV at `rate` Hz in `folder`."""
    pieces = [soundfile.read(ROOT / "goldens" / "inputs" / name, dtype="float32")[0] for name in SPEECH]
    once = np.concatenate(pieces)
    once = once if rate == 16000 else soxr.resample(once, 16000, rate)
    wanted = round(seconds * rate)
    path = folder / f"speech_{seconds:g}s_{rate}.wav"
    soundfile.write(path, np.tile(once, wanted // len(once) + 1)[:wanted], rate, subtype="PCM_16")
    return path
