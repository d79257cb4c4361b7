"""Model tools: a voice in another format, a small voice from a training checkpoint, two voices made one."""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.synthesizer_config import FIELDS
from rvc.voices.voice import Voice, contents, load_voice, pack_metadata

SPEAKERS = FIELDS.index("speakers")
FORMATS = (".pth", ".safetensors")
STATED_SPEAKERS = 109  # what the originals write into every config, however many speakers a voice has


def export(source: str | Path, target: str | Path, *, speaker: int | None = None, info: str | None = None) -> Voice:
    """Write a voice in the format that `target`'s name ends with, and open what was written.

    source  : an exported voice, a .safetensors of ours, or a training checkpoint, which becomes a small voice: float16,
              without the posterior encoder, with its config list, info, sr, f0 and version
    speaker : keep only this speaker's row of the embedding;  info : the voice's words about itself
    returns : the new voice.  An exported voice keeps every tensor bit by bit, and its metadata
    raises  : BadCheckpoint for a source that cannot be loaded, BadInput for a target or speaker that cannot be
    """
    source, target = Path(source), Path(target)
    _refuse_target(target, source)
    voice = load_voice(source)
    found = contents(source)
    if found.kind == "training checkpoint":
        weight = {name: _halved(name, tensor, source) for name, tensor in found.tensors.items()}
        metadata = small_metadata(voice, found.metadata.get("iteration"))
        config = [*voice.config[:SPEAKERS], STATED_SPEAKERS, *voice.config[SPEAKERS + 1 :]]
    else:
        weight, metadata = dict(found.original), dict(found.metadata)
        config = voice.config if found.config is None else found.config
    if speaker is not None:
        if not 0 <= speaker < voice.speakers:
            raise BadInput(
                f"speaker {speaker} was asked for, but {source.name} has {_speakers(voice)}; choose one of those"
            )
        weight["emb_g.weight"] = weight["emb_g.weight"][speaker : speaker + 1]
        config = [*config[:SPEAKERS], 1, *config[SPEAKERS + 1 :]]
    if info is not None:
        metadata["info"] = info
    write(target, weight, config, metadata)
    return load_voice(target)


def merge(
    first: str | Path, second: str | Path, target: str | Path, ratio: float = 0.5, *, info: str | None = None
) -> Voice:
    """Write the voice between two: ratio·first + (1 − ratio)·second in float32, kept as float16, and open it.

    ratio   : 1 is the first voice alone, 0 the second.  Of different numbers of speakers, the fewer stay
    returns : the new voice, with the first one's config, sr, f0 and version
    raises  : BadInput for voices of different families or a ratio outside 0…1; BadCheckpoint, as load_voice
    """
    first, second, target = Path(first), Path(second), Path(target)
    if not 0 <= ratio <= 1:
        raise BadInput(f"the ratio is {ratio}, expected 0 (only the second voice) to 1 (only the first)")
    _refuse_target(target, first, second)
    a, b = load_voice(first), load_voice(second)
    _refuse_other_family(a, b)
    mine, theirs = contents(first), contents(second)
    weight = {}
    for name, tensor in mine.tensors.items():
        other = theirs.tensors[name]
        if name == "emb_g.weight":
            rows = min(len(tensor), len(other))
            tensor, other = tensor[:rows], other[:rows]
        mixed = ratio * tensor.float() + (1 - ratio) * other.float()
        weight[name] = _halved(name, mixed, first)
    metadata = {**small_metadata(a, mine.metadata.get("iteration")), **_kept(mine.metadata)}
    metadata["info"] = f"{ratio:g} of {first.name} and {1 - ratio:g} of {second.name}" if info is None else info
    write(target, weight, a.config if mine.config is None else mine.config, metadata)
    return load_voice(target)


def small_metadata(voice: Voice, iteration: Any = None) -> dict[str, Any]:
    """`info`, `sr`, `f0` and `version` as the originals write them into a small voice."""
    info = f"{iteration}epoch" if isinstance(iteration, int) else ""
    return {"info": info, "sr": f"{voice.rate // 1000}k", "f0": int(voice.f0), "version": voice.version}


def write(target: Path, weight: Mapping[str, Tensor], config: list[Any], metadata: Mapping[str, Any]) -> None:
    """Write a voice to `target`, .pth or .safetensors, whole or not at all."""
    # Copies, since what was read lies in the mapped file: nothing written may hold on to it, or to a larger storage.
    own = OrderedDict((name, tensor.clone(memory_format=torch.contiguous_format)) for name, tensor in weight.items())
    if target.suffix == ".safetensors":
        _atomically(target, lambda path: save_file(dict(own), path, pack_metadata(metadata, config)))
    else:
        content = OrderedDict(weight=own, config=config, **metadata)
        _atomically(target, lambda path: torch.save(content, path))


def _atomically(target: Path, save: Callable[[Path], None]) -> None:
    """Save under another name beside `target`, then put it in its place."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
        os.close(handle)
        beside = Path(name)
        try:
            save(beside)
            beside.chmod(0o666 & ~_umask())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"{target} cannot be written ({error.strerror or error}); choose another place") from error


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _halved(name: str, tensor: Tensor, source: Path) -> Tensor:
    half = tensor.half()
    if not torch.isfinite(half).all():
        raise BadCheckpoint(f"{source.name}'s tensor {name} has numbers that float16 cannot hold; its training failed")
    return half


def _kept(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: metadata[key] for key in ("sr", "f0", "version") if key in metadata}


def _refuse_target(target: Path, *sources: Path) -> None:
    if target.suffix not in FORMATS:
        raise BadInput(f"{target.name} should end in {' or '.join(FORMATS)}, which says the format to write")
    if not target.parent.is_dir():
        raise BadInput(f"there is no folder {target.parent} to write {target.name} into")
    if any(target.exists() and target.samefile(source) for source in sources if source.exists()):
        raise BadInput(f"{target.name} would overwrite the voice that it is made from; choose another name")


def _refuse_other_family(a: Voice, b: Voice) -> None:
    facts = [
        ("version", a.version, b.version),
        ("rate", a.rate, b.rate),
        ("f0", int(a.f0), int(b.f0)),
        ("sizes", _sizes(a), _sizes(b)),
    ]
    other = [f"{name} {mine} and {theirs}" for name, mine, theirs in facts if mine != theirs]
    if other:
        raise BadInput(
            f"{a.path.name} and {b.path.name} cannot be merged: {'; '.join(other)}; both must be of one family"
        )


def _sizes(voice: Voice) -> list[Any]:
    """The config from the latent's width on, but the number of speakers."""
    return [value for i, value in enumerate(voice.config) if i not in (0, 1, SPEAKERS, FIELDS.index("rate"))]


def _speakers(voice: Voice) -> str:
    return "speaker 0 only" if voice.speakers == 1 else f"speakers 0 to {voice.speakers - 1}"
