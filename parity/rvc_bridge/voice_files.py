"""The weight files of a case as another program gets them: the originals' own, and the voice as plain safetensors."""

import os
from pathlib import Path

from parity.goldens.store import Case
from parity.rvc_bridge.offline import voice_files
from parity.voices import cache


def paths(case: Case) -> dict[str, str]:
    """Role → path: model, hubert, rmvpe and index where the case needs them, and `voice`, the model's tensors in
    float32 as safetensors with the names of the specification."""
    found = voice_files(case)
    return {role: str(path) for role, path in found.items()} | {"voice": str(plain(found["model"]))}


def plain(model: Path) -> Path:
    """The tensors of a voice file in float32, written once into the cache."""
    target = cache.folder() / "plain" / f"{model.parent.name}.safetensors"
    if not target.is_file():
        from safetensors.torch import save_file

        from rvc.voices.voice import read_contents

        tensors = {name: tensor.float().contiguous() for name, tensor in read_contents(model).tensors.items()}
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        save_file(tensors, fresh)
        fresh.replace(target)
    return target
