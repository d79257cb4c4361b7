"""What an exported folder holds: files, inputs and outputs of the graphs, and voice.json (docs/exported-voice.md)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc import profiles
from rvc.errors import BadInput
from rvc.voice_kinds import VERSIONS
from rvc.weights.recognizers import EXPORTED

FORMAT = "rvc-onnx-voice/1"
SPECIFICATION = "1"  # version of docs/spec that the graphs compute
OPSET, IR_VERSION = 17, 8  # versions of ONNX: opset 17 is the first with LayerNormalization, and IR 8 belongs to it
DESCRIPTION = EXPORTED
CONTENT, SYNTHESIZER, RETRIEVAL = "content.onnx", "synthesizer.onnx", "retrieval.safetensors"
PRECISIONS = ("float32", "float16")
STREAM_INPUTS = {"skip_head": 0, "return_length": -1, "resized_length": -1}  # inputs of a stream and their defaults
COUNT = range(1, 1 << 20)  # values that a field has that is a count or a rate
# Fields of voice.json → what each holds: a type, the whole numbers of a range, one of several texts, or an object with
# these fields and no other. Every field is present.
FILTER = {"b": list, "a": list, "initial_state": list, "edge": COUNT, "sections": list}
CONSTANTS: dict[str, Any] = {
    "input_rate": COUNT,
    "input_peak": float,
    "highpass": FILTER,
    "window_seconds": dict.fromkeys(("pad", "query", "center", "max"), float),
    "f0_hop": COUNT,
    "f0_bins": {"lowest_hz": float, "highest_hz": float, "count": COUNT},
    "content_field": COUNT,
    "content_hop": COUNT,
    "protect_off": float,
    "noise_z_scale_in_graph": float,
    "output_peak": float,
    "int16_scale": COUNT,
    "loudness": dict.fromkeys(("frame_seconds", "hop_seconds", "floor"), float),
}
FIELDS: dict[str, Any] = {
    "format": str,
    "specification": str,
    "opset": COUNT,
    "ir_version": COUNT,
    "precision": PRECISIONS,
    "version": tuple(VERSIONS),
    "rate": COUNT,
    "f0": bool,
    "speakers": COUNT,
    "hop": COUNT,
    "latent_channels": COUNT,
    "upsample_rates": list,
    "profile": tuple(profiles.PROFILES),
    "info": str,
    "embedder": str | None,
    "f0_methods": dict,
    "retrieval": dict | None,
    "constants": CONSTANTS,
    "license": dict,
    "source": {"file": str, "sha256": str},
    "files": dict,
}
# `retrieval` of voice.json for the two kinds of index.
FLAT: dict[str, Any] = {
    "kind": ("flat",),
    "metric": ("l2", "inner product"),
    "vectors": range(1 << 31),
    "channels": COUNT,
    "neighbors": COUNT,
    "file": str,
}
LISTS: dict[str, Any] = {**FLAT, "kind": ("inverted lists",), "lists": COUNT, "probes": COUNT}


def misfit(value: Any, expected: Any, name: str) -> str | None:
    """The name of the first field whose value is not as expected (see `FIELDS`); None where all are.

    Args:
        value: what the document holds.
        expected: what it should hold.
        name: the path of the field, such as "constants.highpass"; "" for the whole document.
    """
    if isinstance(expected, dict):
        if not isinstance(value, dict):
            return name
        names = {*expected, *value}
        inner = (misfit(value.get(key), expected.get(key), f"{name}.{key}".lstrip(".")) for key in sorted(names))
        return next((fault for fault in inner if fault), None)
    if isinstance(expected, range):
        fits = isinstance(value, int) and not isinstance(value, bool) and value in expected
    elif isinstance(expected, tuple):
        fits = value in expected
    elif expected is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    else:
        fits = expected is not None and isinstance(value, expected)
    return None if fits else name


def f0_file(method: str) -> str:
    """The file of an F0 method's graph."""
    return f"f0_{method.replace('-', '_')}.onnx"


def synthesizer_outputs(f0: bool) -> list[str]:
    """Names of the synthesizer's outputs, in order: the waveform, and intermediate values under the stages' names."""
    names = ["waveform", "spk.g", "enc_p.m", "enc_p.logs", "z_p", "flow.z"]
    return [*names, "nsf.sine", "nsf.source"] if f0 else names


def outputs(file: str, f0: bool) -> list[str]:
    """Names of the outputs of a file's graph that a conversion reads; `f0`: whether the voice takes F0."""
    return {CONTENT: ["content"], SYNTHESIZER: synthesizer_outputs(f0)}.get(file, ["salience"])


@dataclass(frozen=True)
class ExportedVoice:
    """A folder that `rvc export --format onnx` wrote.

    Attributes:
        folder: the folder.
        fields: the contents of voice.json.
    """

    folder: Path
    fields: dict[str, Any]

    @property
    def version(self) -> str:
        """ "v1" or "v2"."""
        return str(self.fields["version"])

    @property
    def rate(self) -> int:
        """Output samples per second."""
        return int(self.fields["rate"])

    @property
    def f0(self) -> bool:
        """Whether the voice is guided by F0."""
        return bool(self.fields["f0"])

    @property
    def speakers(self) -> int:
        """Number of speakers."""
        return int(self.fields["speakers"])

    @property
    def upp(self) -> int:
        """Output samples per frame of 10 ms."""
        return int(self.fields["hop"])

    @property
    def f0_methods(self) -> dict[str, str]:
        """F0 method → file of its graph."""
        return dict(self.fields["f0_methods"])


def is_exported(folder: Path) -> bool:
    """Whether a path is a folder with a voice.json and a synthesizer."""
    return folder.is_dir() and ((folder / DESCRIPTION).is_file() or (folder / SYNTHESIZER).is_file())


def read_folder(folder: Path) -> ExportedVoice:
    """Read and check voice.json, and that every file it names is there.

    Raises:
        BadInput: the file is missing or damaged, of another format, or names a file that is missing.
    """
    path = folder / DESCRIPTION
    again = "export the voice again with rvc export --format onnx"
    if not path.is_file():
        raise BadInput(f"the folder {folder} has no {DESCRIPTION}, which describes an exported voice; {again}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} cannot be read as JSON ({type(error).__name__}); {again}") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        stated = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
        raise BadInput(f"{path} states the format {stated!r}, expected {FORMAT!r}; {again}")
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise BadInput(f"{path} has the unknown field {unknown[0]!r}; {again}")
    if fault := misfit(fields, FIELDS, "") or misfit_inside(fields):
        raise BadInput(f"{path} has no valid {fault}; {again}")
    for name in fields["files"]:
        if not isinstance(name, str) or Path(name).name != name:
            raise BadInput(f"{path} names the file {name!r}, which is no file of the folder; {again}")
        if not (folder / name).is_file():
            raise BadInput(f"the folder {folder} lacks {name}, which its {DESCRIPTION} names; {again}")
    used = [CONTENT, SYNTHESIZER, *fields["f0_methods"].values(), *([RETRIEVAL] if fields["retrieval"] else [])]
    if missing := [name for name in used if name not in fields["files"]]:
        raise BadInput(f"{path} names no digest of {missing[0]}; {again}")
    return ExportedVoice(folder, fields)


def misfit_inside(fields: dict[str, Any]) -> str | None:
    """The name of the first field that contradicts another, or that has an invalid entry; None where there is none."""
    rates, index = fields["upsample_rates"], fields["retrieval"]
    if any(misfit(rate, COUNT, "rate") for rate in rates) or math.prod(rates) != fields["hop"]:
        return "upsample_rates"
    if not all(isinstance(name, str) for name in [*fields["f0_methods"].values(), *fields["files"].values()]):
        return "f0_methods" if any(not isinstance(name, str) for name in fields["f0_methods"].values()) else "files"
    if index is not None:
        return misfit(index, LISTS if index.get("kind") == LISTS["kind"][0] else FLAT, "retrieval")
    return None


def refuse_changed(voice: ExportedVoice, name: str) -> None:
    """Raise BadInput when a file of the folder is not the one that was exported."""
    from rvc.weights.checkpoint import sha256  # imports torch, which looking for a folder does not need

    if sha256(voice.folder / name) != voice.fields["files"][name]:
        raise BadInput(
            f"{voice.folder / name} is not the file that was exported (its sha256 differs from {DESCRIPTION}); export "
            "the voice again"
        )
