"""Tasks for the tests of executors; a module without torch, so that the processes start quickly."""

import os
import signal
import time


def work(task):
    """Return, fail or die, as the task demands."""
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "fail":
        raise ValueError("no such thing")
    if task == "slow":
        time.sleep(0.2)
    return task.upper()
