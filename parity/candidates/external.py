"""Any program as the candidate: JSON lines on its stdin and stdout, tensors in safetensors files.

Each request is one line {"id": N, "op": …}, each answer one line {"id": N, "ok": true, …} or
{"id": N, "ok": false, "error": SENTENCE}; {"id": N, "ok": false, "lacks": SENTENCE} declares that the stage does not
exist for this case, which the verdict shows as "not tested". Nothing else may be printed to stdout; stderr is free.

    hello      → protocol                              ← name, version, protocol, stages, chain, …
    run_stage  → stage, prefix, case, inputs, outputs  ← (writes the file `outputs`)
    run        → case, inputs, outputs[, only]         ← (writes the file `outputs`)
    time       → case, inputs, repeat                  ← seconds: [one for each repeat]
    bye                                                ← (the program ends)

`inputs` and `outputs` are paths of safetensors files. `case` holds profile, options, voice and files (paths of the
weights by role). docs/verifying-a-port.md explains each field.
"""

import difflib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from parity import stages
from parity.candidates import messages, resources
from parity.candidates.candidate import CandidateError, Tensors, input_tensors
from parity.candidates.messages import HELLO as HELLO
from parity.candidates.messages import PROTOCOL as PROTOCOL
from parity.candidates.process import CALL_TIMEOUT, AdapterProcess, ProtocolError
from parity.candidates.resources import Resources
from parity.errors import GivenUp
from parity.goldens import closed_schema, tensor_file
from parity.goldens.store import Case
from parity.stages.profile_table import PROFILES

HELLO_TIMEOUT = 60.0  # seconds for the handshake, during which an adapter imports its libraries
# case → role (model, hubert, …) → path of the weights; only the paths of the roles that a request names are read
VoiceFiles = Callable[[Case], Mapping[str, str]]


class External:
    """A candidate behind the protocol. It starts at the first request and is started again after a crash.

    Attributes:
        hello_timeout: seconds for the handshake; HELLO_TIMEOUT unless the user gives another limit.
        most_hangs: consecutive calls without an answer after which no more are made; None for no limit.
        limits: what the adapter may use; `resources.default` unless the user gives other limits.
    """

    hello_timeout: float | None = None
    most_hangs: int | None = 2
    limits: Resources

    def __init__(self, command: str, voice_files: VoiceFiles, timeout: float = CALL_TIMEOUT) -> None:
        """Nothing is started yet.

        Args:
            command: the command line that starts the adapter.
            voice_files: the weights of a case; `parity.rvc_bridge.voice_files.paths` makes the synthetic ones.
            timeout: seconds that one call may take.
        """
        self.command, self.timeout = command, timeout
        self.limits = resources.default()
        self._voice_files = voice_files
        self._process: AdapterProcess | None = None
        self._hello: dict[str, Any] | None = None
        self._hangs = 0  # calls without an answer since the last answer
        self._folder = tempfile.TemporaryDirectory(prefix="rvc-parity-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program and remove the exchanged files."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        self._folder.cleanup()

    @property
    def hello(self) -> dict[str, Any]:
        """The answer to hello, checked. Raises ProtocolError."""
        if self._hello is None:
            self._hello = _handshake(self._running(), self.hello_timeout or HELLO_TIMEOUT)
        return self._hello

    def _running(self) -> AdapterProcess:
        if self._process is None or not self._process.running:
            if self._process is not None:
                self._process.stop()
            self._process = AdapterProcess(self.command, self.timeout, self.limits)
            if self._hello is not None:  # started again after a crash
                _handshake(self._process, self.hello_timeout or HELLO_TIMEOUT)
        return self._process

    @property
    def about(self) -> dict[str, object]:
        """name, version, command and declares; runtime where the handshake has it. Raises ProtocolError."""
        return about_of(self.hello) | {"command": self.command}

    @property
    def chains(self) -> bool:
        """Whether the handshake declares whole conversions."""
        return bool(self.hello["chain"])

    def offers(self, stage: stages.Stage) -> bool:
        """Whether the handshake declares this stage."""
        return stage.name in self.hello["stages"]

    def takes(self, case: Case) -> bool:
        """Whether the handshake declares this case's profile; without the field `profiles` it takes every case."""
        profiles = self.hello.get("profiles")
        return profiles is None or case.profile in profiles

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """The request run_stage. Raises NotOffered and ProtocolError."""
        frames = messages.frames(case, prefix)
        more = {} if frames is None else {"frames": frames}
        return self._exchange("run_stage", case, inputs, stage, stage=stage.name, prefix=prefix, **more)

    def run(self, case: Case) -> Tensors:
        """The request run, with the case's audio and noise. Raises ProtocolError."""
        return self._exchange("run", case, input_tensors(case))

    def run_final(self, case: Case) -> Tensors:
        """The request run with the field `only`, which names the final waveform. Raises ProtocolError."""
        return self._exchange("run", case, input_tensors(case), only=["waveform.final"])

    def restart(self) -> bool:
        """End the program; the next request starts it again."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        return True

    def time(self, case: Case, repeat: int = 3) -> list[float]:
        """The request time: seconds of `repeat` whole conversions, measured by the candidate itself.

        Raises:
            ProtocolError: "missing-field", the answer does not hold `repeat` numbers.
        """
        source = self._write_inputs(input_tensors(case))
        fields = {"case": self.describe(case), "inputs": str(source), "repeat": repeat}
        answer = self._request("time", case.name, fields)
        seconds = answer.get("seconds")
        numbers = isinstance(seconds, list) and all(isinstance(second, (int, float)) for second in seconds)
        if not numbers or not isinstance(seconds, list) or len(seconds) != repeat:
            raise ProtocolError(
                "missing-field", f"the answer to time has seconds = {seconds!r}; expected {repeat} numbers"
            )
        return [float(second) for second in seconds]

    def _write_inputs(self, inputs: Tensors) -> Path:
        source = Path(self._folder.name) / "inputs.safetensors"
        tensor_file.write({name: np.ascontiguousarray(value) for name, value in inputs.items()}, source)
        return source

    def _exchange(
        self,
        op: str,
        case: Case,
        inputs: Tensors,
        needing: stages.Stage | None = None,
        **fields: str | int | list[str],
    ) -> Tensors:
        source, target = self._write_inputs(inputs), Path(self._folder.name) / "outputs.safetensors"
        target.unlink(missing_ok=True)
        if self.hello.get("all_files"):  # a program that cannot be started without a voice
            needing = None
        request = {"case": self.describe(case, needing), "inputs": str(source), "outputs": str(target), **fields}
        messages.check({"id": 0, "op": op, **request}, f"{op}_request")
        half = half_precisions(self.hello)
        try:
            self._request(op, case.name, request)
        except CandidateError as error:
            error.partial = widened(case, _handed_over(target, op, half), half)
            raise
        return widened(case, read_outputs(target, op, half), half)

    def _request(self, op: str, case: str, fields: dict[str, Any]) -> dict[str, Any]:
        """One request. Raises GivenUp where this and the calls before it, `most_hangs` in all, had no answer."""
        try:
            answer = self._running().request(op, None, **fields)
        except CandidateError as error:
            self._hangs = self._hangs + 1 if isinstance(error, ProtocolError) and error.code == "hang" else 0
            if self.most_hangs is not None and self._hangs >= self.most_hangs:
                call = f"{op} {fields['stage']}" if "stage" in fields else op
                raise GivenUp(
                    f"the adapter gave no answer to {self._hangs} calls in a row, the last one {call} of {case} "
                    f"within {self.timeout:g} s, so that the run ends here; --timeout SECONDS allows more, and "
                    "--resume continues a run after its finished cases"
                ) from error
            raise
        self._hangs = 0
        return answer

    def describe(self, case: Case, stage: stages.Stage | None = None) -> dict[str, Any]:
        """The field `case` of a request for a stage, or for a whole conversion."""
        return messages.describe(case, self._voice_files(case), stage)


def about_of(hello: Mapping[str, Any]) -> dict[str, object]:
    """name, version and declares of a handshake; runtime and environment where it states a library and a device."""
    fields = ("stages", "chain", "dtypes", "profiles", "noise", "precision")
    declares = {name: hello[name] for name in fields if name in hello}
    about: dict[str, object] = {"name": hello["name"], "version": hello["version"], "declares": declares}
    about |= {"runtime": hello["runtime"]} if "runtime" in hello else {}
    return about | ({"environment": {"device": hello["device"]}} if "device" in hello else {})


def half_precisions(hello: Mapping[str, Any]) -> tuple[str, ...]:
    """The half precisions that a handshake declares in `dtypes`."""
    return tuple(name for name in tensor_file.HALF.values() if name in hello.get("dtypes", ()))


def widened(case: Case, made: Tensors, half: tuple[str, ...]) -> Tensors:
    """The tensors of a candidate that declares half precision, in the dtypes of the golden."""
    if not half:
        return made
    return {
        name: value.astype(case.entry(name)["dtype"])
        if name in case and value.dtype == np.float32 and case.entry(name)["dtype"] == "float64"
        else value
        for name, value in made.items()
    }


def _handshake(process: AdapterProcess, timeout: float) -> dict[str, Any]:
    return check_hello(process.request("hello", timeout, protocol=PROTOCOL))


def check_hello(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to hello, checked against HELLO, the protocol's version and the stage table.

    Raises:
        ProtocolError: missing-field, wrong-protocol, unknown-stage, unknown-profile or nothing-offered.
    """
    if wrong := closed_schema.check(dict(answer), HELLO):
        raise ProtocolError("missing-field", f"the answer to hello does not fit: {wrong[0]}")
    if answer["protocol"] != PROTOCOL:
        raise ProtocolError(
            "wrong-protocol",
            f"the adapter uses the protocol {answer['protocol']!r}, this judge uses {PROTOCOL!r}; "
            "use the adapter that belongs to this version",
        )
    known = [stage.name for stage in stages.every()]
    for name in answer["stages"]:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; stages are {', '.join(known[:8])}, …"
            raise ProtocolError("unknown-stage", f"the adapter declares the stage {name!r}, which does not exist{hint}")
    for name in answer.get("profiles", ()):
        if name not in PROFILES:
            raise ProtocolError(
                "unknown-profile",
                f"the adapter declares the profile {name!r}, which does not exist; profiles are {', '.join(PROFILES)}",
            )
    if not answer["stages"] and not answer["chain"]:
        raise ProtocolError(
            "nothing-offered",
            "the adapter declares no stage and no whole conversion; declare what it can do in stages or chain",
        )
    return dict(answer)


def read_outputs(path: Path, op: str, half: tuple[str, ...] = ()) -> Tensors:
    """The tensors that a candidate wrote for the request `op`.

    Args:
        path: the file named in `outputs`.
        op: the operation, for the messages.
        half: the half precisions that the handshake declares.
    Raises:
        ProtocolError: missing-output, there is no such file; short-write, it is not a complete safetensors file;
            wrong-dtype, a tensor has a dtype that is not read.
    """
    if not path.is_file():
        raise ProtocolError(
            "missing-output", f"{op} was answered with ok, but the file named in outputs was not written"
        )
    try:
        return tensor_file.read(path, half)
    except tensor_file.UnreadableDtype as error:
        raise ProtocolError("wrong-dtype", f"the outputs of {op} hold {error}") from None
    except tensor_file.NotSafetensors as error:
        raise ProtocolError(
            "short-write",
            f"the outputs of {op} ({path.stat().st_size} bytes) are {error}; close the file before answering",
        ) from None


def _handed_over(path: Path, op: str, half: tuple[str, ...]) -> Tensors:
    """What an adapter had written before it failed; nothing where that is no complete safetensors file."""
    try:
        return read_outputs(path, op, half) if path.is_file() else {}
    except ProtocolError:
        return {}
