"""`python -m parity.accuracy`, the same as `rvc-parity accuracy`."""

import sys

from parity.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["accuracy", *sys.argv[1:]]))
