"""A checkout that a user names: is it the right one, and a working directory that looks like it."""

import shutil
import subprocess
from pathlib import Path

from reference.hooks.interception import Refusal


def check(checkout: Path, witness: str, repository: str, commit: str) -> None:
    """The folder must be that repository and, where git can tell, at that commit and without changes."""
    if not (checkout / witness).is_file():
        raise Refusal(f"{checkout} has no {witness}; --checkout wants a checkout of {repository} at {commit[:7]}")
    if not (checkout / ".git").exists():
        return
    head = _git(checkout, "rev-parse", "HEAD").strip()
    if head != commit:
        raise Refusal(f"{checkout} is at {head[:7]}, but the goldens come from {commit[:7]}; check that one out")
    changed = _git(checkout, "diff", "--name-only", "HEAD").split()
    if changed:
        raise Refusal(f"{checkout} has local changes ({changed[0]}, …), but an original is recorded as published")


def _git(checkout: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True)
    return done.stdout


def lay(checkout: Path, folder: Path, copied: tuple[str, ...] = ()) -> None:
    """Links to the checkout's entries, copies of what the original rewrites, and a fresh, empty `assets`."""
    for entry in checkout.iterdir():
        if entry.name in copied:
            shutil.copytree(entry, folder / entry.name)
        elif entry.name not in ("assets", ".git"):
            (folder / entry.name).symlink_to(entry)
    for name in ("rmvpe", "hubert", "weights", "indices"):
        (folder / "assets" / name).mkdir(parents=True)
