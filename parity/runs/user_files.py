"""`rvc`, and a port, on a user's own files, compared with an original's trace of the same files; nothing is stored."""

import importlib.util
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parity.candidates.external import External
from parity.candidates.process import CALL_TIMEOUT
from parity.errors import ParityError, UsageError
from parity.goldens.store import MemoryCase
from parity.judge import candidate_runs
from parity.output.verdict_json import Json
from parity.runs import dumps

_RECORDER = "reference.run_live"  # the program that runs an original; `parity` imports nothing of it
_RECORDED = ("model", "hubert", "index", "rmvpe")  # roles that the recorder takes


@contextmanager
def recorded(sound: Path, files: Mapping[str, Path], options: Sequence[str]) -> Iterator[Path]:
    """Run an original on a sound in a process of its own; the trace is removed afterwards.

    Args:
        sound: an audio file.
        files: role → path.
        options: further options of `python -m reference.run_live`, such as --original NAME.
    Raises:
        UsageError: no original can be run in this installation, or the sound is missing.
        ParityError: the original ended with an error, which it has printed.
    """
    if importlib.util.find_spec(_RECORDER.partition(".")[0]) is None:
        raise UsageError(
            "an original can be run in a clone of the repository only; run this command there, "
            "or record the trace there (python -m reference.run_live) and give it with --trace"
        )
    if not sound.is_file():
        raise UsageError(f"there is no sound at {sound}; give the recording to convert")
    with tempfile.TemporaryDirectory(prefix="rvc-live-") as folder:
        trace = Path(folder) / "original.safetensors"
        roles = [argument for role in _RECORDED if role in files for argument in (f"--{role}", str(files[role]))]
        command = [sys.executable, "-m", _RECORDER, str(sound), str(trace), *roles, *options]
        code = subprocess.run(command, check=False).returncode
        if code or not trace.is_file():
            raise ParityError(f"the original ended with exit status {code}; its message is above")
        yield trace


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
    case, program = open_trace(trace, files)
    command = f"rvc-parity live --trace {shlex.quote(str(trace))}"
    return dumps.judge(case, program.run(case), program.about, command, program=program)


def judge_program(trace: Path | None, files: Mapping[str, Path], command: str, timeout: float = CALL_TIMEOUT) -> Json:
    """Run a port behind its adapter on the files and judge it against the trace, each stage alone and in a conversion.

    Args:
        trace: what `python -m reference.run_live` wrote.
        files: role → path; the adapter also gets `voice`, the model's tensors as safetensors.
        command: the command line of the adapter.
        timeout: seconds for one call.
    Raises:
        UsageError: as `judge`.
        ProtocolError: the adapter cannot be started.
    """
    case, networks = open_trace(trace, files)
    with tempfile.TemporaryDirectory(prefix="rvc-live-") as folder:
        roles = {role: str(path) for role, path in files.items()}
        roles |= {"voice": str(plain_voice(files["model"], Path(folder)))}
        with External(command, lambda case: roles, timeout) as program:
            program.hello  # noqa: B018 (an adapter without a handshake is bad input)
            isolated = candidate_runs.run_isolated(case, program)
            chained = candidate_runs.run_chained(case, program, isolated)
            reproduce = f"rvc-parity live --trace {shlex.quote(str(trace))} --candidate {shlex.quote(command)}"
            return dumps.judge_runs(case, (isolated, chained), program, reproduce, networks=networks)


def open_trace(trace: Path | None, files: Mapping[str, Path]) -> tuple[MemoryCase, Any]:
    """The original's side of a trace, and `rvc` with the files.

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
    return case, program


def plain_voice(model: Path, folder: Path) -> Path:
    """The tensors of a voice file as float32 safetensors in `folder`, which removes them when it is removed."""
    from safetensors.torch import save_file  # imports torch

    from parity.rvc_bridge.case_voice import voice_tensors  # imports torch

    target = folder / "voice.safetensors"
    save_file({name: tensor.float().contiguous() for name, tensor in voice_tensors(model).items()}, target)
    return target
