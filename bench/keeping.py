"""`python -m bench.keeping`: the command of `bench.publish.results`, under its short name."""

import sys

from bench.publish.results import main

if __name__ == "__main__":
    sys.exit(main())
