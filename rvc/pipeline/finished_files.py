"""The finished files of a batch, so that a second run of the same command converts only the rest.

The record of an output folder is `finished/DIGEST.jsonl` in the cache folder; DIGEST is of the folder's path. It has
one line for each finished file: a digest of everything that determines the output, the output's name, and its sha256. A
line that a kill cut off is ignored. A file counts as finished while its line fits the new command and its output still
has that sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rvc import __version__, cache
from rvc.weights.checkpoint import sha256


def record_of(folder: Path) -> Path:
    """The record of an output folder."""
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return cache.folder("finished") / f"{digest}.jsonl"


class FinishedFiles:
    """The record of one batch."""

    def __init__(self, folder: Path, options: Mapping[str, Any], files: Iterable[Path]) -> None:
        """Read the record.

        Args:
            folder: the output folder of the batch.
            options: everything beside files that determines the samples of an output, as JSON values.
            files: the voice, its networks and other files that determine them; folders count with all their files.
        """
        self.path = record_of(folder)
        self._about = {"version": __version__, "options": dict(options), "files": [_digests(path) for path in files]}
        self._outputs: dict[str, tuple[str, str]] = {}
        for line in self._lines():
            try:
                entry = json.loads(line)
                self._outputs[str(entry["key"])] = str(entry["output"]), str(entry["sha256"])
            except (ValueError, KeyError, TypeError, RecursionError):  # a line that is not complete
                continue

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def key(self, source: Path) -> str:
        """The digest of a recording and of all that determines its conversion.  Raises OSError."""
        text = json.dumps({**self._about, "source": sha256(source)}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def is_finished(self, key: str, target: Path) -> bool:
        """Whether `target` holds the result of `key`."""
        name, digest = self._outputs.get(key, ("", ""))
        return name == target.name and target.is_file() and sha256(target) == digest

    def add(self, key: str, target: Path) -> None:
        """Append a finished file; where the cache cannot be written there is no record."""
        line = json.dumps({"key": key, "output": target.name, "sha256": sha256(target)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", errors="surrogateescape") as record:
                record.write(f"\n{line}\n" if self._is_cut() else f"{line}\n")
        except OSError:
            return

    def _is_cut(self) -> bool:
        """Whether the record ends inside a line."""
        try:
            with self.path.open("rb") as record:
                record.seek(-1, 2)
                return record.read(1) != b"\n"
        except OSError:  # there is no record, or it is empty
            return False


def _digests(path: Path) -> dict[str, str]:
    """Name → sha256 of a file, or of the files in a folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(path.parent)): sha256(file) for file in files}
