"""Stand-ins for packages that the original imports at its start and that no part of a run on a GPU calls.

`run.sh` puts this folder on PYTHONPATH. numba's decorators return the function itself, as numba with
NUMBA_DISABLE_JIT=1 does; the others are empty, so that a call of theirs is an error.
"""
