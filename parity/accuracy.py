"""`python -m parity.accuracy`: the command of `parity.calibration.accuracy`, under its short name."""

import sys

from parity.calibration.accuracy import main

if __name__ == "__main__":
    sys.exit(main())
