"""`python -m bench.tiers`: the command of `bench.sections.precisions`, under its short name."""

import sys

from bench.sections.precisions import main

if __name__ == "__main__":
    sys.exit(main())
