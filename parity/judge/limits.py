"""How far is allowed, and why: each limit comes from how far the original is from itself.

`parity/data/spread.json` holds what was measured. It is written by `python -m parity.spread`, which reads traces of
the original run in ways that must not matter (float64 as truth, threads, instruction sets, oneDNN, runtime):

    {"format": "rvc-spread/1",
     "variants": [{"name": "avx2-1thread", "environment": {...}}, ...],
     "entries": [{"tensor": "flow.z",            # without its prefix
                  "mode": "isolated" | "chained",
                  "metric": "relative_rms" | "worst_frame" | "unequal" | "steps",
                  "network_f0": true | false | null,   # null: measured over all cases
                  "by_variant": {"avx2-1thread": 4.1e-6, ...},   # the worst over the cases, against the golden
                  "cases": 5}, ...]}

A limit is MARGIN times the largest of its variants, never below the floor of the number format and never above what
the original measured against itself allows. "float64" is the truth: how far the golden itself is from exact arithmetic
on the same inputs. A stream's tensors have entries of their own (`rt.f0.hz`) where they were measured; alone, a stage
of a stream is the same network as that of a file. A few stages were never run alone (copies, joints, the stream's
rings); they have the limit typed below with its reason, and their cards say so.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity import stages
from parity.errors import ParityError
from parity.goldens import closed_schema
from parity.stages.profile_table import METHODS

SPREAD = Path(__file__).parents[1] / "data" / "spread.json"
MARGIN = 5.0  # the original's spread is sampled by a few machines; a port adds its own, of the same size
# 4 steps of float32; a different order of float64 operations; a sample of 16 bits cut off to the other side
FLOORS = {"float32": 5e-7, "float64": 1e-9, "int16": 1e-5}
ENOUGH = 3  # variants of a stream, below which a file's spread says more about its stages

SAME_AS = {"waveform.raw": "waveform.segment.full", "content": "content.upsampled"}  # a stream's name for a file's

_COUNTED = ("unequal", "steps")

_SCHEMA = {
    "type": "object",
    "required": ["format", "variants", "entries"],
    "additionalProperties": False,
    "properties": {
        "format": {"const": "rvc-spread/1"},
        "variants": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "environment"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "environment": {"type": "object"}},
            },
        },
        "entries": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tensor", "mode", "metric", "network_f0", "by_variant", "cases"],
                "properties": {
                    "tensor": {"type": "string"},
                    "mode": {"enum": ["isolated", "chained"]},
                    "metric": {"enum": ["relative_rms", "worst_frame", *_COUNTED]},
                    "network_f0": {"type": ["boolean", "null"]},
                    "by_variant": {"type": "object", "additionalProperties": {"type": "number"}},
                    "cases": {"type": "integer"},
                },
            },
        },
    },
}


@dataclass(frozen=True)
class Limit:
    """One limit with its reason; `spread` is how far the original is from itself, None where it was not measured."""

    tensor: str
    mode: str
    metric: str
    limit: float
    because: str
    spread: float | None = None
    network_f0: bool = False
    derivation: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As verdict.json writes it."""
        unit = stages.tensor(any_name(self.tensor)).unit if self.metric == "steps" else "1"
        card: dict[str, Any] = {
            "tensor": self.tensor,
            "mode": self.mode,
            "metric": self.metric,
            "limit": self.limit,
            "unit": unit,
            "because": self.because,
            "spread": self.spread,
            "f0_from_network": self.network_f0,
            "margin": self.limit / self.spread if self.spread else None,
        }
        return card | ({"derivation": dict(self.derivation)} if self.derivation else {})


def any_name(local: str) -> str:
    """A full name that has this local part; `rt.f0.hz` is the stream's `rt.0.f0.hz`."""
    if local.startswith("rt."):
        return f"rt.0.{local.removeprefix('rt.')}"
    return next(prefix + local for prefix in ("", "seg0.", "rt.0.") if stages.is_known(prefix + local))


def network_f0(options: Mapping[str, Any]) -> bool:
    """Whether the pitch of this conversion comes from a network."""
    method = METHODS.get(str(options.get("f0_method")))
    return method is not None and method.is_neural


class Limits:
    """Every limit of a run, looked up by tensor, mode and metric."""

    def __init__(self, spread: Mapping[str, Any] | None = None) -> None:
        self._entries: dict[tuple[str, str, str, bool | None], Mapping[str, float]] = {}
        for entry in (spread or {}).get("entries", []):
            key = (entry["tensor"], entry["mode"], entry["metric"], entry["network_f0"])
            self._entries[key] = entry["by_variant"]
        self.variants = [dict(variant) for variant in (spread or {}).get("variants", [])]

    def find(self, name: str, mode: str, metric: str, network: bool) -> Limit:
        """The limit for a tensor by its full name; there always is one."""
        found = self._measured(name, mode, metric, network)
        if mode == "chained" and found:  # a chain holds the stage's own error as well
            own = self._measured(name, "isolated", metric, network)
            found = {variant: max(found.get(variant, 0.0), own.get(variant, 0.0)) for variant in {**found, **own}}
        if found:
            return _derived(name, mode, metric, network, found)
        local = stages.TensorName.parse(name).local
        limit, because = _typed(name, mode, metric, network)
        return Limit(local, mode, metric, limit, f"not measured; {because}", None, network)

    def _measured(self, name: str, mode: str, metric: str, network: bool) -> Mapping[str, float]:
        for tensor, where in _addresses(name, mode):
            for measured in (network, None):
                found = self._entries.get((tensor, where, metric, measured))
                if found and (len(found) >= ENOUGH or not tensor.startswith("rt.")):
                    return found
        return {}


def _addresses(name: str, mode: str) -> list[tuple[str, str]]:
    """Where a tensor's spread may stand, as (tensor, mode), the nearest first."""
    parsed = stages.TensorName.parse(name)
    local, live = parsed.local, parsed.scope is stages.Scope.BLOCK
    found = [(f"rt.{local}", mode)] if live else []
    if mode == "isolated" and (local == "f0.raw" or (live and local == "f0.hz")):
        return [*found, (f"rt.{local}", "chained"), (local, "chained")]  # what a pitch method hears never differed
    return [*found, (SAME_AS.get(local, local), mode)]


def _derived(name: str, mode: str, metric: str, network: bool, found: Mapping[str, float]) -> Limit:
    local, row = stages.TensorName.parse(name).local, stages.tensor(name)
    variant = max(found, key=lambda key: found[key])
    spread = found[variant]
    floor = _floor(row, metric)
    limit = 0.0 if metric == "unequal" else max(MARGIN * spread, floor)
    if metric == "unequal":
        because = f"a decision is equal or it is not ({len(found)} variants); a flip must be explained by its margin"
    elif limit > floor:
        because = f"{MARGIN:g} × {spread:.2g}, the original's own spread (widest: {variant}, of {len(found)} variants)"
    else:
        because = f"the original differs from itself by {spread:.2g}, so a few steps of the number format are allowed"
    return Limit(local, mode, metric, limit, because, spread, network, found)


def _floor(row: stages.Tensor, metric: str) -> float:
    """What one rounding of the number format is, so that nothing needs to be nearer than that."""
    if metric in _COUNTED:
        return 0.0
    if row.kind == "pcm":
        return FLOORS["int16"]
    return FLOORS["float64" if "float64" in row.dtypes else "float32"] * (4 if metric == "worst_frame" else 1)


@functools.cache
def load(path: Path = SPREAD) -> Limits:
    """The limits derived from the measured spread; typed ones where nothing was measured."""
    return Limits(read(path)) if path.is_file() else Limits()


def read(path: Path = SPREAD) -> dict[str, Any]:
    """The document of spread.json, checked. Raises ParityError."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParityError(f"there is no {path}; measure it: python -m reference.spread, then parity.spread") from None
    except json.JSONDecodeError as error:
        raise ParityError(f"{path} is not JSON ({error}); restore it or measure: python -m parity.spread") from None
    if wrong := closed_schema.check(document, _SCHEMA):
        raise ParityError(f"{path} does not fit rvc-spread/1: {wrong[0]}; measure again: python -m parity.spread")
    return document


_COPY = (5e-7, "a copy or a few float32 operations: four steps of the format")
_FLOAT64 = (1e-9, "float64 arithmetic: another order of operations gives 1e-12")
_PLAIN: dict[str, tuple[float, str]] = {
    **dict.fromkeys(
        (
            "audio16k",
            "audio",
            "f0.hz",
            "retrieval.blended",
            "content.upsampled",
            "content.protected",
            "spk.g",
            "waveform.segment",
            "waveform.concat",
        ),
        _COPY,
    ),
    **dict.fromkeys(("highpassed", "quiet.profile", "padded", "f0.filled"), _FLOAT64),
    "retrieval.weights": (2e-6, "two divisions and a sum in float32"),
    "retrieval.mean": (2e-6, "a sum of eight products in float32"),
    "z_p": (2e-6, "one exponential and three float32 products"),
    "waveform.rmsmixed": (5e-6, "two float32 powers"),
}


def _typed(name: str, mode: str, metric: str, network: bool) -> tuple[float, str]:
    """The limits of the first proof, each with its reason."""
    local = stages.TensorName.parse(name).local
    row = stages.tensor(name)
    wave = row.kind in ("wave", "pcm")
    if metric == "unequal":
        return 0.0, "a decision is equal or it is not; a flip must be explained by its margin"
    if metric == "steps":
        if mode == "isolated":
            return 0.0, "one float32 product, truncated: exact arithmetic from the same bits"
        return (64.0, "a network's F0 moves the source's phase") if network else (8.0, "5e-5 of full scale in steps")
    if mode == "isolated" and name.startswith("rt.") and local == "f0.hz":
        limit, because = 2e-6, "a block's F0 stage is a whole pitch method: 3e-7 between instruction sets"
    elif mode == "isolated" and local in _PLAIN:
        limit, because = _PLAIN[local]
    elif mode == "isolated":
        limit, because = 1e-5, "five times 2e-6, the largest difference seen between instruction sets"
        if local == "retrieval.distances":
            limit, because = 2e-5, "a distance is a difference of near squares"
        if wave or local in ("nsf.sine", "nsf.source"):
            limit, because = 3e-5, "sums of thousands of products in the generator; float32 phase in the sine"
    else:
        limit, because = 3e-5, "4e-6 to 7e-6 between instruction sets, times five"
        if local in ("f0.raw", "f0.filled", "f0.hz"):
            limit, because = 2e-6, "3e-7 between instruction sets, times five"
        if wave:
            limit, because = 5e-5, "7e-6 between instruction sets, times seven"
        if network and local in ("nsf.sine", "nsf.source"):
            limit, because = 3e-3, "the source's phase sums a network's F0: 5e-4 between instruction sets"
        if network and wave:
            limit, because = 5e-4, "the waveform follows that phase"
    if row.kind == "pcm":
        limit, because = limit + 3e-4, because + "; truncation to 16 bits adds a step in one sample of six"
    if metric == "worst_frame":
        return 10 * limit, because + "; one frame may hold ten times the mean"
    return limit, because
