"""The weight files of a case: the originals' own formats, and the same tensors as safetensors for other programs."""

from pathlib import Path

from parity import voices
from parity.goldens.store import Case
from parity.voices import cache

PLAIN_ROLES = {
    "model": "voice",
    "rmvpe": "rmvpe_tensors",
    "index": "index_tensors",
}  # role → role of its safetensors form


def synthetic(case: Case) -> dict[str, Path]:
    """The synthetic files of a case, made on this machine where the cache lacks them.

    A drawn case (parity/runs/drawn_cases.py) has the path of its own voice in the field `file`.

    Returns:
        role (model, hubert; rmvpe and index where the case needs them) → path.
    """
    drawn = case.voice.get("file")
    model = Path(drawn) if drawn else voices.make_voice(case.voice["kind"])
    files = {"model": model, "hubert": voices.make_hubert()}
    if case.options.get("f0_method") == "rmvpe":
        files["rmvpe"] = voices.make_rmvpe()
    if index := case.voice.get("index"):
        name = Path(str(index)).stem.removeprefix("index-")
        files["index"] = voices.make_index(name if name in voices.INDEXES else case.voice["version"])
    return files


def paths(case: Case) -> dict[str, str]:
    """The files of `synthetic`, and their tensors as safetensors: `voice`, `rmvpe_tensors` and `index_tensors`.

    Returns:
        role → path.
    """
    files = synthetic(case)
    plain = {role: PLAIN_ROLES[role] for role in files if role in PLAIN_ROLES}
    return {role: str(path) for role, path in files.items()} | {
        other: str(_plain(case, role, files[role])) for role, other in plain.items()
    }


def _plain(case: Case, role: str, path: Path) -> Path:
    """The safetensors form of a file; a drawn voice has it beside its .pth."""
    if role == "model" and "file" in case.voice:
        return path.with_suffix(".safetensors")
    return cache.plain_path_of(path.stem)
