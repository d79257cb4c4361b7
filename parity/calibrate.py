"""`python -m parity.calibrate`: the command of `parity.calibration.leave_one_out`, under its short name."""

import sys

from parity.calibration.leave_one_out import main

if __name__ == "__main__":
    sys.exit(main())
