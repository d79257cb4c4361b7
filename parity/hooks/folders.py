"""Folders and links in which an unmodified program reads its files."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path


class Scratch:
    """A temporary working folder, so that a program writes nothing into its own; removed when the process ends.

    Attributes:
        folder: absolute path; it is the working folder of the process.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rvc-hooks-")).resolve()
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        sys.dont_write_bytecode = True
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
        os.chdir(self.folder)

    def link_all(self, source: Path, copied: Collection[str] = (), without: Collection[str] = ()) -> None:
        """Link every entry of a folder here; copy those in `copied`, which the program writes to."""
        for entry in source.iterdir():
            if entry.name in copied:
                shutil.copytree(entry, self.folder / entry.name)
            elif entry.name not in without:
                (self.folder / entry.name).symlink_to(entry)


def link(target: str | Path | None, place: Path) -> None:
    """Make `place` a link to `target`, in place of an earlier link; nothing where there is no target."""
    if target is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(target)
