"""The table of embedders: the networks whose content features voices are trained on, by every name that files have.

A voice converts content features of the embedder that it was trained with. RVC's own is ContentVec (`hubert_base.pt`);
forks also train with HuBERTs of other languages or other training, which have the same tensors and other features.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENTRIES = ("embedder_model", "embedder_name", "embedder", "hubert_model")  # where files name it, the first counts
LAYER_ENTRY = "embedder_output_layer"  # ddPn08's, counted from 1


@dataclass(frozen=True)
class Embedder:
    """One embedder.

    Attributes:
        name: the name in messages.
        spellings: the names that files have, in lower case with hyphens, without folders and extensions.
        is_own: whether it is RVC's own, which `--hubert` is assumed to be.
    """

    name: str
    spellings: tuple[str, ...] = ()
    is_own: bool = False


CONTENTVEC = Embedder(
    "contentvec",
    (
        "contentvec",
        "contentvec-base",
        "contentvec768",
        "contentvec768l12",
        "contentvec256",
        "contentvec256l9",
        "vec768l12",
        "vec256l9",
        "checkpoint-best-legacy-500",
        "content-vec-best",
        "hubert",
        "hubert-base",
        "hubertbase",
    ),
    is_own=True,
)
EMBEDDERS = (
    CONTENTVEC,
    Embedder(
        "japanese-hubert-base",
        ("japanese-hubert-base", "hubert-base-japanese", "japanese-hubert", "hubert-japanese", "rinna-hubert-base"),
    ),
    Embedder(
        "chinese-hubert-base",
        ("chinese-hubert-base", "hubert-base-chinese", "chinese-hubert", "hubert-chinese"),
    ),
    Embedder(
        "korean-hubert-base",
        ("korean-hubert-base", "hubert-base-korean", "korean-hubert", "hubert-korean"),
    ),
    Embedder("spin", ("spin", "spin-base", "spin-v1", "spin1")),
    Embedder("spin-v2", ("spin-v2", "spinv2", "spin2", "spin-base-v2")),
)


def named(text: str) -> Embedder:
    """The embedder of that name or path; one that the table does not have keeps the text as its name."""
    last = re.split(r"[/\\]", text.strip().rstrip("/\\"))[-1].lower()
    spelling = re.sub(r"[\s_]+", "-", re.sub(r"\.(pt|pth|bin|safetensors)$", "", last))
    return next((entry for entry in EMBEDDERS if spelling in entry.spellings), Embedder(text.strip()))


def of(metadata: Mapping[str, Any]) -> Embedder | None:
    """The embedder that a voice file's entries name, None where they name none."""
    for entry in ENTRIES:
        value = metadata.get(entry)
        if isinstance(value, str) and value.strip():
            return named(value)
    return None


def layer(metadata: Mapping[str, Any]) -> int | None:
    """The embedder's layer, counted from 1, that a voice file's entries name; None where they name none."""
    value = metadata.get(LAYER_ENTRY)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
