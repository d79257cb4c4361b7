"""One file in another voice: read, convert, write, and what there is to say about it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from rvc import trace as tracing
from rvc.audio import output, preparation
from rvc.config import Config
from rvc.noise import NoiseSource, Seeded
from rvc.pipeline import offline
from rvc.pipeline.timing import Progress, Stopwatch
from rvc.pipeline.voice_networks import Parts

log = logging.getLogger(__name__)
SampleKind = Literal["int16", "float"]


@dataclass(frozen=True)
class Result:
    """What one conversion did; --json prints it."""

    input: str
    output: str
    rate: int
    samples: int
    seconds_of_audio: float
    seconds: dict[str, float]  # for each stage, and "total"
    profile: str
    options: dict[str, Any]
    noise: str
    notes: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """For people."""
        return f"{self.output}: {self.seconds_of_audio:.2f} s at {self.rate} Hz, made in {self.seconds['total']:.2f} s"


def convert_file(
    source: str | Path,
    target: str | Path,
    parts: Parts,
    config: Config,
    noise: NoiseSource,
    *,
    trace: Path | None = None,
    samples: SampleKind = "int16",
    progress: Progress | None = None,
) -> Result:
    """Read `source`, write `target`, and `trace` where one is wanted.

    samples : "int16" writes exactly `waveform.final`; "float" the same before it became integers
    Raises RvcError; then neither file has been touched.
    """
    watch = Stopwatch(progress)
    recorder = tracing.Recorder() if trace is not None else None
    tap: offline.Tap = recorder if recorder is not None else offline.unheard
    with watch.stage("total"):
        waveform, rate = offline.render(
            read(source, config, watch), parts, config, noise=noise, tap=tap, watch=watch
        )  # unnamed, so that the samples can go once they are filtered
        final = tap("waveform.final", output.to_int16(waveform))
        with watch.stage("write"):
            if trace is not None and recorder is not None:
                about = {"profile": config.profile.name, "options": options(config), "rate": rate}
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
        notes=[*config.extensions(), *parts.notes(config)],
    )


def read(source: str | Path, config: Config, watch: Stopwatch) -> preparation.Samples:
    """`audio16k.raw` of a file, on the watch."""
    with watch.stage("read"):
        return preparation.read(source, config.profile)


def options(config: Config) -> dict[str, Any]:
    """The choices of a conversion as plain values."""
    found = {item.name: getattr(config, item.name) for item in fields(config) if item.name not in ("profile", "window")}
    found["f0_file"] = str(config.f0_file) if config.f0_file else None
    window = config.window
    return {**found, "window": [window.pad, window.query, window.center, window.max]}
