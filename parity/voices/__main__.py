"""`python -m parity.voices OUT_DIR`, the same as `rvc-parity voices OUT_DIR`."""

import sys

from parity.voices.command import main

if __name__ == "__main__":
    sys.exit(main())
