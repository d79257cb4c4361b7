"""Memory over hundreds of conversions in one process and a long stream, on a small voice.

python -m reliability.soak --conversions 500 --minutes 60

Exit code 0: neither grows. 1: the interval of a slope lies above its bound.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from bench.judge.intervals import Interval, drift
from bench.measure import leak
from bench.sections.stream_memory import monitor, rise
from reliability.fuzz.targets import tiny
from rvc.api import load_voice

RATE = 16000  # Hz of the sound of the conversions
STREAM_RATE = 48000  # Hz of the stream
SECONDS = 0.5  # seconds of sound in one conversion
WARM = 10  # conversions that are left out, while libraries fill their caches
PER_CONVERSION = 0.02  # MiB; 500 conversions would add 10 MiB
PER_MINUTE = 0.1  # MiB; a stream of an hour would add 6 MiB


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both parts and print their slopes."""
    parser = argparse.ArgumentParser(prog="python -m reliability.soak", description="Memory over long runs.")
    parser.add_argument("--conversions", type=int, default=500, help="conversions in one process (default 500)")
    parser.add_argument("--minutes", type=float, default=60.0, help="sound of the stream (default 60)")
    parser.add_argument("--figures", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="rvc-soak-") as name:
        folder = Path(name)
        write_networks(folder)
        conversion = conversions(folder, options.conversions)
        stream = streamed(folder, options.minutes)
    print(f"{options.conversions} conversions: {conversion} MiB for each, bound {PER_CONVERSION}")
    print(f"a stream of {options.minutes:g} minutes: {stream} MiB for each minute, bound {PER_MINUTE}")
    if options.figures:
        figures = {
            "conversions": {"count": options.conversions, "mib_each": vars(conversion)},
            "stream": {"minutes": options.minutes, "mib_per_minute": vars(stream)},
        }
        options.figures.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(conversion.low > PER_CONVERSION or stream.low > PER_MINUTE)


def write_networks(folder: Path) -> None:
    """A voice and a HuBERT of a few kilobytes."""
    (folder / "voice.pth").write_bytes(tiny.saved(tiny.voice("v1", True)))
    (folder / "hubert").mkdir()
    (folder / "hubert" / "config.json").write_bytes(tiny.hubert_config())
    (folder / "hubert" / "model.safetensors").write_bytes(tiny.safetensors(tiny.hubert_tensors()))


def conversions(folder: Path, count: int) -> Interval:
    """The rise of the resident memory in MiB for each of `count` conversions."""
    voice = load_voice(folder / "voice.pth", hubert=folder / "hubert")
    sound = tone(RATE, SECONDS)
    return drift(leak.after_each(lambda: voice.convert(sound, rate=RATE, f0_method="pm"), count), warm=WARM)


def streamed(folder: Path, minutes: float) -> Interval:
    """The rise of the resident memory of `rvc stream` in MiB for each minute of sound."""
    sound = folder / "stream.wav"
    soundfile.write(sound, tone(STREAM_RATE, 60 * minutes), STREAM_RATE)
    files = ["--model", str(folder / "voice.pth"), "--hubert", str(folder / "hubert"), "--f0-method", "pm"]
    command = [sys.executable, "-m", "rvc", "stream", str(sound), str(folder / "out.wav"), *files]
    resident, _ = monitor(command, 1, f"a stream of {minutes:g} minutes")
    return rise(resident, 60 * minutes)


def tone(rate: int, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A tone with vibrato, float32 (rate · seconds,)."""
    time = np.arange(int(rate * seconds), dtype=np.float64) / rate
    made: np.ndarray[tuple[int], np.dtype[np.float32]] = (
        0.3 * np.sin(2 * np.pi * 200 * time + 3 * np.sin(2 * np.pi * 5 * time))
    ).astype(np.float32)
    return made


if __name__ == "__main__":
    sys.exit(main())
