"""`python -m bench.keeping`: short name of `bench.publish.results`."""

import sys

from bench.publish.results import main

if __name__ == "__main__":
    sys.exit(main())
