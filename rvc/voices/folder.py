"""A folder of voices: find a voice by its name, and its index by the WebUI's naming rule (docs/spec/04 §4.6)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rvc.errors import BadInput
from rvc.weights.recognizers import Role, refuse_known_folder

SUFFIXES = (".pth", ".safetensors", ".pt")


def find_voice(model: str | Path, folder: Path | None = None) -> tuple[Path, Path | None]:
    """Find a voice file by its path or name.

    Args:
        model: a path, or a name in the folder: NAME, NAME.pth, or a subfolder with one voice.
        folder: the folder of voices; $RVC_VOICES without it, else "voices".
    Returns:
        The voice file, and the index that belongs to it; the index is None for a path, or where there is none.
    Raises:
        BadInput: there is no such voice, or more than one.
    """
    path = Path(model)
    if path.is_file():
        return path, None
    if path.is_dir():
        refuse_known_folder(path, Role.VOICE)
        raise BadInput(f"{path} is a folder; --model takes a voice file in it")
    folder = folder or Path(os.environ.get("RVC_VOICES", "voices"))
    if path.parent != Path(".") or (path.suffix in SUFFIXES and not folder.is_dir()):
        raise BadInput(f"there is no voice file {model}; check the path")
    voices = list_voices(folder)
    matching = [voice for voice in voices if path.name in (voice.name, voice.stem)]
    matching = matching or [voice for voice in voices if voice.parent.name == path.name]
    if not matching:
        known = ", ".join(sorted({voice.stem for voice in voices})[:12])
        where = f"the folder {folder} has {known}" if known else f"the folder {folder} has no voices"
        raise BadInput(f"there is no voice file {model}, and none of that name: {where}")
    if len(matching) > 1:
        raise BadInput(f"{model} could be {' or '.join(map(str, matching))}; give the path of one")
    return matching[0], find_index(matching[0], [matching[0].parent, folder])


def list_voices(folder: Path) -> list[Path]:
    """The voice files in a folder and its direct subfolders, without hidden files and training checkpoints (G_*.pth,
    D_*.pth)."""
    if not folder.is_dir():
        return []
    files = [*folder.iterdir(), *(file for sub in folder.iterdir() if sub.is_dir() for file in sub.iterdir())]
    return sorted(file for file in files if file.suffix in SUFFIXES and not re.match(r"\.|[GD]_\d+\.pth$", file.name))


def find_index(voice: Path, roots: list[Path]) -> Path | None:
    """Find the index that belongs to a voice.

    Args:
        voice: the voice file.
        roots: folders that are searched with their subfolders.
    Returns:
        Of several, one named as the trainer names it, then one in the first root, then the newest; None without any.
    """
    stem = voice.stem.lower()
    experiment = re.sub(r"_e\d+_s\d+$", "", stem)
    ranked = []
    for place, root in enumerate(roots):
        for path in sorted(root.rglob("*.index")):
            name = path.stem.lower()
            standard = name.startswith(f"{experiment}_added_") or re.search(rf"_{re.escape(experiment)}_v[12]", name)
            if "trained" not in name and not name.startswith(".") and (standard or stem in name):
                ranked.append((not standard, place, -path.stat().st_mtime, path))
    return min(ranked)[-1] if ranked else None
