"""`python -m parity.coverage`: the command of `parity.calibration.coverage`, under its short name."""

import sys

from parity.calibration.coverage import main

if __name__ == "__main__":
    sys.exit(main())
