"""The table of embedders: the networks whose content features voices are trained on, by every name that files have.

A voice converts content features of the embedder that it was trained with. RVC's own is ContentVec (`hubert_base.pt`);
forks also train with HuBERTs of other languages or other training, which have the same tensors and other features.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

ENTRIES = ("embedder_model", "embedder_name", "embedder", "hubert_model")  # entries that name it, in this order
NONE_NAMED = ("", "none", "null", "auto", "default")  # values of an entry that name no embedder
LAYER_ENTRY = "embedder_output_layer"  # ddPn08's, counted from 1
LAST_LAYER = ("last", "-1")  # texts for the last layer of HuBERT-base
LONGEST_NAME = 80  # characters that are kept of a name that the file does not hold as text


@dataclass(frozen=True)
class Embedder:
    """One embedder.

    Attributes:
        name: the name in messages.
        spellings: the names that files have, in lower case with hyphens, without folders and extensions.
        is_own: whether it is RVC's own; a conversion assumes that an unnamed HuBERT file is this one.
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
        "contentvec-500",
        "contentvec-legacy-500",
        "vec768l12",
        "vec256l9",
        "vec-768-layer-12",
        "vec-256-layer-9",
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
    spelling = _letters(re.sub(r"\.(pt|pth|bin|safetensors)$", "", last))
    known = (entry for entry in EMBEDDERS if spelling in map(_letters, entry.spellings))
    return next(known, Embedder(text.strip()))


def _letters(spelling: str) -> str:
    """A spelling without what separates its words."""
    return re.sub(r"[\s_-]+", "", spelling)


def of(metadata: Mapping[str, Any]) -> Embedder | None:
    """The embedder that a voice file's entries name, None where they name none.

    Where two entries differ, the one that is not RVC's own is returned, so that `--hubert` must name that HuBERT.
    """
    texts = [metadata.get(entry) for entry in ENTRIES]
    stated = [named(text) for text in texts if isinstance(text, str) and text.strip().lower() not in NONE_NAMED]
    return next((embedder for embedder in stated if not embedder.is_own), stated[0] if stated else None)


def readable(entries: Mapping[str, Any]) -> dict[str, str]:
    """The entries that name an embedder by a list, a dictionary or another object, converted to text.

    A list of one name becomes the name: ["spin"] becomes "spin".
    """
    texts: dict[str, str] = {}
    for entry in ENTRIES:
        value = entries.get(entry)
        if isinstance(value, dict):
            value = value.get("name", value)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str | bool | int | float | None):
            texts[entry] = str(value)[:LONGEST_NAME]
        elif isinstance(value, str) and value != entries[entry]:
            texts[entry] = value
    return texts


def layer(metadata: Mapping[str, Any]) -> int | str | None:
    """The embedder's layer, counted from 1, that a voice file's entries name; None where they name none.

    A text that names no number is returned as it is.
    """
    value = metadata.get(LAYER_ENTRY)
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip().lower().removesuffix(".0")
    if text in LAST_LAYER:
        return 12
    return int(text) if re.fullmatch(r"-?\d{1,4}", text) else text[:LONGEST_NAME]
