"""`python -m parity.coverage`, the same as `rvc-parity coverage`."""

import sys

from parity.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["coverage", *sys.argv[1:]]))
