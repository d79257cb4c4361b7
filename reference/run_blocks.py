"""Drive an original's realtime window unheard, some blocks at a time, and say how long each took.

python -m reference.run_blocks IN --original webui-2026 --checkout DIR --model voice.pth --hubert DIR [--rmvpe FILE]
    [--block-time S] [--crossfade-time S] [--extra-time S] [--threads N]

IN is a mono file at the stream's rate. It says one JSON line when ready; then for each line N on stdin the next N
blocks of IN, again and again, are converted, and one line {"ms": [...]} answers. No tap is laid, and the original draws
its own noise: the rival of `nox -s bench`.
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

from reference.hooks.interception import Refusal
from reference.originals import opened
from reference.originals.base import need
from reference.run_live import chosen, parser

TIMES = {"block_time": 0.25, "crossfade_time": 0.05, "extra_time": 2.5}  # seconds, the window's own defaults


def arguments_parser() -> argparse.ArgumentParser:
    """The command line of run_live without its trace, the stream's times, and the threads."""
    made = parser(trace=False)
    made.prog, made.description = "python -m reference.run_blocks", __doc__
    for name, default in TIMES.items():
        made.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    made.add_argument("--threads", type=int, default=2)
    return made


def serve(block: Callable[[Any], Any], sound: Any, size: int, say: Callable[[dict[str, Any]], None]) -> None:
    """Answer each line N of stdin with the milliseconds of the next N blocks."""
    place = 0
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            piece = np.take(sound, range(place, place + size), mode="wrap")
            place += size
            start = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                block(piece)
            milliseconds.append((time.perf_counter() - start) * 1000)
        say({"ms": milliseconds})


def main(arguments: list[str] | None = None) -> int:
    """0 when stdin ends, 2 a file or an option does not fit."""
    given = arguments_parser().parse_args(arguments)
    options, weights = chosen(given)
    channel = sys.stdout

    def say(words: dict[str, Any]) -> None:
        print(json.dumps(words), file=channel, flush=True)

    try:
        sound, rate = soundfile.read(need(given.input, "IN", "a stream"), dtype="float32")
        settings: dict[str, Any] = {name: getattr(given, name) for name in TIMES}
        settings |= {"device_rate": rate, "f0_method": options.f0_method, "transpose": options.transpose}
        settings |= {"index_rate": options.index_rate, "rms_mix_rate": options.rms_mix_rate, "formant": 0.0}
        settings |= {"input_gate_db": -60, "input_denoise": False, "output_denoise": False}
        with opened(given.original, weights, given.checkout, given.threads) as original:
            window = original.window()
            with contextlib.redirect_stdout(io.StringIO()):
                size = window.begin(settings, original.weights.model, original.weights.index)
            say({"block_samples": size, "rate": rate})
            serve(window.unheard, sound, size, say)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
