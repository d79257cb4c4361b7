"""The table of programs that write voice files, recognized by the entries of a file.

Some programs write exactly what RVC WebUI writes (Mangio-RVC, rvc-next); no entry differs, so that they share one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Content = Mapping[Any, Any]
Texts = Mapping[str, str]

TRAINING_KEYS = ("iteration", "optimizer", "learning_rate")  # entries of a training checkpoint
APPLIO_KEYS = ("embedder_model", "model_hash", "dataset_length", "speakers_id", "vocoder")
CODENAME_VOCODERS = ("ringformer", "pcphgan")  # generators that only codename's fork of Applio trains
HUB_KIND = "rvc_voice"  # the entry `kind` in the metadata of a .safetensors voice of huggingface-hub-rvc
DDPN_ENTRIES = 19  # entries of ddPn08's config: the width of the content features stands before the rate
FORMAT = "rvc-voice-1"  # the entry `format` in the metadata of a .safetensors voice


@dataclass(frozen=True)
class Writer:
    """One program, or several that write the same entries.

    Attributes:
        name: the program as `rvc inspect` prints it.
        wrote: takes the entries at the top of a file and the metadata of a safetensors file, and returns whether the
            program wrote the file.
    """

    name: str
    wrote: Callable[[Content, Texts], bool]


def _is_ddpn(content: Content, texts: Texts) -> bool:
    config = content.get("config")
    return "embedder_name" in content or (isinstance(config, list) and len(config) == DDPN_ENTRIES)


def _is_codename(content: Content, texts: Texts) -> bool:
    vocoder = content.get("vocoder")
    plain = "".join(c for c in vocoder.lower() if c.isalnum()) if isinstance(vocoder, str) else ""
    return plain.startswith(CODENAME_VOCODERS)


WRITERS = (
    Writer("rvc export", lambda content, texts: texts.get("format") == FORMAT),
    Writer("huggingface-hub-rvc", lambda content, texts: texts.get("kind") == HUB_KIND),
    Writer("ddPn08's rvc-webui", _is_ddpn),
    Writer("codename's fork of Applio", _is_codename),
    Writer("Applio, or a fork of it", lambda content, texts: any(entry in content for entry in APPLIO_KEYS)),
    Writer(
        "RVC WebUI, or a program that writes the same entries (Mangio-RVC, rvc-next)",
        lambda content, texts: isinstance(content.get("weight"), dict),
    ),
    Writer("a training", lambda content, texts: any(key in content for key in TRAINING_KEYS)),
)


def writer(content: Content, texts: Texts) -> str:
    """The program that wrote a voice file, as far as its entries show it; "unknown" where they do not.

    Args:
        content: the entries at the top of the file.
        texts: the metadata of a safetensors file.
    """
    return next((entry.name for entry in WRITERS if entry.wrote(content, texts)), "unknown")
