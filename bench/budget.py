"""`python -m bench.budget`: short name of `bench.checks.budget`."""

import sys

from bench.checks.budget import main

if __name__ == "__main__":
    sys.exit(main())
