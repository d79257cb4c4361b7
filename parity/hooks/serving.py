"""The adapter's side of the protocol (docs/protocol.md): the loop over requests, and the tape that a run fills.

class MyProgram:
    name, version, stages, chain, profiles = "my-rvc", "0.3", ("flow",), True, ("webui-2026",)
    def run(self, case, inputs, tape): ...                      # tape("waveform.final", samples)
    def run_stage(self, case, stage, prefix, inputs): ...       # returns {full name: array}

serve(MyProgram())
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from parity.hooks import tensor_files

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Case = Mapping[str, Any]  # the field `case` of a request
Value = TypeVar("Value")
PROTOCOL = "rvc-parity/1"
# The dtype of a tensor where the original's does not depend on the profile, by its name without segment and block.
DTYPES: Mapping[str, Any] = {
    **dict.fromkeys(("highpassed", "padded", "quiet.profile"), np.float64),
    **dict.fromkeys(("segment.cuts", "f0.coarse", "retrieval.ids", "sola.offset"), np.int64),
    **dict.fromkeys(("audio16k", "audio", "f0.hz", "hubert.features", "nsf.sine", "nsf.source"), np.float32),
    **dict.fromkeys(("waveform.segment", "waveform.segment.full", "waveform.concat"), np.float32),
    **dict.fromkeys(("waveform.rmsmixed", "waveform.resampled", "retrieval.weights", "retrieval.mean"), np.float32),
}


class Lacks(Exception):
    """The program has no such stage, or cannot convert this case; the message is the reason. "Not tested"."""


def snapshot(value: Any) -> Array:
    """A copy of an array, a number or a torch tensor (detached, on the CPU) as a numpy array.

    Half precision is widened to float32, which holds its values: NumPy has no bfloat16, and goldens have none.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() and value.element_size() == 2 else value).numpy()
    array = np.array(value, copy=True)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def local_name(name: str) -> str:
    """A tensor's name without its segment or block: `seg0.flow.z` to `flow.z`, `rt.3.out` to `out`."""
    first, _, rest = name.partition(".")
    if first == "rt":
        return rest.partition(".")[2]
    return rest if first.startswith("seg") and first[3:].isdigit() else name


class Tape(dict[str, Array]):
    """Full name → array. Call it as a tap: it records a copy and returns the value; a later value replaces it."""

    def __call__(self, name: str, value: Value) -> Value:
        """Record a copy of `value` under `name`, in the dtype of `DTYPES`."""
        array = snapshot(value)
        self[name] = array.astype(DTYPES.get(local_name(name), array.dtype))
        return value


class Adapter(Protocol):
    """A program behind the protocol.

    Attributes:
        name: the name of the program.
        version: the version of the program.
        stages: names of the stages that can be run alone.
        chain: whether it converts whole files.
        profiles: the profiles whose cases it takes; empty for all.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def stages(self) -> Sequence[str]: ...
    @property
    def chain(self) -> bool: ...
    @property
    def profiles(self) -> Sequence[str]: ...

    def run(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """Convert a whole file, or the blocks of a stream.

        Args:
            case: the content of case.json.
            inputs: the audio and the noise by full name; `audio16k.raw` is float (samples,) at 16 kHz.
            tape: called with the full name and the value of every tensor that the program makes.
        Raises:
            Lacks: the program does not offer this conversion.
        """
        ...

    def run_stage(self, case: Case, stage: str, prefix: str, inputs: Arrays) -> Mapping[str, Any]:
        """Run one stage alone.

        Args:
            case: the content of case.json.
            stage: the name of the stage, such as "flow" or "rt.f0".
            prefix: the segment or block, such as "seg0." or "rt.0."; "" for a stage of the file.
            inputs: the stage's inputs by full name.
        Returns:
            Full name → tensor, for every tensor that the stage makes.
        Raises:
            Lacks: the program does not offer this stage.
        """
        ...


def serve(adapter: Adapter, requests: IO[str] | None = None, answers: IO[str] | None = None) -> None:
    """Answer requests until `bye` or the end of the input.

    Args:
        adapter: the program.
        requests: where requests are read; stdin unless given.
        answers: where answers are written; stdout unless given, and whatever the program prints then goes to stderr.
    """
    if answers is None:
        answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
    for line in requests or sys.stdin:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        answers.write(json.dumps({"id": request["id"], **_answer(adapter, request)}) + "\n")
        answers.flush()


def _answer(adapter: Adapter, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request, without its id."""
    try:
        return {"ok": True, **_operate(adapter, request)}
    except Lacks as lacks:
        return {"ok": False, "lacks": str(lacks)}
    except Exception as error:
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        return {"ok": False, "error": f"{type(error).__name__}: {error} ({where})"}


def _operate(adapter: Adapter, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a request names; returns the further fields of its answer."""
    operation = request["op"]
    if operation == "hello":
        fields: dict[str, Any] = {"protocol": PROTOCOL, "name": adapter.name, "version": adapter.version}
        fields |= {"stages": list(adapter.stages), "chain": adapter.chain, "noise": True, "all_files": True}
        return fields | ({"profiles": list(adapter.profiles)} if adapter.profiles else {})
    inputs = tensor_files.read(request["inputs"])
    if operation == "run":
        tape = Tape()
        try:
            adapter.run(request["case"], inputs, tape)
        finally:  # what was made before an error is judged
            only = request.get("only", tape)
            tensor_files.write(request["outputs"], {name: value for name, value in tape.items() if name in only})
        return {}
    if operation == "run_stage":
        made = Tape()
        for name, value in adapter.run_stage(request["case"], request["stage"], request["prefix"], inputs).items():
            made(name, value)
        tensor_files.write(request["outputs"], made)
        return {}
    if operation == "time":
        seconds = []
        for _ in range(request["repeat"]):
            begin = time.monotonic()
            adapter.run(request["case"], inputs, Tape())
            seconds.append(time.monotonic() - begin)
        return {"seconds": seconds}
    raise Lacks(f"this adapter does not know the operation {operation}")
