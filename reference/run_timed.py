"""Run an original once without taps and print how long its stages took, for `nox -s bench`.

python -m reference.run_timed IN --model voice.pth --hubert DIR [--rmvpe FILE] [--index FILE] [the options of run_live]

The original draws its own noise and no tensor is copied. Four durations are measured: total, F0, features, synthesizer.
--repeat N prints those of each conversion (`each`); on a GPU, `device_mib` is the peak of its memory. With --serve the
program prints one JSON line when the original is imported, and such a report for each line N on stdin, after N
conversions; the first of them loads the voice.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from parity.goldens.trace_file import Trace
from parity.hooks.interception import replaced
from reference.errors import Refusal
from reference.originals import open_original
from reference.originals.base import require_file
from reference.run_live import options_and_weights, parser
from reference.runtime_options import add_runtime, device_mib, runtime_of


class Stopwatch:
    """Has the interface of `OfflineTaps` and records seconds instead of tensors."""

    seconds: dict[str, float]

    def __init__(self, vc: Any, **_modules: Any) -> None:
        self.vc = vc
        self.seconds = {"total": 0.0, "f0": 0.0, "features": 0.0, "synthesizer": 0.0}
        Stopwatch.seconds = self.seconds

    def hubert(self, *_tensors: Any) -> None:
        """The tap on HuBERT; records nothing."""

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call` with a clock: its duration is added to `stage`."""

        def run(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds[stage] += time.perf_counter() - start

        return run

    @contextmanager
    def installed(self) -> Iterator[Trace]:
        """Install the clocks while the block runs."""
        original, start = self.vc.pipeline, time.perf_counter()
        with ExitStack() as stack:
            stack.enter_context(replaced(original, get_f0=self.timed("f0", original.get_f0)))
            stack.enter_context(replaced(original, vc=self.timed("features", original.vc)))
            stack.enter_context(replaced(self.vc.net_g, infer=self.timed("synthesizer", self.vc.net_g.infer)))
            yield Trace()
        self.seconds["features"] -= self.seconds[
            "synthesizer"
        ]  # `vc` converts a segment: features, retrieval, synthesizer
        self.seconds["total"] = time.perf_counter() - start


def arguments_parser() -> argparse.ArgumentParser:
    """The command line of run_live without its trace, and the threads."""
    made = parser(trace=False)
    made.prog, made.description = "python -m reference.run_timed", __doc__
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--serve", action="store_true", help="convert as often as each line of stdin states")
    made.add_argument("--repeat", type=int, default=1, metavar="N", help="convert N times in one process")
    add_runtime(made)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: timed; 2: a file or an option does not fit."""
    namespace = arguments_parser().parse_args(arguments)
    options, weights = options_and_weights(namespace)
    try:
        audio = require_file(namespace.input, "IN", "a conversion")
        runtime = runtime_of(namespace)
        with open_original(namespace.original, weights, namespace.checkout, namespace.threads, runtime) as original:
            module = sys.modules[type(original).__module__]
            with replaced(module, OfflineTaps=Stopwatch):
                if namespace.serve:
                    print(json.dumps({"loaded": True}), flush=True)
                for count in map(int, sys.stdin) if namespace.serve else (namespace.repeat,):
                    each = list[dict[str, float]]()
                    for _ in range(count):
                        original.convert(audio, options, "timed")
                        each.append(Stopwatch.seconds)
                    report = {"original": namespace.original, "seconds": each[-1], "each": each}
                    print(json.dumps({**report, "device_mib": device_mib(runtime)}), flush=True)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
