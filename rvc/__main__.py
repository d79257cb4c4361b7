"""python -m rvc COMMAND …"""

import gc
import os
import sys

from rvc.cli import main

__all__ = ["main", "process"]

SELDOM = 50_000, 20, 100  # objects made between two looks for garbage: torch's import makes a million, all of use
FAILED = 1


def process() -> int:
    """`main` as a process of its own, which starts a fifth of torch's import sooner, and ends at once.

    Taking down torch's modules and threads one by one takes a third of a second, and the system does it anyway.
    """
    gc.set_threshold(*SELDOM)
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has closed it
        pass
    except OSError as error:
        print(f"rvc: the output could not be written whole: {error}", file=sys.stderr)
        code = code or FAILED
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(process())
