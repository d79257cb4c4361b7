"""Run an original on goldens with other noise, to measure how much its own output depends on the noise.

python -m reference.seeds [--original …] [--checkout DIR] [--seeds N] [--out DIR] [CASE …]

Each conversion is written as OUT/CASE/SEED.safetensors: the complete trace, with other noise at the place of the
golden's. Files that exist already are not computed again. `rvc-parity own-noise --measure OUT` makes
parity/data/own_noise.json of them, the scale of the statistical mode (docs/own-noise.md).
"""

import argparse
import json
import sys
from pathlib import Path

from reference.errors import Refusal
from reference.originals import open_original
from reference.record import ROOT
from reference.recording import case_weights, cases, environment
from reference.recording.options import PROFILES

SEEDS = 12  # 66 pairs of waveforms for each golden


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: refused."""
    parser = argparse.ArgumentParser(prog="python -m reference.seeds", description="Run an original with other noise.")
    parser.add_argument("cases", nargs="+", metavar="CASE")
    parser.add_argument("--original", choices=PROFILES, default="rvc-python")
    parser.add_argument("--checkout", type=Path, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"runs of each golden (default {SEEDS})")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "seeds")
    options = parser.parse_args(arguments)
    try:
        specs = cases.select(cases.read(), options.original, options.cases)
        with open_original(options.original, case_weights.to_open_with(specs), options.checkout, 2) as original:
            for seed in range(1, options.seeds + 1):
                for spec in specs:
                    path = options.out / spec.name / f"{seed}.safetensors"
                    if not path.is_file():
                        original.weights = case_weights.of_case(spec).resolved()
                        original.convert(spec.audio, spec.absolute_options, f"{spec.name}+{seed}").write(path)
                        print(path, flush=True)
        for spec in specs:
            about = json.dumps({"original": options.original, "environment": environment.describe()}, indent=1)
            (options.out / spec.name / "about.json").write_text(about + "\n", encoding="utf-8")
        return 0
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
