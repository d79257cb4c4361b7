"""Ours as a stream that is asked for some blocks at a time: the other side of `reference.run_blocks`.

python -m bench.sections.live_blocks IN --model voice.pth --hubert DIR --rmvpe FILE [--precision float32] [--threads 2]
    [--save OUT.npz [--heard]]

One JSON line when ready; then for each line N on stdin the next N blocks of IN, again and again, and one line
{"ms": [...]} in answer. --save keeps what came out, --heard listens at every tap and keeps the content
features too: what was timed must be the same.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rvc.cli import options
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.block_times import BlockTimes, describe_stream, timed_block
from rvc.realtime.controls import Controls
from rvc.realtime.model_loading import load_models
from rvc.realtime.stream import Stream


class Ears:
    """Hears every tap of a stream and keeps the content features of each block."""

    def __init__(self) -> None:
        self.features: list[Any] = []

    def __call__(self, name: str, value: Any) -> Any:
        if name.endswith("hubert.features"):
            self.features.append(np.array(value))
        return value


def opened(given: argparse.Namespace, rate: int) -> Stream:
    """A stream with the originals' own settings: blocks of 0.25 s, 2.5 s of past, rmvpe, no index, warmed up."""
    sliders = Controls(f0_method=given.f0_method, rms_mix_rate=given.rms_mix_rate)
    parts = VoiceNetworks(given.model, given.hubert, rmvpe=given.rmvpe, precision=given.precision, keep=True)
    stream = Stream(load_models(parts, "webui-2026", sliders), BlockSizes.of(rate), sliders)
    stream.warm_up()
    if given.heard:
        stream.tap = Ears()
    return stream


def say(words: dict[str, Any]) -> None:
    """One line of JSON, at once."""
    print(json.dumps(words), flush=True)


def main() -> int:
    """0 when stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.sections.live_blocks", description=__doc__)
    parser.add_argument("input", type=Path)
    for name in ("--model", "--hubert", "--rmvpe"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--f0-method", default="rmvpe")
    parser.add_argument("--rms-mix-rate", type=float, default=0.0)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--heard", action="store_true")
    parser.set_defaults(verbose=0)
    given = parser.parse_args()
    options.start(given)
    sound, rate = soundfile.read(given.input, dtype="float32")
    stream = opened(given, rate)
    size, place = stream.sizes.block, 0
    kept: list[Any] = []
    say(describe_stream(stream))
    for line in sys.stdin:
        timings = BlockTimes(size / rate)
        for _ in range(int(line)):
            out = timed_block(stream, np.take(sound, range(place, place + size), mode="wrap"), timings)
            place += size
            if given.save:
                kept.append(out)
        say({"ms": list(timings.milliseconds)})
    if given.save:
        features = stream.tap.features if isinstance(stream.tap, Ears) else []
        np.savez(given.save, out=np.concatenate(kept), features=np.array(features))
    return 0


if __name__ == "__main__":
    sys.exit(main())
