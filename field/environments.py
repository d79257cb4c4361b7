"""The environment of a program: virtual environments made by pip from its lock file, kept under the lock's digest.

Most programs share the packages of common.lock, which is more than 1 GB; a lock file includes it with `-r`. It becomes
an environment of its own, made once, and the environment of a program holds what comes in addition.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from field.programs import FOLDER, Lock, Program
from parity.errors import ParityError
from parity.voices import cache

MINUTES = 20  # for one call of pip; PyTorch alone is 200 MB
_COMPLETE = "complete"  # a file that an environment has once everything is installed


class NotInstalled(ParityError):
    """A program cannot be installed here; the message is the reason."""


def python_of(program: Program) -> Path:
    """The interpreter of a program's environment, which is made where there is none.

    Raises:
        NotInstalled: pip cannot install what the lock file names.
    """
    try:
        return _interpreter(_environment(Lock.read(program.lock)))
    except NotInstalled as error:
        raise NotInstalled(f"{program.name} {program.version} does not install: {error}") from None


_failed: dict[Path, str] = {}  # environments that pip could not make in this process, with the reason


def _environment(lock: Lock) -> Path:
    """The folder of the environment of a lock file.

    It is made where there is none. An environment that cannot be made is not tried again in the same process.
    """
    if lock.common is not None and not lock.packages:
        return _environment(lock.common)
    # Another version of Python needs other wheels, and its environments have their packages in another folder.
    folder = cache.folder() / "field" / f"{lock.digest[:16]}-{sys.implementation.cache_tag}"
    common = None if lock.common is None else _environment(lock.common)
    # The interpreter is a link, whose target is missing where that Python was removed.
    if (folder / _COMPLETE).is_file() and _interpreter(folder).exists():
        _use(folder, common)
        return folder
    if folder in _failed:
        raise NotInstalled(_failed[folder])
    try:
        _install(lock, folder, common)
    except NotInstalled as error:
        _failed[folder] = str(error)
        raise
    return folder


def _install(lock: Lock, folder: Path, common: Path | None) -> None:
    """Make the environment of a lock file, without the packages of the common one."""
    print(f"installing {len(lock.packages)} packages into {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    _use(folder, common)
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(lock.packages), encoding="utf-8")
    pip = [str(_interpreter(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The lock is complete; the requirements of old programs contradict each other, so pip does not resolve them again.
    # Compiling all modules takes a minute for the packages of common.lock; Python compiles those that are imported.
    _run([*pip, "--no-deps", "--no-compile", "--ignore-installed", "-r", str(listed)])
    (folder / _COMPLETE).touch()


def _use(folder: Path, common: Path | None) -> None:
    """Let an environment import the packages of another, also after the cache has moved."""
    if common is None:
        return
    path, line = _packages(folder) / "common.pth", f"{_packages(common)}\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != line:
        path.write_text(line, encoding="utf-8")


def checkout_commit(folder: Path) -> str | None:
    """The commit of a git checkout, 40 digits; None where the folder is none, or git is not installed."""
    if not (folder / ".git").exists():  # git would name the commit of a repository around the folder
        return None
    try:
        done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def expose_hooks(folder: Path) -> None:
    """Let adapters import parity.hooks, and nothing else of this project: some programs have a package rvc as well.

    Args:
        folder: receives copies of the modules; the environment variable PYTHONPATH of this process names it afterwards.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "parity").mkdir(parents=True)
    (folder / "parity" / "__init__.py").touch()
    shutil.copytree(FOLDER.parent / "parity" / "hooks", folder / "parity" / "hooks", ignore=_without_caches)
    os.environ["PYTHONPATH"] = str(folder.resolve())


_without_caches = shutil.ignore_patterns("__pycache__")


def _interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _packages(folder: Path) -> Path:
    """The folder in which an environment has its packages."""
    if os.name == "nt":
        return folder / "Lib" / "site-packages"
    return folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MINUTES * 60)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip did not end within {MINUTES} minutes") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise NotInstalled(errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with {done.returncode}")
