"""Compare `rvc` with an original on a user's own files, in one command; nothing is stored.

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
    command_line = list(sys.argv[1:] if arguments is None else arguments)
    run_live.parser(trace=False).parse_args(command_line)  # an invalid option ends the program before anything runs
    with tempfile.TemporaryDirectory(prefix="rvc-live-") as folder:
        trace = Path(folder) / "original.safetensors"
        with_trace = [*command_line, str(trace)]  # IN may stand anywhere; the trace is the positional after it
        options = run_live.parser().parse_args(with_trace)
        files = [(role, getattr(options, role)) for role in FILES if getattr(options, role) is not None]
        # Each side runs in its own process: the original changes the working directory and sys.modules.
        code = subprocess.run([sys.executable, "-m", "reference.run_live", *with_trace], check=False).returncode
        if code:
            return 2
        weights = [argument for role, path in files for argument in (f"--{role}", str(path))]
        command = [sys.executable, "-m", "parity", "live", "--trace", str(trace), *weights]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
