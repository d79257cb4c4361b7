"""The command `own-noise`: the scale, the false alarms and the power of the statistical mode."""

import argparse
import json
from pathlib import Path

from parity.cli.command import Command, add_goldens
from parity.errors import UsageError
from parity.goldens import store
from parity.own_noise import power, sound_scale

# With a scale: short, with unvoiced frames; without F0; two voices with harmonics, whose F0 is measured. And a stream,
# whose noise alone is judged.
CASES = ("v1-40k-rmvpe-rpy", "v1-32k-nof0-rpy", "ear-turn-v2-2026", "ear-word-v1-2026", "rt-key-change-2026")


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_goldens(parser)
    parser.add_argument("--null", type=int, default=50, metavar="N", help="runs with right noise (default 50)")
    parser.add_argument("--case", choices=CASES, default=CASES[0], help=f"the golden (default {CASES[0]})")
    parser.add_argument(
        "--measure", type=Path, metavar="DIR", help=f"write {sound_scale.DATA.name} from the traces of reference.seeds"
    )


def _own_noise(options: argparse.Namespace) -> int:
    if options.measure is not None:
        document = sound_scale.measure(options.measure, options.goldens)
        sound_scale.DATA.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"{sound_scale.DATA}: {', '.join(document['cases'])}")
        return 0
    if options.null < 0:
        raise UsageError("--null is the number of runs with right noise: 0 or more")
    from parity.rvc_bridge.rvc_torch import RvcTorch  # imports torch

    program, case = RvcTorch(), store.open_case(options.goldens / options.case).check()
    blamed = []
    for seed in range(options.null):
        tried = power.trial(program, case, seed)
        blamed += [] if tried.right else [(seed, tried.result.findings[0].sentence)]
    print(f"{options.case}: rvc with its own noise, in place of the original, which it reproduces")
    print(f"right noise: {len(blamed)} of {options.null} runs blamed")
    for seed, sentence in blamed:
        print(f"  seed {seed}: {sentence}")
    faults = power.of_case(case)
    named = 0
    print(f"{'planted fault':58} {'named':6} finding")
    for number, fault in enumerate(faults):
        tried = power.trial(program, case, 10000 + number, fault)
        named += tried.right
        shown = next((each for each in tried.result.findings if each.kind in fault.expected), None)
        shown = shown or next(iter(tried.result.findings), None)
        print(f"{fault.name:58} {'yes' if tried.right else 'no':6} {shown.sentence if shown else 'none'}")
    print(f"{named} of {len(faults)} planted faults named")
    return 1 if blamed or named < len(faults) - 1 else 0


OWN_NOISE = Command(
    "own-noise",
    "measure false alarms and power of the judgment of programs that draw their own noise",
    """Run the statistical mode (rvc-parity docs own-noise) on rvc with its own noise, from other seeds, and with each
of ten planted faults. Exit code 1: a run with right noise is blamed, or more than one fault is not named.

  rvc-parity own-noise
  rvc-parity own-noise --null 5 --case v1-32k-nof0-rpy
  rvc-parity own-noise --case rt-key-change-2026      a stream
  python -m reference.seeds v1-40k-rmvpe-rpy && rvc-parity own-noise --measure out/seeds      the scale, again

exit codes: 0 as it must be, 1 not, 2 usage or bad input""",
    _add_options,
    _own_noise,
)
