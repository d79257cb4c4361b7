"""RVC: convert a recording to another voice, exactly as the original programs compute it.

    voice = rvc.load_voice("voice.pth", hubert="hubert_base", rmvpe="rmvpe.pt", index="voice.index")
    voice.convert("in.wav", transpose=3).write("out.wav")

Letters in shapes: N samples at 16 kHz, M samples at the voice's rate, P frames of 10 ms, n frames of 20 ms of one
segment, p = 2n, C channels of content (256 or 768), upp samples of the voice's rate in 10 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rvc.errors import RvcError

if TYPE_CHECKING:
    from rvc.api import Converted, LoadedVoice, load_voice
    from rvc.config import Config
    from rvc.pipeline.offline import convert

__version__ = "0.1.0"
__all__ = ["Config", "Converted", "LoadedVoice", "RvcError", "convert", "load_voice"]

MODULES = {
    "Config": "rvc.config",
    "Converted": "rvc.api",
    "LoadedVoice": "rvc.api",
    "convert": "rvc.pipeline.offline",
    "load_voice": "rvc.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `rvc --help` does not import NumPy and torch."""
    if name in MODULES:
        import importlib

        return getattr(importlib.import_module(MODULES[name]), name)
    raise AttributeError(f"module 'rvc' has no attribute {name!r}")
