"""`python -m bench.tiers`: short name of `bench.sections.precision_table`."""

import sys

from bench.sections.precision_table import main

if __name__ == "__main__":
    sys.exit(main())
