"""`python -m parity COMMAND`, the same as `rvc-parity COMMAND`."""

import sys

from parity.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
