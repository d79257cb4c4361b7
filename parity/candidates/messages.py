"""The messages of the protocol: one schema for every request and answer, and the description of a case.

docs/protocol-schema.json publishes `schema()`; docs/protocol.md explains it. The judge checks what it sends and what it
receives by it, and the adapters of this project check the requests that they receive.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity import stages
from parity.errors import ParityError
from parity.goldens import closed_schema
from parity.goldens.store import Case
from parity.stages import Scope, Stage, TensorName, Weights
from parity.stages.profile_table import METHODS, PROFILES, weight_files

PROTOCOL = "rvc-parity/1"
OPERATIONS = ("hello", "run_stage", "run", "time", "bye")

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_NAMES = {"type": "array", "items": _TEXT}
_ID = {"type": "integer", "minimum": 0, "description": "the number of the request; the answer repeats it"}

DTYPES = ("float64", "float32", "bfloat16", "float16")  # dtypes of tensors that a candidate returns
DEVICES = ("cpu", "cuda")  # that the originals were measured on
PRECISIONS = ("float64", "float32", "tf32", "bfloat16", "float16", "int8")  # of products, as candidates declare

HELLO: dict[str, Any] = {  # the answer to hello
    "type": "object",
    "required": ["id", "ok", "protocol", "name", "version", "stages", "chain"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer"},
        "ok": {"const": True},
        "protocol": {**_TEXT, "description": f"{PROTOCOL}, the version that the adapter implements"},
        "name": {**_TEXT, "description": "of the implementation"},
        "version": {**_TEXT, "description": "of the implementation"},
        "stages": {**_NAMES, "description": "the stages that run_stage accepts"},
        "chain": {"type": "boolean", "description": "whether run is accepted"},
        "dtypes": {**_NAMES, "description": "of the outputs; bfloat16 and float16 are read only where declared"},
        "profiles": {**_NAMES, "description": "the originals that it reproduces; all where the field is missing"},
        "noise": {"type": "boolean", "description": "whether run takes the recorded noise as an input"},
        "all_files": {"type": "boolean", "description": "whether requests for stages name all weights of their case"},
        "runtime": {**_TEXT, "description": "the library and its version, for the report"},
        "precision": {
            "enum": list(PRECISIONS),
            "description": "of the products of its networks, for the report; it changes no limit",
        },
        "device": {
            "enum": list(DEVICES),
            "description": "where its networks run; the originals' own spread on a GPU counts for cuda alone",
        },
    },
}

# Option of a conversion → its type, unit and meaning. A missing option has the profile's own default.
OPTIONS: Mapping[str, dict[str, Any]] = {
    "f0_method": {**_TEXT, "description": "the pitch method, which stage f0.raw runs"},
    "transpose": {**_NUMBER, "description": "semitones, a whole number; f0.hz is multiplied by 2^(transpose / 12)"},
    "index_rate": {**_NUMBER, "description": "0 to 1: share of the retrieved content features; 0 leaves retrieval out"},
    "protect": {**_NUMBER, "description": "0 to 0.5: share of retrieval kept in unvoiced frames; 0.5 and above is off"},
    "rms_mix_rate": {**_NUMBER, "description": "0 to 1: share of the output's own loudness; 1 leaves the mix out"},
    "resample_rate": {"type": "integer", "description": "Hz of the output; below 16000 the voice's rate is kept"},
    "filter_radius": {"type": "integer", "description": "frames, for harvest only: above 2, a median of three frames"},
    "speaker": {"type": "integer", "description": "the row of the speaker table, from 0"},
    "f0_file": {"type": ["string", "null"], "description": "where the F0 curve was recorded; read f0_curve instead"},
    "window": {
        "type": "array",
        "items": _NUMBER,
        "minItems": 4,
        "maxItems": 4,
        "description": "seconds: padding at both ends, search around a cut, distance of cuts, longest uncut input",
    },
    "realtime": {"type": "object", "description": "the settings of a stream, in the next table"},
}

# Setting of a stream, below the option `realtime` → its type, unit and meaning.
REALTIME: Mapping[str, dict[str, Any]] = {
    "rate": {"type": ["integer", "null"], "description": "Hz of the audio device; 0 or missing: the voice's rate"},
    "blocks": {"type": "integer", "description": "how many blocks the golden has"},
    "block_time": {**_NUMBER, "description": "seconds of one block"},
    "crossfade_time": {**_NUMBER, "description": "seconds of the crossfade between blocks"},
    "extra_time": {**_NUMBER, "description": "seconds of earlier input that each block is computed with"},
    "formant": {**_NUMBER, "description": "semitones of the formant shift"},
    "phase_vocoder": {"type": "boolean", "description": "crossfade by the phase vocoder in place of the sine window"},
    "start": {**_NUMBER, "description": "seconds into the input file at which block 0 begins; the blocks are inputs"},
    "changes": {**_TEXT, "description": 'settings that change: "2:transpose=-5" before block 2; several, by spaces'},
    "input_denoise": {"type": "boolean", "description": "spectral gate on the input"},
    "output_denoise": {"type": "boolean", "description": "spectral gate on the output"},
    "input_gate_db": {**_NUMBER, "description": "dB below which the input is silenced; -60 is off"},
}


@dataclass(frozen=True)
class WeightFile:
    """A file of weights in a request.

    Attributes:
        weights: what it holds; a request for a stage names only the files of the weights that the stage reads.
        what: its format.
    """

    weights: Weights
    what: str


# Role of a weight file → what it is.
FILES: Mapping[str, WeightFile] = {
    "model": WeightFile(Weights.VOICE, "the voice, .pth as the originals read it"),
    "voice": WeightFile(Weights.VOICE, "the same tensors as float32 safetensors, under the names of docs/spec/01"),
    "hubert": WeightFile(Weights.HUBERT, "HuBERT, a transformers folder with config.json and model.safetensors"),
    "index": WeightFile(Weights.INDEX, "the index, a faiss file (docs/spec/04)"),
    "index_tensors": WeightFile(Weights.INDEX, "the same index as safetensors: centroids, lists and vectors"),
    "rmvpe": WeightFile(Weights.F0, "RMVPE, .pt as the originals read it"),
    "rmvpe_tensors": WeightFile(Weights.F0, "the same tensors as safetensors"),
}

_CASE: dict[str, Any] = {
    "type": "object",
    "required": ["name", "profile", "options", "voice", "files"],
    "properties": {
        "name": {**_TEXT, "description": "of the golden; an adapter must not depend on it"},
        "profile": {**_TEXT, "description": "the original to reproduce"},
        "options": {"type": "object", "properties": dict(OPTIONS)},
        "voice": {
            "type": "object",
            "required": ["kind", "rate", "version", "f0"],
            "properties": {
                "kind": {**_TEXT, "description": "version, rate and whether it takes F0: v2-40k-f0"},
                "rate": {"type": "integer", "description": "Hz of the voice"},
                "version": {"enum": ["v1", "v2"], "description": "v1 has 256 content channels, v2 has 768"},
                "f0": {"type": "boolean", "description": "whether the voice takes F0"},
            },
        },
        "files": {
            "type": "object",
            "additionalProperties": _TEXT,
            "description": "role → path of the weights that the request needs",
        },
        "f0_curve": {
            "type": "array",
            "items": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
            "description": "the F0 curve by value where the option f0_file is set: [seconds, hertz] of each line",
        },
    },
}


def _message(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _request(op: str, **required: Any) -> dict[str, Any]:
    return _message({"id": _ID, "op": {"const": op}, **required})


_PATH = {**_TEXT, "description": "of a safetensors file"}
_FRAMES = {"type": "integer", "description": "10 ms frames of the file or of the segment of `prefix`; none for a block"}
_ONLY = {
    "type": "array",
    "items": _TEXT,
    "description": "the tensors that are requested: convert as for a user and record no other; all without it",
}
_CASE_REF = {"$ref": "#/$defs/case"}


@functools.cache
def schema() -> dict[str, Any]:
    """The schema of every message. Requests may get further fields in later versions; answers have these only."""
    stage = _request("run_stage", stage=_TEXT, prefix=_TEXT, case=_CASE_REF, inputs=_PATH, outputs=_PATH)
    stage["properties"]["frames"] = _FRAMES
    whole = _request("run", case=_CASE_REF, inputs=_PATH, outputs=_PATH)
    whole["properties"]["only"] = _ONLY
    refusal = {"id": {"type": "integer"}, "ok": {"const": False}}
    definitions = {
        "case": _CASE,
        "hello_request": _request("hello", protocol={"const": PROTOCOL}),
        "run_stage_request": stage,
        "run_request": whole,
        "time_request": _request("time", case=_CASE_REF, inputs=_PATH, repeat={"type": "integer", "minimum": 1}),
        "bye_request": _request("bye"),
        "hello_answer": HELLO,
        "done_answer": {**_message({"id": {"type": "integer"}, "ok": {"const": True}})},
        "time_answer": _message(
            {
                "id": {"type": "integer"},
                "ok": {"const": True},
                "seconds": {"type": "array", "items": _NUMBER, "description": "of each whole conversion"},
            }
        ),
        "error_answer": _message({**refusal, "error": {**_TEXT, "description": "why the request failed"}}),
        "lacks_answer": _message({**refusal, "lacks": {**_TEXT, "description": "what does not exist for this case"}}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{PROTOCOL}: the messages between the judge and an adapter",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in definitions if name != "case"],
        "$defs": definitions,
    }


class WrongMessage(ParityError):
    """A message does not fit the schema."""


def check(message: Any, kind: str) -> dict[str, Any]:
    """A message that fits its schema.

    Args:
        message: what one line of JSON holds.
        kind: a name in `$defs` of the schema, such as "run_stage_request".
    Raises:
        WrongMessage: it does not fit.
    """
    definitions = schema()["$defs"]
    if wrong := closed_schema.check(message, {**definitions[kind], "$defs": definitions}):
        raise WrongMessage(f"the message does not fit {kind} of {PROTOCOL}: {wrong[0]}")
    return dict(message)


def check_request(message: Any) -> dict[str, Any]:
    """A request of any operation that fits its schema. Raises WrongMessage."""
    op = message.get("op") if isinstance(message, dict) else None
    if op not in OPERATIONS:
        raise WrongMessage(f"the operation {op!r} does not exist in {PROTOCOL}; it has {', '.join(OPERATIONS)}")
    return check(message, f"{op}_request")


def files_for(files: Mapping[str, str], stage: Stage | None) -> dict[str, str]:
    """The weight files that a request names.

    Args:
        files: role → path of all weights of a case. The paths of other roles than the returned ones are not read, so
            that a mapping may make each file when its path is read.
        stage: the stage that is requested; None for a whole conversion, which needs all.
    Returns:
        role → path.
    """
    held = {role: file.weights for role, file in FILES.items()} | dict.fromkeys(weight_files(), Weights.F0)
    return {role: files[role] for role in files if stage is None or held.get(role) in stage.weights}


def describe(case: Case, files: Mapping[str, str], stage: Stage | None = None) -> dict[str, Any]:
    """The field `case` of a request.

    Args:
        case: the golden.
        files: role → path of all its weights.
        stage: the stage that is requested; None for a whole conversion.
    """
    described: dict[str, Any] = {
        "name": case.name,
        "profile": case.profile,
        "options": case.options,
        "voice": {key: case.voice.get(key) for key in ("kind", "rate", "version", "f0")},
        "files": files_for(files, stage),
    }
    if curve := case.options.get("f0_file"):
        described["f0_curve"] = f0_curve(Path(str(curve)))
    return described


def f0_curve(path: Path) -> list[list[float]]:
    """The points of a recorded F0 curve file, seconds and hertz of each line; none where the file is not at hand."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split()
    return [[float(part) for part in line.split(",")[:2]] for line in lines]


def frames(case: Case, prefix: str) -> int | None:
    """The number of 10 ms frames of the file, or of the segment of a prefix; None for a block of a stream."""
    if stages.scope_of(prefix) is Scope.BLOCK:
        return None
    names = [prefix + name for name in ("content.protected", "content.upsampled", "z_p")] if prefix else []
    for name in [name for name in names if name in case]:
        axis = stages.tensor(name).time_axis
        return None if axis is None else int(case.entry(name)["shape"][axis])
    if not prefix and "padded" in case:
        return int(case.entry("padded")["shape"][0]) // stages.FRAME
    return None


def tables() -> dict[str, list[str]]:
    """The tables of docs/protocol.md, one list of Markdown rows for each: options, realtime, files, stages."""
    return {
        "options": [_row(name, entry) for name, entry in OPTIONS.items()],
        "realtime": [_row(name, entry) for name, entry in REALTIME.items()],
        "files": [f"| `{role}` | {file.what} |" for role, file in FILES.items()],
        "stages": [_stage_row(stage) for stage in stages.every()],
        "values": [f"| `f0_method` | {', '.join(METHODS)} |", f"| `profile` | {', '.join(PROFILES)} |"],
    }


def _row(name: str, entry: Mapping[str, Any]) -> str:
    kind = entry["type"] if isinstance(entry["type"], str) else " or ".join(entry["type"])
    return f"| `{name}` | {kind} | {entry['description']} |"


_PREFIXES = {Scope.FILE: "", Scope.SEGMENT: "seg{i}.", Scope.BLOCK: "rt.{n}."}


def _stage_row(stage: stages.Stage) -> str:
    """A stage with the full names of what it reads and makes, and the files that its requests name.

    {i} is the segment's number and {n} the block's.
    """
    roles = [f"`{role}`" for role, file in FILES.items() if file.weights in stage.weights]
    makes = [f"{_PREFIXES[stage.scope]}{row.name} {'/'.join(row.dtypes)}" for row in stage.makes]
    return f"| {stage.name} | {', '.join(_reads(stage)) or '–'} | {', '.join(makes)} | {', '.join(roles) or '–'} |"


def _reads(stage: stages.Stage) -> list[str]:
    return [
        _read(stage, entry) + (" (voices with F0)" if stages.lacks_without_f0(stage, entry) else "")
        for entry in stage.reads
    ]


def _read(stage: stages.Stage, entry: stages.Read) -> str:
    if isinstance(entry, tuple):
        return " or ".join(_read(stage, one) for one in entry)
    if isinstance(entry, stages.Earlier):
        which = "all earlier blocks" if entry.all_blocks else "the block before"
        return f"{_PREFIXES[stage.scope]}{entry.local} of {which}"
    for scope in (stage.scope, Scope.FILE, Scope.SEGMENT):
        full = str(TensorName(scope, 0, entry))
        if stages.is_known(full):
            return f"{_PREFIXES[scope]}{entry}"
    return entry
