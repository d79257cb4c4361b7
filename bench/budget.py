"""`python -m bench.budget`: the command of `bench.checks.budget`, under its short name."""

import sys

from bench.checks.budget import main

if __name__ == "__main__":
    sys.exit(main())
