"""Run a command and write what it cost: python -I -S weigh.py REPORT COMMAND …; ends with the command's exit code.

This stands between because the system counts the memory of whoever starts a process into that process's peak: a bench
that has loaded torch would find no command smaller than itself. Nothing but what is needed is imported here.
"""

import os
import sys
import time

report, command = sys.argv[1], sys.argv[2:]
start = time.perf_counter()
process = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - start
with open(report, "w") as file:
    print(repr(seconds), repr(usage.ru_utime + usage.ru_stime), usage.ru_maxrss, file=file)
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
