"""What an exported folder holds: files, inputs and outputs of the graphs, and voice.json (docs/exported-voice.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc.errors import BadInput
from rvc.voice_kinds import VERSIONS

FORMAT = "rvc-onnx-voice/1"
SPECIFICATION = "1"  # version of docs/spec that the graphs compute
OPSET, IR_VERSION = 17, 8  # of ONNX; opset 17 is the first with LayerNormalization, and IR 8 belongs to it
DESCRIPTION = "voice.json"
CONTENT, SYNTHESIZER, RETRIEVAL = "content.onnx", "synthesizer.onnx", "retrieval.safetensors"
PRECISIONS = ("float32", "float16")
STREAM_INPUTS = {"skip_head": 0, "return_length": -1, "resized_length": -1}  # inputs of a stream and their defaults
# Fields of voice.json → the type of their value; every field is present.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "format": str,
    "specification": str,
    "opset": int,
    "ir_version": int,
    "precision": str,
    "version": str,
    "rate": int,
    "f0": bool,
    "speakers": int,
    "hop": int,
    "latent_channels": int,
    "upsample_rates": list,
    "profile": str,
    "info": str,
    "embedder": (str, type(None)),
    "f0_methods": dict,
    "retrieval": (dict, type(None)),
    "constants": dict,
    "license": dict,
    "source": dict,
    "files": dict,
}


def f0_file(method: str) -> str:
    """The file of an F0 method's graph."""
    return f"f0_{method.replace('-', '_')}.onnx"


def synthesizer_outputs(f0: bool) -> list[str]:
    """Names of the synthesizer's outputs, in order: the waveform, and intermediate values under the stages' names."""
    names = ["waveform", "spk.g", "enc_p.m", "enc_p.logs", "z_p", "flow.z"]
    return [*names, "nsf.sine", "nsf.source"] if f0 else names


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
    for name, kind in FIELDS.items():
        value = fields.get(name)
        wrong_bool = isinstance(value, bool) and kind is int
        if name not in fields or not isinstance(value, kind) or wrong_bool:
            raise BadInput(f"{path} has no valid {name}; {again}")
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise BadInput(f"{path} has the unknown field {unknown[0]!r}; {again}")
    if fields["version"] not in VERSIONS or fields["precision"] not in PRECISIONS:
        raise BadInput(f"{path} describes a voice of version {fields['version']!r}, {fields['precision']!r}; {again}")
    for name in fields["files"]:
        if not isinstance(name, str) or Path(name).name != name:
            raise BadInput(f"{path} names the file {name!r}, which is no file of the folder; {again}")
        if not (folder / name).is_file():
            raise BadInput(f"the folder {folder} lacks {name}, which its {DESCRIPTION} names; {again}")
    used = [CONTENT, SYNTHESIZER, *fields["f0_methods"].values(), *([RETRIEVAL] if fields["retrieval"] else [])]
    if missing := [name for name in used if name not in fields["files"]]:
        raise BadInput(f"{path} names no digest of {missing[0]}; {again}")
    return ExportedVoice(folder, fields)


def refuse_changed(voice: ExportedVoice, name: str) -> None:
    """Raise BadInput when a file of the folder is not the one that was exported."""
    from rvc.weights.checkpoint import sha256  # imports torch, which looking for a folder does not need

    if sha256(voice.folder / name) != voice.fields["files"][name]:
        raise BadInput(
            f"{voice.folder / name} is not the file that was exported (its sha256 differs from {DESCRIPTION}); export "
            "the voice again"
        )
