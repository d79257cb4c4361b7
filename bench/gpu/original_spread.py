"""The original on a device beside its own goldens: a document like `parity/data/spread.json`, of its variants only."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.gpu.pack import ABOUT, ORIGINAL
from bench.gpu.parts import REDUCED
from parity.calibration import spread

VARIANTS = {"cuda": ("cuda", "cuda-float16"), "cpu": ("cpu-device",)}


def main() -> int:
    """Run the variants of the device on the packed goldens of the original, and measure their distances."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.original_spread", description=main.__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--device", choices=REDUCED, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    about = json.loads((options.pack / ABOUT).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as traces:
        command = [sys.executable, "-m", "reference.spread", "--original", ORIGINAL, "--out", traces]
        command += ["--checkout", str(options.pack / "original")]
        for variant in VARIANTS[options.device]:
            command += ["--variant", variant]
        code = subprocess.run([*command, *about["for_original"]], check=False).returncode
        if code:
            return code
        document = spread.measure(Path(traces), options.pack / "code" / "goldens" / "cases")
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
