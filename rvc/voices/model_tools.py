"""Model tools: write a voice in another format, extract a small voice from a training checkpoint, merge two voices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from rvc.errors import BadCheckpoint, BadInput
from rvc.voices import embedders
from rvc.voices.contents import FileKind, pack_metadata, plain, read_contents
from rvc.voices.metadata import RATE, SPEAKERS
from rvc.voices.voice import Voice, load_voice
from rvc.weights.whole_files import atomically

FORMATS = (".pth", ".safetensors")
STATED_SPEAKERS = 109  # the number in every config that the originals write (docs/spec/01 §1.2)


def export(source: str | Path, target: str | Path, *, speaker: int | None = None, info: str | None = None) -> Voice:
    """Write a voice in the format that `target`'s name ends with, and open the new file.

    An exported voice keeps every tensor bit by bit, and its metadata. A training checkpoint becomes a small voice:
    float16, without the posterior encoder, with a config list, info, sr, f0 and version (docs/spec/01 §1.1).

    Args:
        source: an exported voice, a .safetensors file of `rvc export`, or a training checkpoint.
        target: a name that ends in .pth or .safetensors.
        speaker: keep only this speaker's row of the embedding.
        info: the info text of the new voice.
    Returns:
        The new voice.
    Raises:
        BadCheckpoint: `source` cannot be loaded, or holds numbers that float16 cannot.
        BadInput: `target` cannot be written, or there is no such speaker.
    """
    source, target = Path(source), Path(target)
    _refuse_target(target, source)
    voice = load_voice(source)
    contents = read_contents(source)
    if contents.kind is FileKind.TRAINING_CHECKPOINT:
        weight = {name: _to_float16(name, tensor, source) for name, tensor in contents.tensors.items()}
        metadata = small_metadata(voice, contents.metadata.get("iteration"))
        config = [*voice.config[:SPEAKERS], STATED_SPEAKERS, *voice.config[SPEAKERS + 1 :]]
    else:
        weight, metadata = dict(contents.original), dict(contents.metadata) | voice.corrected
        if contents.kind is FileKind.SAFETENSORS_VOICE:  # a plain state dict has none of what the originals read
            metadata = small_metadata(voice) | metadata
        config = voice.config if contents.config is None else contents.config
    if speaker is not None:
        if not 0 <= speaker < voice.speakers:
            raise BadInput(
                f"speaker {speaker} was requested, but {source.name} has {_speakers(voice)}; choose one of those"
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
    """Write ratio·first + (1 − ratio)·second, computed in float32 and stored as float16, and open the new file.

    Args:
        first: a voice; the new one has its config, sr, f0 and version.
        second: a voice of the same version, rate, F0 and sizes. Of different numbers of speakers the fewer are kept.
        target: a name that ends in .pth or .safetensors.
        ratio: 1 is the first voice alone, 0 the second.
        info: the info text of the new voice; the ratio and both names without it.
    Returns:
        The new voice.
    Raises:
        BadInput: the voices are of different kinds, the ratio is outside 0 to 1, or `target` cannot be written.
        BadCheckpoint: a voice cannot be loaded.
    """
    first, second, target = Path(first), Path(second), Path(target)
    if not 0 <= ratio <= 1:
        raise BadInput(f"the ratio is {ratio}, expected 0 (only the second voice) to 1 (only the first)")
    _refuse_target(target, first, second)
    a, b = load_voice(first), load_voice(second)
    _refuse_other_kind(a, b)
    contents_a, contents_b = read_contents(first), read_contents(second)
    weight = {}
    for name, tensor in contents_a.tensors.items():
        other = contents_b.tensors[name]
        if name == "emb_g.weight":
            rows = min(len(tensor), len(other))
            tensor, other = tensor[:rows], other[:rows]
        mixed = ratio * tensor.float() + (1 - ratio) * other.float()
        weight[name] = _to_float16(name, mixed, first)
    metadata = {
        **small_metadata(a, contents_a.metadata.get("iteration")),
        **_kept(contents_a.metadata, contents_b.metadata),
    }
    metadata |= a.corrected
    metadata["info"] = f"{ratio:g} of {first.name} and {1 - ratio:g} of {second.name}" if info is None else info
    write(target, weight, a.config if contents_a.config is None else contents_a.config, metadata)
    return load_voice(target)


def small_metadata(voice: Voice, iteration: Any = None) -> dict[str, Any]:
    """`info`, `sr`, `f0` and `version` as the originals write them into a small voice."""
    info = f"{iteration}epoch" if isinstance(iteration, int) else ""
    return {"info": info, "sr": f"{voice.rate // 1000}k", "f0": int(voice.f0), "version": voice.version}


def write(target: Path, weight: Mapping[str, Tensor], config: list[Any], metadata: Mapping[str, Any]) -> None:
    """Write a voice to `target`, .pth or .safetensors; the file appears when it is complete.

    Args:
        target: the file.
        weight: tensor name → tensor.
        config: the list of 18 entries.
        metadata: the other entries; those that are no plain values are written as such, see `contents.plain`.
    Raises:
        BadInput: the file cannot be written.
    """
    # Copied because the tensors share the bytes of the mapped file, all of which torch.save would write.
    copies = OrderedDict((name, tensor.clone(memory_format=torch.contiguous_format)) for name, tensor in weight.items())
    config, metadata = plain(config), plain(dict(metadata))
    if target.suffix == ".safetensors":
        atomically(target, lambda path: save_file(dict(copies), path, pack_metadata(metadata, config)))
    else:
        content = OrderedDict(weight=copies, config=config, **metadata)
        atomically(target, lambda path: _save(content, path))


def _save(content: Mapping[str, Any], path: str) -> None:
    """Save for torch. An open file, in place of its name, keeps the temporary name out of the archive."""
    with open(path, "wb") as file:
        torch.save(content, file)


def _to_float16(name: str, tensor: Tensor, source: Path) -> Tensor:
    half = tensor.half()
    if not torch.isfinite(half).all():
        raise BadCheckpoint(
            f"{source.name}'s tensor {name} has numbers that float16 cannot hold; "
            "its training failed, use an earlier checkpoint"
        )
    return half


def _kept(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of both voices that a merged one keeps: the first's facts, and the embedder and vocoder of either."""
    facts = {key: first[key] for key in ("sr", "f0", "version") if key in first}
    tags = (*embedders.ENTRIES, embedders.LAYER_ENTRY, "vocoder")
    return facts | {key: source[key] for source in (second, first) for key in tags if source.get(key) is not None}


def _refuse_target(target: Path, *sources: Path) -> None:
    if target.suffix not in FORMATS:
        raise BadInput(f"{target.name} should end in {' or '.join(FORMATS)}, which selects the format to write")
    if not target.parent.is_dir():
        raise BadInput(f"there is no folder {target.parent} to write {target.name} into; create it first")
    if any(target.exists() and target.samefile(source) for source in sources if source.exists()):
        raise BadInput(f"{target.name} would overwrite the voice that it is made from; choose another name")


def _refuse_other_kind(a: Voice, b: Voice) -> None:
    facts: list[tuple[str, Any, Any]] = [
        ("version", a.version, b.version),
        ("rate", a.rate, b.rate),
        ("f0", int(a.f0), int(b.f0)),
        ("sizes", _sizes(a), _sizes(b)),
    ]
    trained = [(voice.embedder or embedders.CONTENTVEC).name for voice in (a, b)]
    facts.append(("embedder", trained[0], trained[1]))
    other = [f"{name} {in_a} and {in_b}" for name, in_a, in_b in facts if in_a != in_b]
    if other:
        raise BadInput(
            f"{a.path.name} and {b.path.name} cannot be merged: {'; '.join(other)}; both must be of the same kind"
        )


def _sizes(voice: Voice) -> list[Any]:
    """The entries of the config that both voices of a merge must share: all but index 0, 1, speakers and rate."""
    return [value for i, value in enumerate(voice.config) if i not in (0, 1, SPEAKERS, RATE)]


def _speakers(voice: Voice) -> str:
    return "speaker 0 only" if voice.speakers == 1 else f"speakers 0 to {voice.speakers - 1}"
