"""Run an original on a user's own files and write every stage's tensors to one trace file.

python -m reference.run_live IN TRACE.safetensors --model voice.pth --hubert DIR [--rmvpe FILE] [--index FILE]
    [--original rvc-python|webui-2026|webui-classic] [--checkout DIR] [options of python -m rvc convert]
"""

import argparse
import json
import sys
from pathlib import Path

from reference.errors import Refusal
from reference.originals import open_original
from reference.originals.base import require_file
from reference.recording.options import PROFILES, Options, Weights, Window


def parser(trace: bool = True) -> argparse.ArgumentParser:
    """The argument parser; the options are those of `python -m rvc convert`."""
    made = argparse.ArgumentParser(prog="python -m reference.run_live", description=__doc__)
    made.add_argument("input", type=Path)
    if trace:
        made.add_argument("trace", type=Path)
    made.add_argument("--original", choices=PROFILES, default="rvc-python")
    made.add_argument("--checkout", type=Path)
    made.add_argument("--model", type=Path, required=True)
    made.add_argument("--hubert", type=Path, required=True)
    made.add_argument("--rmvpe", type=Path)
    made.add_argument("--index", type=Path)
    default = Options()
    made.add_argument("--f0-method", default=default.f0_method)
    made.add_argument("--transpose", type=int, default=0)
    made.add_argument("--index-rate", type=float)
    made.add_argument("--protect", type=float, default=default.protect)
    made.add_argument("--rms-mix-rate", type=float, default=default.rms_mix_rate)
    made.add_argument("--resample-rate", type=int, default=0)
    made.add_argument("--filter-radius", type=int, default=default.filter_radius)
    made.add_argument("--speaker", type=int, default=0)
    made.add_argument("--window", type=float, nargs=4, default=(1, 6, 38, 41))
    made.add_argument("--seed", default="live", help="a text; the noise is drawn from the stream of that name")
    return made


def options_and_weights(namespace: argparse.Namespace) -> tuple[Options, Weights]:
    """A conversion's options and files from the parsed command line; with --index, the default index rate is 0.75."""
    rate = namespace.index_rate if namespace.index_rate is not None else (0.75 if namespace.index else 0.0)
    options = Options(
        f0_method=namespace.f0_method,
        transpose=namespace.transpose,
        index_rate=rate,
        protect=namespace.protect,
        rms_mix_rate=namespace.rms_mix_rate,
        resample_rate=namespace.resample_rate,
        filter_radius=namespace.filter_radius,
        speaker=namespace.speaker,
        window=Window(*namespace.window),
    )
    return options, Weights(namespace.model, namespace.hubert, namespace.rmvpe, namespace.index)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: written; 2: a file or an option does not fit."""
    namespace = parser().parse_args(arguments)
    options, weights = options_and_weights(namespace)
    trace = namespace.trace.resolve()
    try:
        audio = require_file(namespace.input, "IN", "a conversion")
        with open_original(namespace.original, weights, namespace.checkout) as original:
            record = original.convert(audio, options, namespace.seed)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    about = {"original": namespace.original, "seed": namespace.seed, "options": json.dumps(options.table())}
    record.write(trace, about)  # `python -m parity live` converts with the same options
    return 0


if __name__ == "__main__":
    sys.exit(main())
