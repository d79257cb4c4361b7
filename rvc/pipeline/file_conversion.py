"""Conversion of one file: read, convert, write, and a report of what was done."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from rvc import trace as tracing
from rvc.audio import output, preparation
from rvc.config import Config
from rvc.nn.kernels.backends import selection
from rvc.noise import NoiseSource, Seeded
from rvc.pipeline import offline
from rvc.pipeline.conversion_networks import ConversionNetworks
from rvc.pipeline.timing import Progress, Stopwatch
from rvc.trace import Tap, no_tap

log = logging.getLogger(__name__)
SampleKind = Literal["int16", "float"]


@dataclass(frozen=True)
class Result:
    """What one conversion did; `--json` prints it."""

    input: str
    output: str
    rate: int  # Hz, the rate of the output
    samples: int  # number of samples of the output
    seconds_of_audio: float
    seconds: dict[str, float]  # name of a stage → its duration in seconds; and "total"
    profile: str
    options: dict[str, Any]
    noise: str  # "seed 0", or "tape"
    notes: list[str] = field(default_factory=list)
    backends: dict[str, Any] = field(default_factory=dict)  # what decided, and the backend by class of shape

    def sentence(self) -> str:
        """The result in one line of text."""
        return f"{self.output}: {self.seconds_of_audio:.2f} s at {self.rate} Hz, made in {self.seconds['total']:.2f} s"


def convert_file(
    source: str | Path,
    target: str | Path,
    networks: ConversionNetworks,
    config: Config,
    noise: NoiseSource,
    *,
    trace: Path | None = None,
    samples: SampleKind = "int16",
    progress: Progress | None = None,
) -> Result:
    """Convert the file `source` and write the result to `target`.

    Args:
        source: an audio file.
        target: a .wav or .flac file.
        networks: the voice and the networks of its stages.
        config: the options of this conversion.
        noise: the source of every random number.
        trace: a .safetensors file to which every intermediate value is written.
        samples: "int16" writes exactly `waveform.final`; "float" writes the values before they became integers.
        progress: called as segments are finished.
    Raises:
        RvcError: the conversion is not possible; then neither `target` nor `trace` has been written.
    """
    watch = Stopwatch(progress)
    recorder = tracing.Recorder() if trace is not None else None
    tap: Tap = recorder if recorder is not None else no_tap
    with watch.stage("total"):
        # The samples are passed without a name here, so that `render` can release them once they are filtered.
        waveform, rate = offline.render(
            read(source, config, watch), networks, config, noise=noise, tap=tap, watch=watch
        )
        final = tap("waveform.final", output.to_int16(waveform))
        with watch.stage("write"):
            if trace is not None and recorder is not None:
                about = {"profile": config.profile.name, "options": options(config), "rate": rate}
                about["backends"] = selection.report()
                tracing.write(trace, recorder, about)
            output.write_audio(target, final if samples == "int16" else output.guard(waveform), rate)
    return Result(
        input=str(source),
        output=str(target),
        rate=rate,
        samples=len(final),
        seconds_of_audio=round(len(final) / rate, 6),
        seconds={name: round(took, 4) for name, took in watch.seconds.items()},
        profile=config.profile.name,
        options=options(config),
        noise=f"seed {noise.seed}" if isinstance(noise, Seeded) else "tape",
        notes=[*config.extensions(), *networks.notes(config)],
        backends=selection.report(),
    )


def read(source: str | Path, config: Config, watch: Stopwatch) -> preparation.Samples:
    """`audio16k.raw` of a file, float32 (N,) at 16 kHz; its time is counted as the stage "read"."""
    with watch.stage("read"):
        return preparation.read(source, config.profile)


def options(config: Config) -> dict[str, Any]:
    """The options of a conversion as plain values for JSON."""
    values = {
        item.name: getattr(config, item.name) for item in fields(config) if item.name not in ("profile", "window")
    }
    values["f0_file"] = str(config.f0_file) if config.f0_file else None
    window = config.window
    return {**values, "window": [window.pad, window.query, window.center, window.max]}
