"""Naming a file that is given where no weight file is expected, such as a voice in the place of an index."""

from __future__ import annotations

from pathlib import Path

from rvc.errors import BadCheckpoint
from rvc.weights.mapped_file import read_safetensors
from rvc.weights.recognizers import Role, refuse_other_content, refuse_other_tensors
from rvc.weights.torch_files.state_dict import read_tensors


def refuse_other_file(path: Path, role: Role) -> None:
    """Raise BadCheckpoint when a file is something else than `role`, by its first bytes or by its tensors' names."""
    refuse_other_content(path, role)
    with path.open("rb") as file:
        start = file.read(9)
    is_safetensors = start[8:] == b"{"
    if not is_safetensors and start[:4] != b"PK\x03\x04" and start[:1] != b"\x80":
        return
    try:
        tensors = read_safetensors(path) if is_safetensors else read_tensors(path)
    except BadCheckpoint:
        return  # the reader reports what is wrong
    refuse_other_tensors(path.name, tensors, role)
    raise BadCheckpoint(f"{path.name} is a file of weights, expected {role.value}; give the right file")
