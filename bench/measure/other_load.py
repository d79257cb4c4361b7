"""The load that other programs put on the processors while a timed one runs."""

import os
from pathlib import Path

STAT = Path("/proc/stat")
IDLE = (3, 4)  # places of "idle" and "iowait" in the first line of /proc/stat
GUESTS = (8, 9)  # places of guests' time, which "user" and "nice" include already


def busy_seconds() -> float | None:
    """Seconds that all processors together have computed since the system started, time stolen by a host included.

    None where there is no /proc/stat.
    """
    try:
        ticks = [int(field) for field in STAT.read_text(encoding="ascii").splitlines()[0].split()[1:]]
    except (OSError, ValueError, IndexError):
        return None
    busy = sum(count for place, count in enumerate(ticks) if place not in (*IDLE, *GUESTS))
    return busy / os.sysconf("SC_CLK_TCK")


def share(before: float | None, after: float | None, own: float, seconds: float) -> float:
    """The part of all processors that other programs used.

    Args:
        before, after: `busy_seconds` around the timed program.
        own: processor seconds of the timed program.
        seconds: its wall time.
    Returns:
        0 to 1; 0 where the load is unknown.
    """
    if before is None or after is None or seconds <= 0:
        return 0.0
    return min(max((after - before - own) / ((os.cpu_count() or 1) * seconds), 0.0), 1.0)
