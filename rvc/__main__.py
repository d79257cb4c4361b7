"""python -m rvc COMMAND …"""

import gc
import os
import sys
from typing import NoReturn

from rvc.cli.main import main

__all__ = ["main", "process"]

SELDOM = 50_000, 20, 100  # objects made between two looks for garbage: torch's import makes a million, all of use
FAILED = 1


def process() -> NoReturn:
    """`main` as a process of its own, which starts a fifth of torch's import sooner, and ends at once.

    Taking down torch's modules and threads one by one takes a third of a second, and the system does it anyway.
    """
    gc.set_threshold(*SELDOM)
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has closed it
        code = 0
    except OSError as error:  # a full disk, most of all
        print(f"rvc: the system refused: {error}", file=sys.stderr)
        code = FAILED
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    process()
