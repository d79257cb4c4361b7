"""A server that converts blocks with rvc's realtime stream, for `bench.sections.realtime_blocks`.

python -m bench.sections.realtime_server IN --model voice.pth --hubert DIR --rmvpe FILE [--precision float32]
    [--device cpu] [--block-time 0.25] [--extra-time 2.5] [--threads 2] [--save OUT.npz [--traced]]

The protocol is that of `reference.run_blocks`: the server prints one JSON line when it is ready. For each line N on
stdin it converts the next N blocks of IN (starting over at its end) and prints {"ms": [...]}. --save writes the output;
--traced installs a tap and writes the content features too, so that timed and traced output can be compared.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from rvc.cli import options
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.block_times import BlockTimes, describe_stream, timed_block
from rvc.realtime.controls import Controls
from rvc.realtime.model_loading import load_models
from rvc.realtime.stream import Stream


class FeatureTap:
    """A tap that stores the content features of each block."""

    def __init__(self) -> None:
        self.features: list[Any] = []

    def __call__(self, name: str, value: Any) -> Any:
        if name.endswith("hubert.features"):
            self.features.append(np.array(value))
        return value


def open_stream(arguments: argparse.Namespace, rate: int) -> Stream:
    """A warmed-up stream, by default as the originals': blocks of 0.25 s, 2.5 s of context, rmvpe, no index."""
    controls = Controls(f0_method=arguments.f0_method, rms_mix_rate=arguments.rms_mix_rate)
    networks = VoiceNetworks(
        arguments.model,
        arguments.hubert,
        rmvpe=arguments.rmvpe,
        device=arguments.device,
        precision=arguments.precision,
        keep=True,
    )
    sizes = BlockSizes.of(rate, block=arguments.block_time, extra=arguments.extra_time)
    stream = Stream(load_models(networks, "webui-2026", controls), sizes, controls)
    stream.warm_up()
    if arguments.traced:
        stream.tap = FeatureTap()
    return stream


def device_mib(device: str) -> float | None:
    """Peak of the memory that this process allocated on its GPU, in MiB; None on the CPU."""
    return torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None


def send(message: dict[str, Any]) -> None:
    """Print one line of JSON and flush it."""
    print(json.dumps(message), flush=True)


def main() -> int:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.sections.realtime_server", description=__doc__)
    parser.add_argument("input", type=Path)
    for name in ("--model", "--hubert", "--rmvpe"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--f0-method", default="rmvpe")
    parser.add_argument("--rms-mix-rate", type=float, default=0.0)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--block-time", type=float, default=0.25)
    parser.add_argument("--extra-time", type=float, default=2.5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--traced", action="store_true")
    parser.set_defaults(verbose=0)
    arguments = parser.parse_args()
    options.start(arguments)
    sound, rate = soundfile.read(arguments.input, dtype="float32")
    stream = open_stream(arguments, rate)
    size, position = stream.sizes.block, 0
    outputs: list[Any] = []
    send(describe_stream(stream))
    for line in sys.stdin:
        timings = BlockTimes(size / rate)
        for _ in range(int(line)):
            out = timed_block(stream, np.take(sound, range(position, position + size), mode="wrap"), timings)
            position += size
            if arguments.save:
                outputs.append(out)
        send({"ms": list(timings.milliseconds), "device_mib": device_mib(arguments.device)})
    if arguments.save:
        features = stream.tap.features if isinstance(stream.tap, FeatureTap) else []
        np.savez(arguments.save, out=np.concatenate(outputs), features=np.array(features))
    return 0


if __name__ == "__main__":
    sys.exit(main())
