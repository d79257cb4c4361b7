"""The command line: `rvc COMMAND …`, or `python -m rvc COMMAND …`."""

import gc
import os
import sys
from typing import NoReturn

from rvc.cli.main import main

__all__ = ["main", "process"]

# Thresholds of the garbage collector, in objects. Importing torch makes a million objects, none of them garbage, and
# takes a fifth less time with fewer collections.
COLLECTOR_THRESHOLDS = 50_000, 20, 100
FAILED = 1  # exit code after an error of the system


def process() -> NoReturn:
    """Run `main` and end the process without destroying modules and threads.

    Python would take a third of a second to destroy those of torch, and the system releases them anyway.
    """
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has closed it
        code = 0
    except OSError as error:  # a full disk, most of all
        print(f"rvc: the system refused: {error}", file=sys.stderr)
        code = FAILED
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    process()
