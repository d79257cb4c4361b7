"""The weight files of a case: which synthetic voices and networks it needs, and their hashes."""

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from parity import voices
from parity.voices.synthesizer import Kind
from reference.recording.cases import Spec
from reference.recording.options import Weights

WITH_WEIGHT_FILE = ("rmvpe",)  # F0 methods with synthetic weights; CREPE's and FCPE's are part of their packages


def of_case(spec: Spec) -> Weights:
    """The files of a case; missing ones are generated in the cache folder."""
    return Weights(
        model=voices.make_voice(spec.voice),
        hubert=voices.make_hubert(),
        rmvpe=voices.make_rmvpe() if spec.options.f0_method in WITH_WEIGHT_FILE else None,
        index=voices.make_index(spec.index) if spec.index else None,
    )


def to_open_with(specs: list[Spec]) -> Weights:
    """The files to open an original with: those of the first case, and RMVPE's if any case needs it."""
    first = of_case(specs[0])
    needed = any(spec.options.f0_method in WITH_WEIGHT_FILE for spec in specs)
    return replace(first, rmvpe=voices.make_rmvpe() if needed else None)


def voice_facts(spec: Spec) -> dict[str, Any]:
    """The entry `voice` of case.json: kind, rate, version, F0, index, and the sha256 of every weight file."""
    kind, files = Kind(spec.voice), of_case(spec)
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
    """The hexadecimal SHA-256 of a file; cached for the life of the process."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
