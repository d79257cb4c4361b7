"""The synthetic voices as files for an original: which ones a case needs, and their hashes."""

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from parity import voices
from parity.voices.synthesizer import Kind
from reference.recording.cases import Spec
from reference.recording.options import Weights

NETWORK = ("rmvpe",)  # F0 methods whose weights are files of ours; CREPE's and FCPE's come inside their packages


def of(spec: Spec) -> Weights:
    """The files of a case, made in the cache when they are not there."""
    return Weights(
        model=voices.make_voice(spec.voice),
        hubert=voices.make_hubert(),
        rmvpe=voices.make_rmvpe() if spec.options.f0_method in NETWORK else None,
        index=voices.make_index(spec.index) if spec.index else None,
    )


def for_opening(specs: list[Spec]) -> Weights:
    """The files an original is opened with: those of the first case, and RMVPE's if any case asks for it."""
    first = of(specs[0])
    needed = any(spec.options.f0_method in NETWORK for spec in specs)
    return replace(first, rmvpe=voices.make_rmvpe() if needed else None)


def voice(spec: Spec) -> dict[str, Any]:
    """The voice as case.json tells it: its kind, what follows from it, and the sha256 of every weight file."""
    kind, files = Kind(spec.voice), of(spec)
    roles = {"voice": files.model, "rmvpe": files.rmvpe, "index": files.index}
    hashes = {role: sha256(path) for role, path in roles.items() if path is not None}
    hashes |= {f"hubert/{path.name}": sha256(path) for path in sorted(files.hubert.iterdir()) if path.is_file()}
    return {
        "kind": spec.voice,
        "rate": kind.rate * 1000,
        "version": kind.version,
        "f0": kind.f0,
        "index": spec.index,
        "files": hashes,
    }


@cache
def sha256(path: Path) -> str:
    """Of a file's bytes, read once in a run."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
