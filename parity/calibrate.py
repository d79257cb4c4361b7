"""`python -m parity.calibrate`, the same as `rvc-parity calibrate`."""

import sys

from parity.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["calibrate", *sys.argv[1:]]))
