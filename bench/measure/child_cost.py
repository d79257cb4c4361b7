"""Run a command, write its cost to a file, and exit with its exit code: python -I -S child_cost.py FILE COMMAND …

The system counts the memory of the parent at the start of a process into the peak of that process. This small program
is the parent instead of the benchmark, which has torch loaded; it imports nothing that it does not need.
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
