"""A voice in a program's hands: loaded once, used from any thread, the same bits every time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.audio import output, preparation, tools
from rvc.audio.decoding import refuse_odd_values
from rvc.config import Config
from rvc.errors import RvcError
from rvc.noise import NoiseSource, Seeded
from rvc.pipeline import offline
from rvc.pipeline.timing import Stopwatch
from rvc.pipeline.voice_networks import Parts


@dataclass(frozen=True)
class Converted:
    """samples : int16 (M,);  rate : Hz;  seconds : how long each stage took"""

    samples: npt.NDArray[np.int16]
    rate: int
    seconds: dict[str, float]

    def write(self, path: str | Path) -> None:
        """A .wav or .flac file of exactly these samples.  Raises BadInput when it cannot be written."""
        output.write_audio(path, self.samples, self.rate)


class LoadedVoice:
    """A voice with everything it is heard with; made by `load_voice`."""

    def __init__(self, parts: Parts, profile: str) -> None:
        self.parts = parts
        self.profile = profile

    def convert(
        self,
        source: str | Path | npt.NDArray[np.floating[Any]],
        *,
        rate: int = preparation.RATE,
        seed: int = 0,
        noise: NoiseSource | None = None,
        tap: offline.Tap = offline.unheard,
        profile: str | None = None,
        **options: Any,
    ) -> Converted:
        """Say a recording in this voice.

        source  : a file of sound, or float samples (N,) or (N, channels) at `rate`
        noise   : overrides `seed`;  tap : told every intermediate value
        options : fields of `Config`, such as transpose=3, f0_method="pm", index_rate=0.5, protect=0.2, speaker=1
        Raises RvcError, in one sentence.
        """
        config = Config.of(profile or self.profile, **options)
        watch = Stopwatch()
        with watch.stage("total"):
            with watch.stage("read"):
                raw = self._samples(source, rate, config)
            final, out_rate = offline.convert(
                raw, self.parts, config, noise=noise or Seeded(seed), tap=tap, watch=watch
            )
        return Converted(final, out_rate, watch.seconds)

    def info(self) -> dict[str, Any]:
        """What the voice file says and what it was found to be."""
        voice = self.parts.voice
        return {
            "file": str(voice.path),
            "version": voice.version,
            "rate": voice.rate,
            "f0": voice.f0,
            "speakers": voice.speakers,
            "info": voice.info,
            "notes": voice.notes,
            "index": str(self.parts.paths["index"]) if "index" in self.parts.paths else None,
            "profile": self.profile,
        }

    def is_ready(self, **options: Any) -> bool:
        """Whether `convert` with these options has all the files it needs; what is missing, `convert` says."""
        try:
            self.parts.check(Config.of(self.profile, **options))
        except RvcError:
            return False
        return True

    def load(self, **options: Any) -> LoadedVoice:
        """Load every network now, so that the first conversion is as fast as the next; returns this voice."""
        self.parts.load(Config.of(self.profile, **options))
        return self

    def _samples(
        self, source: str | Path | npt.NDArray[np.floating[Any]], rate: int, config: Config
    ) -> preparation.Samples:
        if isinstance(source, str | Path):
            return preparation.read(source, config.profile)
        mono = tools.mono(np.asarray(source, np.float32), "power")
        refuse_odd_values(mono, rate, "the array")
        return tools.resample(mono, rate, preparation.RATE)


def load_voice(
    model: str | Path,
    *,
    hubert: str | Path | None = None,
    index: str | Path | None = None,
    rmvpe: str | Path | None = None,
    crepe: str | Path | None = None,
    fcpe: str | Path | None = None,
    profile: str = "webui-2026",
    device: str = "cpu",
    precision: str = "float32",
) -> LoadedVoice:
    """Open a voice for many conversions.

    model   : voice.pth, a training checkpoint or .safetensors, or the name of a voice in $RVC_VOICES
    hubert  : left out, it is looked for in $RVC_HUBERT, beside the voice, and in "assets"; `rmvpe` likewise
    profile : which original to be exact to
    Raises RvcError, in one sentence, when the voice file is not one.
    """
    from rvc.voices.folder import find_voice

    path, found = find_voice(model)
    parts = Parts(path, hubert, index or found, rmvpe=rmvpe, crepe=crepe, fcpe=fcpe, device=device, precision=precision)
    return LoadedVoice(parts, profile)
