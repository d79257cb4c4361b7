"""Ours beside an original on a user's own files, in one command; nothing is kept.

python -m reference.live IN --model voice.pth --hubert DIR [--rmvpe FILE] [--index FILE] [options of reference.run_live]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from reference import run_live

FILES = ("model", "hubert", "index", "rmvpe")


def main(arguments: list[str] | None = None) -> int:
    """The exit code of `python -m parity live`, or 2 where the original refuses."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    run_live.parser(trace=False).parse_args(words)  # what does not fit is said before anything is run
    with tempfile.TemporaryDirectory(prefix="rvc-live-") as folder:
        trace = Path(folder) / "original.safetensors"
        whole = [*words, str(trace)]  # IN may stand anywhere; the trace is the positional after it
        given = run_live.parser().parse_args(whole)
        files = [(role, getattr(given, role)) for role in FILES if getattr(given, role) is not None]
        # each side in a process of its own: the original changes its working directory and its modules' names
        code = subprocess.run([sys.executable, "-m", "reference.run_live", *whole], check=False).returncode
        if code:
            return 2
        ours = [word for role, path in files for word in (f"--{role}", str(path))]
        command = [sys.executable, "-m", "parity", "live", "--trace", str(trace), *ours]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
