"""The requests of the protocol as files, for devices on which no adapter can run, and what came back as a candidate.

`write` makes a folder:

    requests.json                           the requests, as in the protocol; paths are relative to the folder
    CASE/STAGE/inputs.safetensors           or inputs.json with one raw file for each tensor
    CASE/STAGE/outputs.safetensors          made by the device, or outputs.json with raw files in the same form
    CASE/STAGE/answer.json                  optional: {"ok": false, "error": SENTENCE}, or "lacks" in place of "error"
    hello.json                              optional, made by the user: the answer to hello without id and ok

STAGE is the prefix and the name of a stage, or "run" for the whole conversion. The judge may ask for a stage on other
inputs than the golden's, to find out whether an error is inherited. Such a request is appended to requests.json; its
folder is CASE/STAGE/again-DIGEST. Run what is new in requests.json and check again.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.candidates import candidate, external, messages
from parity.candidates.candidate import CandidateError, NotOffered, Tensors, input_tensors
from parity.candidates.process import ProtocolError
from parity.errors import UsageError
from parity.goldens import tensor_file
from parity.goldens.arrays import Array, NamedArrays
from parity.goldens.store import Case
from parity.goldens.text import parse as parse_json
from parity.goldens.text import printable_values

FORMAT = "rvc-requests/1"
REQUESTS, HELLO, ANSWER = "requests.json", "hello.json", "answer.json"
WHOLE = "run"  # the folder of the whole conversion
_CODE = re.compile(r"[<>](f[248]|[iu][1248])")  # a dtype of NumPy with its byte order
_DTYPES = ("float32", "float64", "int64", "int32", "int16")  # dtypes of raw files


def write(
    folder: Path, cases: Iterable[Case], wanted: Iterable[str], files: external.VoiceFiles, raw: bool = False
) -> int:
    """Write the requests of some cases.

    Args:
        folder: an empty or new folder.
        cases: the goldens.
        wanted: the names of stages; "run" is the whole conversion.
        files: the weights of a case.
        raw: write raw files and a JSON of dtypes and shapes in place of safetensors.
    Returns:
        The number of requests.
    Raises:
        UsageError: the folder is not empty, or cannot be written.
    """
    chosen, entries = set(wanted), list[dict[str, Any]]()
    _prepare(folder)
    for case in cases:
        held = files(case)
        for stage, prefix in candidate.steps(case):
            if stage.name in chosen:
                inputs = candidate.inputs(case, stage, prefix)
                described = messages.describe(case, held, stage)
                entries.append(_request(folder, described, case, stage, prefix, inputs, raw))
        if WHOLE in chosen:
            place, described = f"{case.name}/{WHOLE}", messages.describe(case, held)
            entries.append(_entry(folder, place, {"op": WHOLE, "case": described}, input_tensors(case), raw))
    for number, entry in enumerate(entries, 1):
        entry["id"] = number
        messages.check_request(entry)
    _write_json(folder / REQUESTS, {"format": FORMAT, "protocol": messages.PROTOCOL, "requests": entries})
    return len(entries)


def _prepare(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty; give a new folder for the requests")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}); give a folder that can be written to") from None


def _request(
    folder: Path,
    described: Mapping[str, Any],
    case: Case,
    stage: stages.Stage,
    prefix: str,
    inputs: NamedArrays,
    raw: bool,
    again: str = "",
) -> dict[str, Any]:
    fields: dict[str, Any] = {"op": "run_stage", "stage": stage.name, "prefix": prefix, "case": dict(described)}
    count = messages.frames(case, prefix)
    fields |= {} if count is None else {"frames": count}
    return _entry(folder, f"{case.name}/{prefix}{stage.name}{again}", fields, inputs, raw)


def _entry(folder: Path, place: str, fields: Mapping[str, Any], inputs: NamedArrays, raw: bool) -> dict[str, Any]:
    """Write the inputs of one request and return the request."""
    (folder / place).mkdir(parents=True, exist_ok=True)
    if raw:
        _write_raw(folder / place / "inputs.json", inputs)
    else:
        contiguous = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        tensor_file.write(contiguous, folder / place / "inputs.safetensors")
    kind = "json" if raw else "safetensors"
    return {"id": 0, **fields, "inputs": f"{place}/inputs.{kind}", "outputs": f"{place}/outputs.{kind}"}


def _write_raw(path: Path, tensors: NamedArrays) -> None:
    """Little-endian, row-major files beside a JSON: name → file, dtype and shape."""
    table = {}
    for name, value in tensors.items():
        file = path.with_name(f"{path.stem}.{name}.bin")
        file.write_bytes(np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False).tobytes())
        table[name] = {"file": file.name, "dtype": value.dtype.name, "shape": list(value.shape)}
    _write_json(path, table)


def read_raw(path: Path, foreign: bool = False) -> Tensors:
    """The tensors of a JSON of raw files.

    Args:
        path: the JSON.
        foreign: whether another program wrote them: half precision (bfloat16 as float32), and NumPy's codes with a byte
            order, such as ">f4", are then read as well.
    Raises:
        ProtocolError: "short-write", an entry is wrong or a file has another size than its shape.
    """
    try:
        table = dict(parse_json(path.read_text(encoding="utf-8")))
        return {str(name): _raw_tensor(path, dict(entry), foreign) for name, entry in table.items()}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ProtocolError("short-write", f"{path} and its files are not complete ({error})") from None


def _raw_tensor(path: Path, entry: Mapping[str, Any], foreign: bool) -> Array:
    name, known = str(entry["dtype"]), (*_DTYPES, "float16", "bfloat16") if foreign else _DTYPES
    if name not in known and not (foreign and _CODE.fullmatch(name)):
        raise ValueError(f"the dtype {entry['dtype']!r} is not one of {', '.join(known)}")
    stored = np.dtype("uint16" if name == "bfloat16" else name)
    stored, shape = stored if _CODE.fullmatch(name) else stored.newbyteorder("<"), tuple(map(int, entry["shape"]))
    data = (path.parent / Path(str(entry["file"])).name).read_bytes()
    if any(size < 0 for size in shape) or len(data) != stored.itemsize * int(np.prod(shape)):
        raise ValueError(f"{entry['file']} has {len(data)} bytes, not those of {entry['dtype']}{list(shape)}")
    value = np.frombuffer(data, stored).astype(stored.newbyteorder("=")).reshape(shape)
    if name == "bfloat16":  # the upper half of a float32
        return (value.astype(np.uint32) << 16).view(np.float32)
    return value


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(fresh, path)


class OutputFolder:
    """A folder of `write`, with the outputs that a device made, as the candidate.

    Attributes:
        added: how many requests were appended to requests.json because a stage has to be run on other inputs.
    """

    def __init__(self, folder: Path) -> None:
        """Read requests.json and hello.json.

        Raises:
            UsageError: the folder has no requests.json.
            ProtocolError: hello.json is wrong.
        """
        self.folder, self.added = folder, 0
        self._document = _read_requests(folder / REQUESTS)
        self._raw = any(str(entry["inputs"]).endswith(".json") for entry in self._document["requests"])
        self._hello = _read_hello(folder / HELLO)

    @property
    def cases(self) -> list[str]:
        """The names of the cases that were written, each once."""
        return list(dict.fromkeys(str(entry["case"]["name"]) for entry in self._document["requests"]))

    @property
    def about(self) -> dict[str, object]:
        """name and version of hello.json, else the folder's name; declares."""
        declares = {"stages": self._stages(), "chain": self.chains}
        if self._hello is None:
            return {"name": self.folder.resolve().name, "version": "files", "command": None, "declares": declares}
        return {**external.about_of(self._hello), "command": None}

    def refuse_empty(self) -> None:
        """Raise UsageError where no request was answered."""
        entries = self._document["requests"]
        if not any(_answered(self.folder / str(entry["outputs"])) for entry in entries):
            raise UsageError(
                f"{self.folder} holds no outputs: none of its {len(entries)} requests is answered; write the tensors "
                f"of each request to its path in outputs, such as {self.folder / str(entries[0]['outputs'])}"
            )

    def _answered(self, call: str) -> bool:
        """Whether the device answered any request of a stage, or of the whole conversion."""
        return any(
            _answered(self.folder / str(entry["outputs"]))
            for entry in self._document["requests"]
            if entry.get("stage", WHOLE) == call
        )

    def _stages(self) -> list[str]:
        return [stage.name for stage in stages.every() if self.offers(stage)]

    @property
    def chains(self) -> bool:
        """Whether hello.json declares whole conversions; without it, whether one was answered."""
        return self._answered(WHOLE) if self._hello is None else bool(self._hello["chain"])

    def offers(self, stage: stages.Stage) -> bool:
        """Whether hello.json declares the stage; without it, whether one of its requests was answered."""
        return self._answered(stage.name) if self._hello is None else stage.name in self._hello["stages"]

    def takes(self, case: Case) -> bool:
        """Whether hello.json declares the case's profile; without it, every case."""
        profiles = None if self._hello is None else self._hello.get("profiles")
        return profiles is None or case.profile in profiles

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """What the device made of these inputs. Raises NotOffered, ProtocolError."""
        place = f"{case.name}/{prefix}{stage.name}"
        if not self._is_written(place, inputs):
            place = self._again(case, stage, prefix, inputs)
        return self._outputs(place, "run_stage", case)

    def run(self, case: Case) -> Tensors:
        """The whole conversion that the device made. Raises NotOffered, ProtocolError."""
        return self._outputs(f"{case.name}/{WHOLE}", "run", case)

    def run_final(self, case: Case) -> Tensors:
        """Raises NotOffered: the requests do not contain the final waveform alone."""
        raise NotOffered("files hold no conversion of the final waveform alone")

    def restart(self) -> bool:
        """Always False: files cannot be started."""
        return False

    def _is_written(self, place: str, inputs: NamedArrays) -> bool:
        """Whether the inputs are those that `write` wrote for this request."""
        try:
            return _digest(self._read(self.folder / place, "inputs")) == _digest(inputs)
        except CandidateError:
            return False

    def _again(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> str:
        """The folder of a request for a stage on other inputs; it is written where it is not there yet."""
        again = f"/again-{_digest(inputs)[:12]}"
        place = f"{case.name}/{prefix}{stage.name}{again}"
        if not (self.folder / place).is_dir():
            written = [entry["case"] for entry in self._document["requests"] if entry["case"]["name"] == case.name]
            if not written:
                raise NotOffered(f"{case.name} is not among the requests of {self.folder}")
            files = {role: path for described in written for role, path in described["files"].items()}
            described = {**written[0], "files": messages.files_for(files, stage)}
            entry = _request(self.folder, described, case, stage, prefix, inputs, self._raw, again)
            entry["id"] = 1 + max(int(other["id"]) for other in self._document["requests"])
            self._document["requests"].append(messages.check_request(entry))
            _write_json(self.folder / REQUESTS, self._document)
            self.added += 1
        return place

    def _outputs(self, place: str, op: str, case: Case) -> Tensors:
        answer = self.folder / place / ANSWER
        if answer.is_file():
            self._refuse(answer, self._handed_over(place), op)
        if not _answered(self.folder / place / "outputs"):
            raise NotOffered(f"{self.folder / place} holds no outputs")
        return external.widened(case, self._read(self.folder / place, "outputs"), self._half)

    def _handed_over(self, place: str) -> Tensors:
        try:
            return self._read(self.folder / place, "outputs")
        except CandidateError:
            return {}

    def _refuse(self, path: Path, made: Tensors, op: str) -> None:
        """Raise what an answer file states."""
        try:
            answer = dict(printable_values(parse_json(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            raise ProtocolError("not-json", f"{path} is no JSON object; it holds the answer to one request") from None
        if answer.get("ok") is True:
            return
        if "lacks" in answer:
            raise NotOffered(str(answer["lacks"]), made)
        reason = str(answer.get("error", "it gave no reason"))
        error = ProtocolError("refused", f"the adapter refused {op}: {reason}", reason)
        error.partial = made
        raise error

    @property
    def _half(self) -> tuple[str, ...]:
        return () if self._hello is None else external.half_precisions(self._hello)

    def _read(self, place: Path, stem: str) -> Tensors:
        """The tensors of inputs or outputs, in either form."""
        raw = place / f"{stem}.json"
        if raw.is_file():
            return read_raw(raw)
        return external.read_outputs(place / f"{stem}.safetensors", "the request", self._half)


def _answered(outputs: Path) -> bool:
    return any(outputs.with_name(name).is_file() for name in ("outputs.safetensors", "outputs.json", ANSWER))


def _digest(tensors: NamedArrays) -> str:
    """The SHA-256 of tensors, independent of their order, in hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {value.dtype.name} {list(value.shape)}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _read_requests(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}; make it with rvc-parity cases {path.parent}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}); make it again with rvc-parity cases") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT or not document.get("requests"):
        raise UsageError(f"{path} is no list of requests ({FORMAT}); make it again with rvc-parity cases")
    for entry in document["requests"]:
        messages.check_request(entry)
    return document


def _read_hello(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        answer = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        answer = None
    if not isinstance(answer, dict):
        raise UsageError(f"{path} is no JSON object; it holds the answer to hello (rvc-parity docs protocol)")
    return external.check_hello({"id": 0, "ok": True, **answer})
