"""python -m rvc COMMAND …"""

import gc
import sys

from rvc.cli import main

__all__ = ["main", "process"]

SELDOM = 50_000, 20, 100  # objects made between two looks for garbage: torch's import makes a million, all of use


def process() -> int:
    """`main` as a process of its own, which starts and ends a fifth of torch's import sooner."""
    gc.set_threshold(*SELDOM)
    try:
        return main()
    finally:
        gc.freeze()  # there is nothing to look for at the end


if __name__ == "__main__":
    sys.exit(process())
