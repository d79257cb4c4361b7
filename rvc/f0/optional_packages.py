"""Optional packages, imported or opened only by the F0 methods that need them."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import Any

from rvc.errors import BadCheckpoint, MissingExtra


def package(name: str, extra: str) -> Any:
    """Import an optional package.

    Args:
        name: the name under which it is imported.
        extra: the optional dependency in pyproject.toml that installs it, also the method's name in messages.
    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyworld imports pkg_resources, which warns that it is deprecated
            return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(extra, f"the F0 method {extra}") from error


def shipped_file(package_name: str, relative: str, extra: str) -> Path:
    """The path of a file inside an installed package, which is not imported.

    Args:
        package_name: the name under which the package would be imported.
        relative: the path of the file inside it.
        extra: the optional dependency in pyproject.toml that installs the package, also the option that names another
            file.
    Raises:
        MissingExtra: the package is not installed.
        BadCheckpoint: the package is installed, but lacks the file.
    """
    spec = importlib.util.find_spec(package_name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(extra, f"the F0 method {extra}")
    path = Path(next(iter(spec.submodule_search_locations))) / relative
    if not path.is_file():
        raise BadCheckpoint(f"the installed {package_name} has no {relative}; install it again, or give --{extra} FILE")
    return path
