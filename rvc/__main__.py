"""python -m rvc COMMAND …"""

import sys

from rvc.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
