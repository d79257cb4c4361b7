"""The registry of synthetic weights: for each name its tensors, its facts, and how they are written as a file.

Each file has the format of the originals' own, so that code that loads one also loads a user's real one.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.errors import UsageError
from parity.goldens import tensor_file
from parity.voices import hubert, index, rmvpe, synthesizer, torch_file
from parity.voices.draw import Array, Named
from parity.voices.synthesizer import VOICES, Kind

Tensors = Mapping[str, Array]
Writer = Callable[[Tensors, Mapping[str, object], Path], None]  # writes tensors and facts to a path


@dataclass(frozen=True)
class WeightFile:
    """How one file (or folder) of synthetic weights is made.

    Attributes:
        file: its name in its folder of the cache.
        draw: makes its tensors one by one.
        facts: what the file holds besides its tensors.
        write: writes tensors and facts to a path.
        elements: how many numbers it holds, for the progress bar.
        plain: makes the arrays of its safetensors form from the written file; None where it is safetensors already.
    """

    file: str
    draw: Callable[[], Iterable[Named]]
    facts: Mapping[str, object]
    write: Writer
    elements: int
    plain: Callable[[Path], Tensors] | None = None


def weights(name: str) -> WeightFile:
    """The entry of WEIGHTS called `name`. Raises UsageError where there is no such entry."""
    if name not in WEIGHTS:
        raise UsageError(f"there are no synthetic weights called {name!r}; choose one of {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def digest(tensors: Tensors, facts: Mapping[str, object]) -> str:
    """The sha256 of a file's content, whatever library wrote it: names, dtypes, shapes, little-endian bytes, facts."""
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name])
        total.update(f"\n{name} {values.dtype.name} {list(values.shape)}\n".encode())
        total.update(values.astype(values.dtype.newbyteorder("<"), copy=False).data)
    return total.hexdigest()


def _write_voice(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    torch_file.write({"weight": OrderedDict(tensors), **facts}, path)


def _write_rmvpe(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    torch_file.write(OrderedDict(tensors), path)


def _plain_voice(path: Path) -> Tensors:
    """The tensors under the names of docs/spec/01, widened to float32."""
    return {name: values.astype(np.float32) for name, values in torch_file.read(path)["weight"].items()}


def _plain_rmvpe(path: Path) -> Tensors:
    """The tensors as rmvpe.pt holds them: float16, and int64 counters."""
    return dict(torch_file.read(path))


def write_plain(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    """Write arrays as one safetensors file."""
    tensor_file.write(
        {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in tensors.items()}, path
    )


def _write_hubert(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    path.mkdir()
    for name, content in facts.items():
        (path / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    tensor_file.write(tensors, path / "model.safetensors", {"format": "pt"})


def _write_index(tensors: Tensors, facts: Mapping[str, object], path: Path) -> None:
    index.write(tensors, str(path))


def _voice(name: str) -> WeightFile:
    kind = Kind(name)
    facts: dict[str, object] = {
        "config": kind.config,
        "info": "synthetic weights from a fixed stream; no speaker was trained",
        "sr": f"{kind.rate}k",
        "f0": int(kind.f0),
        "version": kind.version,
    }
    return WeightFile(f"{name}.pth", lambda: synthesizer.tensors(name), facts, _write_voice, 28_000_000, _plain_voice)


def _index(name: str) -> WeightFile:
    return WeightFile(
        f"index-{name}.index",
        lambda: index.tensors(name),
        {"nprobe": 1},
        _write_index,
        2_000_000,
        lambda path: dict(index.tensors(name)),
    )


_HUBERT_FILES = {"config.json": hubert.CONFIG, "preprocessor_config.json": hubert.PREPROCESSOR}
WEIGHTS: dict[str, WeightFile] = {
    **{name: _voice(name) for name in VOICES},
    "hubert": WeightFile("hubert", hubert.tensors, _HUBERT_FILES, _write_hubert, 94_568_576),
    "rmvpe": WeightFile("rmvpe.pt", rmvpe.tensors, {}, _write_rmvpe, 90_472_917, _plain_rmvpe),
    **{f"index-{name}": _index(name) for name in index.NAMES},
}
