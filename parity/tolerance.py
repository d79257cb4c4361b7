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

A limit is MARGIN times the largest of its variants, never below the floor of the number format. Where nothing was
measured, the typed limits of the first proof hold; they were about five times such a spread as well.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity import schema, stages
from parity.errors import ParityError

SPREAD = Path(__file__).parent / "data" / "spread.json"
MARGIN = 5.0  # the original's spread is sampled by a few machines; a port adds its own, of the same size
FLOORS = {"float32": 5e-7, "float64": 1e-9}  # 4 steps of float32; a different order of float64 operations
NETWORK_F0 = ("rmvpe", "crepe", "crepe-tiny", "fcpe")

_COUNTED = ("unequal", "steps")

_SCHEMA = {
    "type": "object", "required": ["format", "variants", "entries"], "additionalProperties": False,
    "properties": {
        "format": {"const": "rvc-spread/1"},
        "variants": {"type": "array", "items": {
            "type": "object", "required": ["name", "environment"], "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "environment": {"type": "object"}}}},
        "entries": {"type": "array", "items": {
            "type": "object", "additionalProperties": False,
            "required": ["tensor", "mode", "metric", "network_f0", "by_variant", "cases"],
            "properties": {"tensor": {"type": "string"}, "mode": {"enum": ["isolated", "chained"]},
                           "metric": {"enum": ["relative_rms", "worst_frame", *_COUNTED]},
                           "network_f0": {"type": ["boolean", "null"]},
                           "by_variant": {"type": "object", "additionalProperties": {"type": "number"}},
                           "cases": {"type": "integer"}}}},
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
            "tensor": self.tensor, "mode": self.mode, "metric": self.metric, "limit": self.limit, "unit": unit,
            "because": self.because, "spread": self.spread, "f0_from_network": self.network_f0,
            "margin": self.limit / self.spread if self.spread else None,
        }
        return card | ({"derivation": dict(self.derivation)} if self.derivation else {})


def any_name(local: str) -> str:
    """A full name that has this local part."""
    return next(prefix + local for prefix in ("", "seg0.", "rt.0.") if stages.known(prefix + local))


def network_f0(options: Mapping[str, Any]) -> bool:
    """Whether the pitch of this conversion comes from a network."""
    return options.get("f0_method") in NETWORK_F0


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
        local = stages.split(name)[1]
        typed, because = _typed(name, mode, metric, network)
        for measured in (network, None):
            found = self._entries.get((local, mode, metric, measured))
            if found:
                return self._derived(name, mode, metric, network, found, typed, because)
        return Limit(local, mode, metric, typed, because, None, network)

    def _derived(self, name: str, mode: str, metric: str, network: bool, found: Mapping[str, float], typed: float,
                 because: str) -> Limit:
        local, row = stages.split(name)[1], stages.tensor(name)
        variant = max(found, key=lambda key: found[key])
        spread = found[variant]
        if metric in _COUNTED:
            if spread == 0:  # nothing to multiply: the decision never flipped, so it must not flip here
                return Limit(local, mode, metric, typed if metric == "steps" else 0.0, because, spread, network, found)
            return Limit(local, mode, metric, MARGIN * spread,
                         f"{MARGIN:g} × the {spread:g} by which {variant} differs", spread, network, found)
        floor = FLOORS["float64" if "float64" in row.dtypes else "float32"] * (4 if metric == "worst_frame" else 1)
        limit = max(MARGIN * spread, floor)
        if limit > typed:  # a measurement never loosens what was promised
            return Limit(local, mode, metric, typed, f"{because}; the original's own spread is {spread:.2g}", spread,
                         network, found)
        reason = (f"{MARGIN:g} × {spread:.2g}, the original's own spread (widest: {variant}, of {len(found)} variants)"
                  if limit > floor else
                  f"the original differs from itself by {spread:.2g}, so a few steps of the number format are allowed")
        return Limit(local, mode, metric, limit, reason, spread, network, found)


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
    if wrong := schema.check(document, _SCHEMA):
        raise ParityError(f"{path} does not fit rvc-spread/1: {wrong[0]}; measure again: python -m parity.spread")
    return document


_COPY = (5e-7, "a copy or a few float32 operations: four steps of the format")
_FLOAT64 = (1e-9, "float64 arithmetic: another order of operations gives 1e-12")
_PLAIN: dict[str, tuple[float, str]] = {
    **dict.fromkeys(("audio16k", "audio", "f0.hz", "retrieval.blended", "content.upsampled", "content.protected",
                     "spk.g", "waveform.segment", "waveform.concat"), _COPY),
    **dict.fromkeys(("highpassed", "quiet.profile", "padded", "f0.filled"), _FLOAT64),
    "retrieval.weights": (2e-6, "two divisions and a sum in float32"),
    "retrieval.mean": (2e-6, "a sum of eight products in float32"),
    "z_p": (2e-6, "one exponential and three float32 products"),
    "waveform.rmsmixed": (5e-6, "two float32 powers"),
}


def _typed(name: str, mode: str, metric: str, network: bool) -> tuple[float, str]:
    """The limits of the first proof, each with its reason."""
    local = stages.split(name)[1]
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
