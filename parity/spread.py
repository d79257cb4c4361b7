"""`python -m parity.spread`, the same as `rvc-parity spread`."""

import sys

from parity.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["spread", *sys.argv[1:]]))
