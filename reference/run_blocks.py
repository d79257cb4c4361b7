"""Time an original's realtime window without taps, some blocks at a time.

python -m reference.run_blocks IN --original webui-2026 --checkout DIR --model voice.pth --hubert DIR [--rmvpe FILE]
    [--block-time S] [--crossfade-time S] [--extra-time S] [--threads N]

IN is a mono file at the stream's rate. The program prints one JSON line when it is ready. For each line N on stdin it
converts the next N blocks of IN (starting over at its end) and prints one line {"ms": [...]}. No tap is installed and
the original draws its own noise, so that the times are those of the original alone (`nox -s bench`).
"""

import argparse
import contextlib
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile

from reference.errors import Refusal
from reference.originals import open_original
from reference.originals.base import require_file
from reference.run_live import options_and_weights, parser
from reference.runtime_options import add_runtime, runtime_of

TIMES = {"block_time": 0.25, "crossfade_time": 0.05, "extra_time": 2.5}  # seconds, the window's own defaults


def arguments_parser() -> argparse.ArgumentParser:
    """The command line of run_live without its trace, the stream's times, and the threads."""
    made = parser(trace=False)
    made.prog, made.description = "python -m reference.run_blocks", __doc__
    for name, default in TIMES.items():
        made.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    made.add_argument("--threads", type=int, default=2)
    add_runtime(made)
    return made


def serve(block: Callable[[Any], Any], sound: Any, size: int, send: Callable[[dict[str, Any]], None]) -> None:
    """For each line N of stdin, convert the next N blocks and send their durations in milliseconds."""
    position = 0
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            piece = np.take(sound, range(position, position + size), mode="wrap")
            position += size
            start = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                block(piece)
            milliseconds.append((time.perf_counter() - start) * 1000)
        send({"ms": milliseconds})


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: stdin ended; 2: a file or an option does not fit."""
    namespace = arguments_parser().parse_args(arguments)
    options, weights = options_and_weights(namespace)
    output = sys.stdout  # the original's own prints are redirected below

    def send(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=output, flush=True)

    try:
        sound, rate = soundfile.read(require_file(namespace.input, "IN", "a stream"), dtype="float32")
        settings: dict[str, Any] = {name: getattr(namespace, name) for name in TIMES}
        settings |= {"device_rate": rate, "f0_method": options.f0_method, "transpose": options.transpose}
        settings |= {"index_rate": options.index_rate, "rms_mix_rate": options.rms_mix_rate, "formant": 0.0}
        settings |= {"input_gate_db": -60, "input_denoise": False, "output_denoise": False}
        runtime = runtime_of(namespace)
        with open_original(namespace.original, weights, namespace.checkout, namespace.threads, runtime) as original:
            window = original.window()
            index = str(original.weights.index) if original.weights.index else None
            with contextlib.redirect_stdout(io.StringIO()):
                size = window.start(settings, str(original.weights.model), index)
            send({"block_samples": size, "rate": rate})
            serve(window.block, sound, size, send)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
