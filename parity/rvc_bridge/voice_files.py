"""The weight files of a case: the originals' own formats, and the voice as plain safetensors for other programs."""

import os
from pathlib import Path

from parity import voices
from parity.goldens.store import Case
from parity.voices import cache


def synthetic(case: Case) -> dict[str, Path]:
    """The synthetic files of a case, made on this machine where the cache lacks them.

    Returns:
        role (model, hubert; rmvpe and index where the case needs them) → path.
    """
    files = {"model": voices.make_voice(case.voice["kind"]), "hubert": voices.make_hubert()}
    if case.options.get("f0_method") == "rmvpe":
        files["rmvpe"] = voices.make_rmvpe()
    if index := case.voice.get("index"):
        name = Path(str(index)).stem.removeprefix("index-")
        files["index"] = voices.make_index(name if name in voices.INDEXES else case.voice["version"])
    return files


def paths(case: Case) -> dict[str, str]:
    """The files of `synthetic`, and `voice`: the model's tensors under the names of the specification.

    Returns:
        role → path.
    """
    files = synthetic(case)
    return {role: str(path) for role, path in files.items()} | {"voice": str(plain(files["model"]))}


def plain(model: Path) -> Path:
    """The tensors of a voice file in float32 as safetensors, written into the cache once."""
    target = cache.folder() / "plain" / f"{model.parent.name}.safetensors"
    if not target.is_file():
        from safetensors.torch import save_file  # imports torch, as does the next line

        from rvc.voices.voice import read_contents

        tensors = {name: tensor.float().contiguous() for name, tensor in read_contents(model).tensors.items()}
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        save_file(tensors, fresh)
        fresh.replace(target)
    return target
