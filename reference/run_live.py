"""Run an original on a user's own files and write what every stage computed: a trace, stored nowhere else.

python -m reference.run_live IN TRACE.safetensors --model voice.pth --hubert DIR [--rmvpe FILE] [--index FILE]
    [--original rvc-python|webui-2026|webui-classic] [--checkout DIR] [options of python -m rvc convert]
"""

import argparse
import json
import sys
from pathlib import Path

from reference.hooks.interception import Refusal
from reference.originals import opened
from reference.originals.base import need
from reference.recording.options import PROFILES, Options, Weights, Window


def parser(trace: bool = True) -> argparse.ArgumentParser:
    """The command line; the options are those of `python -m rvc convert`."""
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


def chosen(given: argparse.Namespace) -> tuple[Options, Weights]:
    """The command line as a conversion's options and its files; retrieval is on where there is an index."""
    rate = given.index_rate if given.index_rate is not None else (0.75 if given.index else 0.0)
    options = Options(
        f0_method=given.f0_method,
        transpose=given.transpose,
        index_rate=rate,
        protect=given.protect,
        rms_mix_rate=given.rms_mix_rate,
        resample_rate=given.resample_rate,
        filter_radius=given.filter_radius,
        speaker=given.speaker,
        window=Window(*given.window),
    )
    return options, Weights(given.model, given.hubert, given.rmvpe, given.index)


def main(arguments: list[str] | None = None) -> int:
    """0 written, 2 a file or an option does not fit."""
    given = parser().parse_args(arguments)
    options, weights = chosen(given)
    trace = given.trace.resolve()
    try:
        audio = need(given.input, "IN", "a conversion")
        with opened(given.original, weights, given.checkout) as original:
            record = original.convert(audio, options, given.seed)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    about = {"original": given.original, "seed": given.seed, "options": json.dumps(options.table())}
    record.write(trace, about)  # `python -m parity live` converts with the same options
    return 0


if __name__ == "__main__":
    sys.exit(main())
