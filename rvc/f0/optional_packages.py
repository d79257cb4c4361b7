"""Optional packages, asked for only by the methods that need them."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import Any

from rvc.errors import BadCheckpoint, MissingExtra


def package(name: str, extra: str) -> Any:
    """Import an optional package.

    raises  : MissingExtra naming the dependency group that brings it
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyworld imports pkg_resources, which announces its end
            return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(extra, f"the F0 method {extra}") from error


def shipped_file(package_name: str, relative: str, extra: str) -> Path:
    """Find a weight file inside an installed package without importing the package.

    raises  : MissingExtra when the package is not there, BadCheckpoint when it is but the file is not
    """
    spec = importlib.util.find_spec(package_name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(extra, f"the F0 method {extra}")
    path = Path(next(iter(spec.submodule_search_locations))) / relative
    if not path.is_file():
        raise BadCheckpoint(f"the installed {package_name} has no {relative}; install it again, or give --{extra} FILE")
    return path
