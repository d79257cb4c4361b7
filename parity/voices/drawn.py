"""Voices of any seed: weights of a kind that no golden was recorded with, for judgments on fresh inputs."""

from pathlib import Path

from parity.voices import synthesizer
from parity.voices.kinds import weights, write_plain


def write_voice(kind: str, seed: str, folder: Path) -> Path:
    """Write a voice, and its tensors as safetensors beside it.

    Args:
        kind: one of KINDS.
        seed: the key of its weights in the fixed stream; the same bits on every machine.
        folder: an existing folder.
    Returns:
        the .pth; the same path with the suffix .safetensors holds the tensors in float32.
    Raises:
        UsageError: there is no such kind.
    """
    how, path = weights(kind), folder / f"{kind}.pth"
    how.write(dict(synthesizer.tensors(kind, seed)), how.facts, path)
    if how.plain is not None:
        write_plain(how.plain(path), how.facts, path.with_suffix(".safetensors"))
    return path
