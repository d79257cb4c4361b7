"""Where HuBERT and RMVPE are looked for when their paths are not given."""

from __future__ import annotations

import os
from pathlib import Path

NAMES = {
    "hubert": ("hubert_base", "hubert", "contentvec", "hubert_base.pt", "hubert/hubert_base.pt"),
}


def names(kind: str) -> tuple[str, ...]:
    """The files that are searched for: of HuBERT, or of an F0 method's weights."""
    return NAMES.get(kind) or (f"{kind}.pt", f"{kind}/{kind}.pt")


def find(kind: str, voice: Path) -> Path | None:
    """The file or folder of "hubert" or "rmvpe", or None.

    Looked for in $RVC_HUBERT or $RVC_RMVPE, beside the voice, and in $RVC_ASSETS or "assets" (the WebUI's layout).
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
