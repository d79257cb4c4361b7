"""The user's cache folder: what can be made again, such as measured tables and the records of finished batches."""

import os
import sys
from pathlib import Path


def folder(name: str) -> Path:
    """The folder `name` in $RVC_CACHE, or in `rvc` in the user's cache folder of this platform; it need not exist."""
    if chosen := os.environ.get("RVC_CACHE"):
        return Path(chosen) / name
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "rvc" / name
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "rvc" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "rvc" / name
