"""Our rvc on a user's own files against an original's trace of the same files; nothing is stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import UsageError
from parity.runs import dumps


def judge(trace: Path | None, files: Mapping[str, Path]) -> dict[str, Any]:
    """The verdict document of a chained run; `trace` is what `python -m reference.run_live` wrote."""
    from parity.rvc_bridge.offline import RvcTorch

    if trace is None:
        raise UsageError(
            "live needs the original's trace; make one where the original is installed: "
            "python -m reference.run_live IN TRACE.safetensors --model … --hubert …"
        )
    for role, path in files.items():
        if not path.exists():
            raise UsageError(f"there is no {role} at {path}; give the file that the original was run with")
    program = RvcTorch(files)
    case = dumps.from_trace(trace)
    program_rate = program.parts(case).rate
    case = dumps.from_trace(trace, {"rate": program_rate, "version": program.parts(case).version})
    if "audio16k.raw" not in case:
        raise UsageError(f"{trace} holds no audio16k.raw, from which our run has to start; record it again")
    command = "python -m parity live --trace " + str(trace)
    return dumps.judge(case, program.run(case), program.about, command, program=program)
