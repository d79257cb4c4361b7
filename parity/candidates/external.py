"""Any program as the candidate: JSON lines on its stdin and stdout, tensors in safetensors files.

Each request is one line {"id": N, "op": …}, each answer one line {"id": N, "ok": true, …} or
{"id": N, "ok": false, "error": SENTENCE}; {"id": N, "ok": false, "lacks": SENTENCE} says that a stage is not there for
this case, and reads "not tested". Nothing else may be printed to stdout; stderr is free.

    hello      → protocol                              ← name, version, protocol, stages, chain, …
    run_stage  → stage, prefix, case, inputs, outputs  ← (writes the file `outputs`)
    run        → case, inputs, outputs                 ← (writes the file `outputs`)
    time       → case, inputs, repeat                  ← seconds: [one for each repeat]
    bye                                                ← (the program ends)

`inputs` and `outputs` are paths of safetensors files. `case` says profile, options, voice and files (paths of the
weights by role). docs/verifying-a-port.md walks through it.
"""

import contextlib
import json
import os
import queue
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from parity import stages
from parity.candidates.candidate import CandidateError, Lacks, Tensors
from parity.goldens import closed_schema
from parity.goldens.recipes import Array
from parity.goldens.store import Case

PROTOCOL = "rvc-parity/1"
TIMEOUT = 600.0  # seconds for one call; a whole conversion on a slow machine takes a few minutes
HELLO_TIMEOUT = 60.0

_NAMES = {"type": "array", "items": {"type": "string"}}
HELLO: dict[str, Any] = {
    "type": "object",
    "required": ["id", "ok", "protocol", "name", "version", "stages", "chain"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer"},
        "ok": {"const": True},
        "protocol": {"type": "string"},
        "name": {"type": "string"},
        "version": {"type": "string"},
        "stages": _NAMES,
        "chain": {"type": "boolean"},
        "dtypes": _NAMES,
        "profiles": _NAMES,
        "noise": {"type": "boolean"},
        "runtime": {"type": "string"},
    },
}


class ProtocolError(CandidateError):
    """The candidate broke the protocol; `code` names how."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Program:
    """A running candidate: one request at a time, each with a time limit."""

    def __init__(self, command: str, timeout: float = TIMEOUT) -> None:
        """Raises ProtocolError "cannot-start" where the command cannot be run."""
        self.command, self.timeout = command, timeout
        self._count = 0
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        try:
            self._process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                bufsize=1,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ProtocolError(
                "cannot-start",
                f"{command!r} cannot be started ({reason}); give the command that starts the adapter, with its path",
            ) from None
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._overhear, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while we were reading
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _overhear(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError):
            for line in self._process.stderr:
                self._said = [*self._said[-9:], line.rstrip()]

    def ask(self, op: str, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """Send one request and wait for its answer. Raises ProtocolError: hang, crash, not-json, wrong-id, refused."""
        self._count += 1
        limit = self.timeout if timeout is None else timeout
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"id": self._count, "op": op, **fields}) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, OSError, ValueError):
            raise self._crashed(op) from None
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            self.stop()
            raise ProtocolError(
                "hang", f"no answer to {op} within {limit:g} s; does the adapter flush its stdout after each line?"
            ) from None
        if line is None:
            raise self._crashed(op)
        return self._answer(op, line)

    def _answer(self, op: str, line: str) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            raise ProtocolError(
                "not-json", f"the answer to {op} is {_short(line)}, not one line of JSON; send logs to stderr"
            ) from None
        if not isinstance(answer, dict) or answer.get("id") != self._count:
            raise ProtocolError(
                "wrong-id",
                f"the answer to {op} is {_short(line)}, but its id must be {self._count}; "
                "answer each request once, in order",
            )
        if answer.get("ok") is not True and "lacks" in answer:
            raise Lacks(str(answer["lacks"]))
        if answer.get("ok") is not True:
            raise ProtocolError("refused", f"the adapter refused {op}: {answer.get('error', 'it gave no reason')}")
        return answer

    def _crashed(self, op: str) -> ProtocolError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        last = f"; its last words: {self._said[-1]}" if self._said else ""
        status = self._process.returncode
        return ProtocolError("crash", f"the adapter ended with exit status {status} during {op}{last}")

    def stop(self) -> None:
        """End the program, politely if it listens."""
        if self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError, OSError, ValueError):
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps({"id": 0, "op": "bye"}) + "\n")
                self._process.stdin.close()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()


def _short(line: str) -> str:
    text = line.strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")


class External:
    """A candidate behind the protocol. Started when first asked, started again after a crash."""

    def __init__(
        self, command: str, files: Mapping[str, Mapping[str, str]] | None = None, timeout: float = TIMEOUT
    ) -> None:
        self.command, self.timeout = command, timeout
        self._program: Program | None = None
        self._hello: dict[str, Any] | None = None
        self._files = files
        self._folder = tempfile.TemporaryDirectory(prefix="rvc-parity-")

    def __enter__(self) -> "External":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program and remove the exchanged files."""
        if self._program is not None:
            self._program.stop()
            self._program = None
        self._folder.cleanup()

    @property
    def hello(self) -> dict[str, Any]:
        """The handshake, checked. Raises ProtocolError."""
        if self._hello is None:
            self._hello = check_hello(self._running().ask("hello", HELLO_TIMEOUT, protocol=PROTOCOL))
        return self._hello

    def _running(self) -> Program:
        if self._program is None or self._program._process.poll() is not None:
            if self._program is not None:
                self._program.stop()
            self._program = Program(self.command, self.timeout)
            if self._hello is not None:  # started again after a crash
                check_hello(self._program.ask("hello", HELLO_TIMEOUT, protocol=PROTOCOL))
        return self._program

    @property
    def about(self) -> dict[str, object]:
        """What the handshake says."""
        said = self.hello
        declares = {name: said[name] for name in ("stages", "chain", "dtypes", "profiles", "noise") if name in said}
        found: dict[str, object] = {
            "name": said["name"],
            "version": said["version"],
            "command": self.command,
            "declares": declares,
        }
        return found | ({"runtime": said["runtime"]} if "runtime" in said else {})

    @property
    def chains(self) -> bool:
        """Whether it declares whole conversions."""
        return bool(self.hello["chain"])

    def offers(self, stage: stages.Stage) -> bool:
        """Whether it declares this stage."""
        return stage.name in self.hello["stages"]

    def takes(self, case: Case) -> bool:
        """Whether it declares this case's profile; one that declares none takes all."""
        profiles = self.hello.get("profiles")
        return profiles is None or case.profile in profiles

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """One stage on given inputs."""
        return self._exchange("run_stage", case, inputs, stage=stage.name, prefix=prefix)

    def run(self, case: Case) -> Tensors:
        """The whole conversion."""
        given = {name: case[name] for name in case if stages.stage_of(name) is None}
        return self._exchange("run", case, given)

    def time(self, case: Case, repeat: int = 3) -> list[float]:
        """Seconds of whole conversions, as the candidate measures them."""
        given = {name: case[name] for name in case if stages.stage_of(name) is None}
        source = self._write(given)
        answer = self._running().ask("time", None, case=self.describe(case), inputs=str(source), repeat=repeat)
        seconds = answer.get("seconds")
        numbers = isinstance(seconds, list) and all(isinstance(second, (int, float)) for second in seconds)
        if not numbers or not isinstance(seconds, list) or len(seconds) != repeat:
            raise ProtocolError(
                "missing-field", f"the answer to time has seconds = {seconds!r}; expected {repeat} numbers"
            )
        return [float(second) for second in seconds]

    def _write(self, given: Mapping[str, Array]) -> Path:
        source = Path(self._folder.name) / "inputs.safetensors"
        save_file({name: np.ascontiguousarray(value) for name, value in given.items()}, source)
        return source

    def _exchange(self, op: str, case: Case, given: Mapping[str, Array], **fields: str) -> Tensors:
        self.hello  # noqa: B018 (a candidate that has not said hello is asked first)
        source, target = self._write(given), Path(self._folder.name) / "outputs.safetensors"
        target.unlink(missing_ok=True)
        self._running().ask(op, None, case=self.describe(case), inputs=str(source), outputs=str(target), **fields)
        return read_outputs(target, op)

    def describe(self, case: Case) -> dict[str, Any]:
        """What a candidate is told about a case."""
        files = self._files[case.name] if self._files is not None and case.name in self._files else None
        if files is None:
            from parity.rvc_bridge import voice_files as made

            files = made.paths(case)
        return {
            "name": case.name,
            "profile": case.profile,
            "options": case.options,
            "voice": {key: case.voice.get(key) for key in ("kind", "rate", "version", "f0")},
            "files": dict(files),
        }


def check_hello(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The handshake, or a ProtocolError: missing-field, wrong-protocol, unknown-stage."""
    if wrong := closed_schema.check(dict(answer), HELLO):
        raise ProtocolError("missing-field", f"the answer to hello does not fit: {wrong[0]}")
    if answer["protocol"] != PROTOCOL:
        raise ProtocolError(
            "wrong-protocol",
            f"the adapter speaks {answer['protocol']!r}, this judge {PROTOCOL!r}; "
            "use the adapter that belongs to this version",
        )
    known = [stage.name for stage in (*stages.OFFLINE, *stages.REALTIME)]
    for name in answer["stages"]:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; stages are {', '.join(known[:8])}, …"
            raise ProtocolError("unknown-stage", f"the adapter declares the stage {name!r}, which does not exist{hint}")
    if not answer["stages"] and not answer["chain"]:
        raise ProtocolError(
            "nothing-offered",
            "the adapter declares no stage and no whole conversion; declare what it can do in stages or chain",
        )
    return dict(answer)


def read_outputs(path: Path, op: str) -> Tensors:
    """The tensors a candidate wrote. Raises ProtocolError: missing-output, short-write."""
    if not path.is_file():
        raise ProtocolError(
            "missing-output", f"{op} was answered with ok, but the file named in outputs was not written"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name).copy() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        size = os.path.getsize(path)
        raise ProtocolError(
            "short-write",
            f"the outputs of {op} ({size} bytes) are not a whole safetensors file "
            f"({_last(error)}); close the file before answering",
        ) from None


def _last(error: Exception) -> str:
    return str(error).splitlines()[-1][:100] if str(error) else type(error).__name__
