"""`python -m field`: see field.command."""

import sys

from field.command import main

if __name__ == "__main__":
    sys.exit(main())
