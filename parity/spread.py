"""`python -m parity.spread`: the command of `parity.calibration.spread`, under its short name."""

import sys

from parity.calibration.spread import main

if __name__ == "__main__":
    sys.exit(main())
