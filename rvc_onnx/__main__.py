"""The command line: convert one sound file with an exported voice."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rvc_onnx.conversion import Conversion, Options
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.files import read_sound, write_sound
from rvc_onnx.profiles import PROFILES, seeded
from rvc_onnx.runtimes import RUNTIMES
from rvc_onnx.voice import open_voice


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="rvc-onnx",
        description="Convert a sound file with a voice that `rvc export --format onnx` wrote. Needs no PyTorch.",
    )
    made.add_argument("input", metavar="IN", type=Path, help="a WAV or FLAC file")
    made.add_argument("output", metavar="OUT", type=Path, help="the WAV file to write")
    made.add_argument("--model", metavar="DIR", type=Path, required=True, help="the exported folder")
    made.add_argument("--profile", choices=tuple(PROFILES), help="the original to reproduce (default: the folder's)")
    made.add_argument("--f0-method", metavar="METHOD", help="a graph of the folder, or pm or harvest")
    made.add_argument("--transpose", metavar="SEMITONES", type=int, default=0)
    for name, text in (
        ("index-rate", "0 keeps the content features, 1 takes the index's"),
        ("protect", "0 keeps unvoiced frames from the index, 0.5 is off"),
        ("rms-mix-rate", "1 keeps the voice's loudness, 0 the input's"),
    ):
        made.add_argument(f"--{name}", metavar="R", type=float, help=text)
    made.add_argument("--resample-rate", metavar="HZ", type=int, default=0, help="rate of OUT (default: the voice's)")
    made.add_argument("--filter-radius", metavar="N", type=int, default=3, help="for harvest: above 2, a median of 3")
    made.add_argument("--speaker", metavar="ID", type=int, default=0)
    made.add_argument("--seed", metavar="N", type=int, default=0, help="of the random numbers (default 0)")
    made.add_argument("--threads", metavar="N", type=int, default=0, help="processor threads (default: all)")
    made.add_argument("--runtime", choices=tuple(RUNTIMES), default="onnxruntime", help="default: onnxruntime")
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; returns 0, or 2 for an error that the user can mend."""
    args = parser().parse_args(arguments)
    start = time.perf_counter()
    names = ("profile", "f0_method", "transpose", "index_rate", "protect", "rms_mix_rate", "resample_rate")
    options = Options(**{name: vars(args)[name] for name in (*names, "filter_radius", "speaker", "seed")})
    try:
        voice = open_voice(args.model, args.threads, args.runtime)
        conversion = Conversion(voice, options, lambda name, value: value, seeded(options.seed))
        samples, rate = conversion.run(read_sound(args.input))
        write_sound(args.output, samples, rate)
    except OnnxVoiceError as error:
        print(f"rvc-onnx: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print("rvc-onnx: the memory is not sufficient; convert a shorter recording", file=sys.stderr)
        return 2
    took = time.perf_counter() - start
    seconds = {name: round(value, 3) for name, value in (*conversion.seconds.items(), ("total", took))}
    result = {"output": str(args.output), "rate": rate, "samples": len(samples), "seconds": seconds}
    print(json.dumps(result) if args.json else f"{args.output}: {len(samples) / rate:.2f} s at {rate} Hz, {took:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
