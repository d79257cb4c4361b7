"""`rvc` on a user's own files, compared with an original's trace of the same files; nothing is stored."""

from collections.abc import Mapping
from pathlib import Path

from parity.errors import UsageError
from parity.output.verdict_json import Json
from parity.runs import dumps


def judge(trace: Path | None, files: Mapping[str, Path]) -> Json:
    """Convert the audio of a trace with `rvc` and judge that conversion against the trace.

    Args:
        trace: what `python -m reference.run_live` wrote.
        files: role (model, hubert, index, rmvpe, crepe, fcpe) → path.
    Returns:
        the document of verdict.json.
    Raises:
        UsageError: the trace or a file is missing, or the trace holds no input audio.
    """
    from parity.rvc_bridge.rvc_torch import RvcTorch  # imports torch

    if trace is None:
        raise UsageError(
            "live needs the original's trace; make one where the original is installed: "
            "python -m reference.run_live IN TRACE.safetensors --model … --hubert …"
        )
    for role, path in files.items():
        if not path.exists():
            raise UsageError(f"there is no {role} at {path}; give the file that the original was run with")
    program = RvcTorch(files)
    voice = program.networks(dumps.from_trace(trace))
    case = dumps.from_trace(trace, {"rate": voice.rate, "version": voice.version})
    if "audio16k.raw" not in case:
        raise UsageError(f"{trace} holds no audio16k.raw, from which our run has to start; record it again")
    command = "python -m parity live --trace " + str(trace)
    return dumps.judge(case, program.run(case), program.about, command, program=program)
