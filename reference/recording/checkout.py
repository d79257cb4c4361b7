"""Check the checkout that a user names, and make a scratch folder of links to it."""

import shutil
import subprocess
from pathlib import Path

from reference.errors import Refusal


def check(checkout: Path, witness: str, repository: str, commit: str) -> None:
    """Require that the folder is that repository and, if it has a .git, at that commit without local changes.

    Args:
        checkout: the folder.
        witness: path of a file that only this repository has.
        repository: OWNER/NAME on GitHub.
        commit: the full hash.
    Raises:
        Refusal: one of these does not hold.
    """
    if not (checkout / witness).is_file():
        raise Refusal(f"{checkout} has no {witness}; --checkout needs a checkout of {repository} at {commit[:7]}")
    if not (checkout / ".git").exists():
        return
    head = _git(checkout, "rev-parse", "HEAD").strip()
    if head != commit:
        raise Refusal(f"{checkout} is at {head[:7]}, but the goldens come from {commit[:7]}; check that one out")
    changed = _git(checkout, "diff", "--name-only", "HEAD").split()
    if changed:
        raise Refusal(f"{checkout} has local changes ({changed[0]}, …), but an original is recorded as published")


def _git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def link(checkout: Path, folder: Path, copied: tuple[str, ...] = ()) -> None:
    """Fill `folder` with links to the checkout's entries, copies of those in `copied`, and an empty `assets`."""
    for entry in checkout.iterdir():
        if entry.name in copied:
            shutil.copytree(entry, folder / entry.name)
        elif entry.name not in ("assets", ".git"):
            (folder / entry.name).symlink_to(entry)
    for name in ("rmvpe", "hubert", "weights", "indices"):
        (folder / "assets" / name).mkdir(parents=True)
