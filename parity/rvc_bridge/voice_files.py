"""The weight files of a case: the originals' own formats, and the same tensors as safetensors for other programs."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
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
    return {role: make() for role, make in _makers(case).items()}


def _makers(case: Case) -> dict[str, Callable[[], Path]]:
    """Role → the function that returns the path of its file, and makes the file where the cache lacks it."""
    drawn = case.voice.get("file")
    model = partial(Path, drawn) if drawn else partial(voices.make_voice, case.voice["kind"])
    makers: dict[str, Callable[[], Path]] = {"model": model, "hubert": voices.make_hubert}
    if case.options.get("f0_method") == "rmvpe":
        makers["rmvpe"] = voices.make_rmvpe
    if index := case.voice.get("index"):
        name = Path(str(index)).stem.removeprefix("index-")
        makers["index"] = partial(voices.make_index, name if name in voices.INDEXES else case.voice["version"])
    return makers


class WeightFiles(Mapping[str, str]):
    """Role → path of the weights of a case. A file is made when its path is read, so that no stage waits for others."""

    def __init__(self, case: Case) -> None:
        self._case, self._makers = case, _makers(case)
        self._plain = {PLAIN_ROLES[role]: role for role in self._makers if role in PLAIN_ROLES}

    def __getitem__(self, role: str) -> str:
        if role in self._plain:
            return str(_plain(self._case, self._plain[role], self._makers[self._plain[role]]()))
        return str(self._makers[role]())

    def __iter__(self) -> Iterator[str]:
        return iter((*self._makers, *self._plain))

    def __len__(self) -> int:
        return len(self._makers) + len(self._plain)


def paths(case: Case) -> WeightFiles:
    """The files of `synthetic`, and their tensors as safetensors: `voice`, `rmvpe_tensors` and `index_tensors`."""
    return WeightFiles(case)


def _plain(case: Case, role: str, path: Path) -> Path:
    """The safetensors form of a file; a drawn voice has it beside its .pth."""
    if role == "model" and "file" in case.voice:
        return path.with_suffix(".safetensors")
    return cache.plain_path_of(path.stem)
