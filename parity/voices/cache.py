"""The cache of synthetic weights: made once on each machine, checked whenever a process opens them.

An entry is a folder named after the weights and their pinned digest. It appears by one rename, so that no process reads
half a file and two processes that make the same entry do not mix theirs; a damaged entry is made again.
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from tqdm import tqdm

from parity.errors import GoldenError, ParityError, UsageError
from parity.goldens.fresh_folder import fresh_folder
from parity.voices.draw import Array
from parity.voices.kinds import Tensors, WeightFile, Writer, digest, weights, write_plain

_RECORD = "made.json"  # the sha256 of each file of an entry, written when it was made
_STAMPS = ".read.json"  # sizes and times of the files when their hashes were last computed


def folder() -> Path:
    """Where the weights are kept: $RVC_CACHE, or `rvc` in the user's cache folder of this platform."""
    if chosen := os.environ.get("RVC_CACHE"):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "rvc"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "rvc"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "rvc"


def pinned() -> dict[str, str]:
    """The committed digest of everything that can be made, by name."""
    text = files("parity").joinpath("data/voices.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@functools.cache
def _digests_of_files() -> dict[str, str]:
    """The sha256 of each voice file that `torch.save` wrote for a golden → the digest of its tensors."""
    text = files("parity").joinpath("data/recorded_voices.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def path_of(name: str) -> Path:
    """The file or folder of the weights called `name`, made now if the cache does not hold it intact.

    Raises UsageError for an unknown name, GoldenError where this machine draws other bits than the pinned ones.
    """
    return _path_of(name, folder())


@functools.cache  # a file is hashed once in a process
def _path_of(name: str, root: Path) -> Path:
    weight_file = weights(name)
    entry = root / "voices" / f"{name}-{pinned()[name][:12]}"
    if not _intact(entry, weight_file.file):
        make(name, weight_file, entry)
    return entry / weight_file.file


def plain_path_of(name: str) -> Path:
    """The safetensors file of the weights called `name`, for programs that read neither .pth nor .index.

    A voice is float32 under the names of docs/spec/01; RMVPE has the dtypes of rmvpe.pt; an index is `centroids`,
    `lists` and `vectors`, see `parity.voices.index.tensors`.

    Raises:
        UsageError: an unknown name, or HuBERT, whose own file is safetensors.
        GoldenError: this machine draws other bits than the pinned ones.
    """
    return _plain_path_of(name, folder())


@functools.cache  # a file is hashed once in a process
def _plain_path_of(name: str, root: Path) -> Path:
    how = weights(name)
    if how.plain is None:
        raise UsageError(f"the weights called {name!r} are safetensors already")
    entry, file = root / "plain" / f"{name}-{pinned()[name][:12]}", f"{name}.safetensors"
    if not _intact(entry, file):
        _write_entry(entry, file, write_plain, how.plain(_path_of(name, root)), how.facts)
    return entry / file


def make(name: str, weight_file: WeightFile, entry: Path) -> None:
    """Draw, check and write the weights called `name`, and put them at `entry` in one step."""
    tensors = draw(name, weight_file)
    check(name, digest(tensors, weight_file.facts))
    _write_entry(entry, weight_file.file, weight_file.write, tensors, weight_file.facts)


def _write_entry(entry: Path, file: str, write: Writer, tensors: Tensors, facts: Mapping[str, object]) -> None:
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        fresh = fresh_folder(entry)
    except OSError as error:
        raise ParityError(f"cannot write to {entry.parent} ({error}); set RVC_CACHE to a folder that can") from error
    try:
        write(tensors, facts, fresh / file)
        (fresh / _RECORD).write_text(json.dumps(_hashes(fresh), indent=1) + "\n", encoding="utf-8")
        _put(fresh, entry, file)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def draw(name: str, weight_file: WeightFile) -> dict[str, Array]:
    """All tensors of an entry, with a progress bar on a terminal."""
    tensors: dict[str, Array] = {}
    with tqdm(total=weight_file.elements, desc=name, unit="", unit_scale=True, disable=None, leave=False) as bar:
        for key, values in weight_file.draw():
            tensors[key] = values
            bar.update(values.size)
    return tensors


def check(name: str, made: str) -> None:
    """Raise GoldenError where the digest of the weights called `name` is not the pinned one."""
    expected = pinned()[name]
    if made != expected:
        raise GoldenError(
            f"this machine drew other bits for {name}: sha256 {made[:12]}, expected {expected[:12]}; "
            "goldens recorded with these weights do not hold here, see parity/goldens/random_stream.py"
        )


def other_than_recorded(recorded: Mapping[str, Any]) -> str | None:
    """Compare this machine's files with those that a golden's `voice` was recorded with.

    Only files whose bytes follow from their tensors are compared: the voice's, HuBERT's and the index's. A voice that
    `torch.save` wrote is compared by the digest of its tensors, which parity/data/recorded_voices.json lists.

    Returns:
        a sentence where one differs, else None.
    """
    kind, index = recorded.get("kind"), str(recorded.get("index") or "").removeprefix("index-")
    hashes = recorded.get("files", {})
    for role, name in (("voice", kind), ("hubert/model.safetensors", "hubert"), ("index", f"index-{index}")):
        there = hashes.get(role)
        if there is None or name not in pinned():
            continue
        made = folder() / "voices" / f"{name}-{pinned()[name][:12]}" / _RECORD
        if not made.is_file():
            continue
        files_here = json.loads(made.read_text(encoding="utf-8"))
        here = files_here.get(role) or next(iter(files_here.values()))
        if (recorded_digest := _digests_of_files().get(there)) is not None:
            there, here = recorded_digest, pinned()[name]
        elif here in _digests_of_files():  # torch.save wrote this machine's file, not the recording one's
            continue
        if here != there:
            return (
                f"it was recorded with another {name} than this machine's (sha256 {there[:12]}, here {here[:12]}); "
                "did parity/voices change? restore it, or record the goldens again"
            )
    return None


def _put(fresh: Path, entry: Path, file: str) -> None:
    """Rename `fresh` to `entry`. An intact entry of another process stays; a damaged one is removed."""
    for _ in range(3):
        try:
            fresh.rename(entry)
            return
        except OSError:  # a folder is there that is not empty
            if _intact(entry, file):
                return
        aside = Path(tempfile.mkdtemp(prefix=f".{entry.name}-damaged-", dir=entry.parent))
        with contextlib.suppress(FileNotFoundError):  # another process moved it first
            entry.rename(aside / entry.name)
        shutil.rmtree(aside, ignore_errors=True)
    raise ParityError(f"cannot replace the damaged {entry}; remove that folder and try again")


def _intact(entry: Path, file: str) -> bool:
    if not (entry / file).exists():
        return False
    try:
        intact = bool(_known_hashes(entry) == json.loads((entry / _RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        intact = False
    if not intact:
        logging.getLogger(__name__).warning("%s is damaged; making it again", entry)
    return intact


def _known_hashes(entry: Path) -> dict[str, str]:
    """The hashes of an entry: those of the last reading where no file has changed since, else computed again.

    A file counts as unchanged while its size, inode and times of change are the same.
    """
    stamps = {name: _stamp(entry / name) for name in _files(entry)}
    try:
        known = json.loads((entry / _STAMPS).read_text(encoding="utf-8"))
        if known["stamps"] == stamps:
            return {str(name): str(value) for name, value in known["hashes"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    hashes = _hashes(entry)
    if stamps == {name: _stamp(entry / name) for name in hashes}:
        with contextlib.suppress(OSError):  # a cache that cannot be written to is read again each time
            fresh = entry / f"{_STAMPS}.{os.getpid()}"
            fresh.write_text(json.dumps({"stamps": stamps, "hashes": hashes}), encoding="utf-8")
            fresh.replace(entry / _STAMPS)
    return hashes


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _files(entry: Path) -> list[str]:
    """The files of an entry, relative to it, without the ones that this module keeps about it."""
    files_below = (path for path in sorted(entry.rglob("*")) if path.is_file())
    return [
        path.relative_to(entry).as_posix()
        for path in files_below
        if path.name != _RECORD and not path.name.startswith(_STAMPS)
    ]


def _hashes(entry: Path) -> dict[str, str]:
    """The sha256 of each file of an entry but its record."""
    hashes = {}
    for name in _files(entry):
        with (entry / name).open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
