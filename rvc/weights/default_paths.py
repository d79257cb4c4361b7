"""The default paths of HuBERT and of the F0 methods' weights."""

from __future__ import annotations

import os
from pathlib import Path

NAMES = {  # kind → paths in a folder, in the order in which they are tried
    "hubert": ("hubert_base", "hubert", "contentvec", "hubert_base.pt", "hubert/hubert_base.pt"),
}


def names(kind: str) -> tuple[str, ...]:
    """The paths that are tried in each folder for "hubert" or for the weights of an F0 method."""
    return NAMES.get(kind) or (f"{kind}.pt", f"{kind}/{kind}.pt")


def find(kind: str, voice: Path) -> Path | None:
    """Find the file or folder of a network that no option names.

    The environment variable RVC_KIND comes first, then the voice's folder, then $RVC_ASSETS, else "assets", with the
    WebUI's layout.

    Args:
        kind: "hubert", or the role of an F0 method's weights such as "rmvpe".
        voice: the voice file.
    Returns:
        The path, which is not checked if the environment variable names it; None where there is none.
    """
    named = os.environ.get(f"RVC_{kind.upper()}")
    if named:
        return Path(named)
    for folder in (voice.parent, Path(os.environ.get("RVC_ASSETS", "assets"))):
        for name in names(kind):
            path = folder / name
            if path.is_file() or (path / "config.json").is_file():
                return path
    return None
