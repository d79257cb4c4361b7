"""What can be made: for each name its tensors, its facts, and how they are written as the originals' own file."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.errors import UsageError
from parity.voices import hubert, index, rmvpe, synthesizer
from parity.voices.draw import Array, Named

Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Recipe:
    """One file (or folder) of synthetic weights.

    file    : its name inside its folder of the cache
    draw    : the tensors, one by one
    facts   : what the file says besides its tensors
    write   : writes tensors and facts to a path
    elements: how many numbers it holds, for the progress bar
    """

    file: str
    draw: Callable[[], Iterable[Named]]
    facts: Mapping[str, object]
    write: Callable[[Tensors, Mapping[str, object], Path], None]
    elements: int


def recipe(name: str) -> Recipe:
    """The recipe called `name`: a kind of voice such as "v2-40k-f0", "hubert", "rmvpe", or "index-v2" and its like."""
    if name == "hubert":
        facts = {"config.json": hubert.CONFIG, "preprocessor_config.json": hubert.PREPROCESSOR}
        return Recipe("hubert", hubert.tensors, facts, _write_hubert, 94_568_576)
    if name == "rmvpe":
        return Recipe("rmvpe.pt", rmvpe.tensors, {}, _write_rmvpe, 90_472_917)
    if name in INDEXES:
        short = name.removeprefix("index-")
        return Recipe(f"{name}.index", lambda: index.tensors(short), {"nprobe": 1}, _write_index, 2_000_000)
    if name in synthesizer.KINDS:
        kind = synthesizer.Kind(name)
        said: dict[str, object] = {
            "config": kind.config,
            "info": "synthetic weights from a fixed stream; no speaker was trained",
            "sr": f"{kind.rate}k",
            "f0": int(kind.f0),
            "version": kind.version,
        }
        return Recipe(f"{name}.pth", lambda: synthesizer.tensors(name), said, _write_voice, 28_000_000)
    raise UsageError(f"there are no synthetic weights called {name!r}; choose one of {', '.join(ALL)}")


INDEXES = tuple(f"index-{name}" for name in index.NAMES)
ALL = (*synthesizer.KINDS, "hubert", "rmvpe", *INDEXES)


def digest(tensors: Tensors, facts: Mapping[str, object]) -> str:
    """A sha256 of what a file means, whatever library wrote it: names, dtypes, shapes, little-endian bytes, facts."""
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name])
        total.update(f"\n{name} {values.dtype.name} {list(values.shape)}\n".encode())
        total.update(values.astype(values.dtype.newbyteorder("<"), copy=False).data)
    return total.hexdigest()


def _write_voice(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    import torch

    weight = OrderedDict((name, torch.from_numpy(values)) for name, values in tensors.items())
    torch.save({"weight": weight, **facts}, path)


def _write_rmvpe(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    import torch

    torch.save(OrderedDict((name, torch.from_numpy(values)) for name, values in tensors.items()), path)


def _write_hubert(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    from safetensors.numpy import save_file

    path.mkdir()
    for name, content in facts.items():
        (path / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_file(dict(tensors), path / "model.safetensors", metadata={"format": "pt"})


def _write_index(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    index.write(tensors, str(path))
