"""The limits and their reasons: each limit is derived from the distance between runs of the original itself.

`parity/data/spread.json` holds the measurements. `python -m parity.spread` writes it from traces of the original that
was run in ways that must not matter (float64 as truth, threads, instruction sets, oneDNN, runtime):

    {"format": "rvc-spread/1",
     "variants": [{"name": "avx2-1thread", "environment": {...}}, ...],
     "entries": [{"tensor": "flow.z",            # without its prefix
                  "mode": "isolated" | "chained",
                  "metric": "relative_rms" | "worst_frame" | "unequal" | "steps",
                  "network_f0": true | false | null,   # null: measured over all cases
                  "by_variant": {"avx2-1thread": 4.1e-6, ...},   # the worst over the cases, against the golden
                  "cases": 5}, ...]}

A limit is MARGIN times the largest value of its variants, and never below the floor of the number format. "float64" is
the truth: the distance of the golden itself from exact arithmetic on the same inputs. Tensors of a realtime stream
have entries of their own (`rt.f0.hz`) where they were measured; run alone, a stage of a stream is the same network as
that of a file. A few stages were never run alone (copies, joins, ring buffers); parity/judge/unmeasured_limits.py holds
their limits with the reasons.
"""

import functools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from parity import stages
from parity.errors import ParityError
from parity.goldens import closed_schema
from parity.goldens.text import parse_file
from parity.judge.states import Metric, Mode, Tier
from parity.judge.unmeasured_limits import unmeasured
from parity.stages import Scope, TensorKind, TensorName
from parity.stages.profile_table import METHODS

SPREAD = Path(__file__).parents[1] / "data" / "spread.json"
# Limit / spread. The spread is sampled on a few machines only, and a port adds a spread of the same size.
MARGIN = 5.0
# Least relative limits: 4 steps of float32; another order of float64 operations; a 16-bit sample truncated the other
# way.
FLOORS = {"float32": 5e-7, "float64": 1e-9, "int16": 1e-5}
# The variant that `rvc-parity exact --traces` writes: the exact result, from which no original's golden is farther.
EXACT = "exact"
# The precisions of the variants that today's limits, those of the tier float32, follow from. The spread of a reduced
# precision gives the limits of its own tier (parity/judge/tiers/tier_limits.py).
FULL_PRECISION = ("float32", "float64")
# The device that the goldens were recorded on. A GPU sums in another order than every processor: the variants of the
# originals on one count for candidates that run there, and for no others.
RECORDED_ON = "cpu"
ENOUGH = 3  # variants of a stream; with fewer of them, the spread of a file is the better estimate
WORST_FRAME_FLOOR = 4  # times the floor: one frame may hold more rounding than the mean of all

# Tensors of a stream → the tensors of a file that the same network makes.
SAME_AS = {"waveform.raw": "waveform.segment.full", "content": "content.upsampled"}

# A copy → the tensor it is made from. A port that keeps both in float32 is as near to the exact result as the original.
COPY_OF = {"padded": "highpassed"}

_COUNTED = (Metric.UNEQUAL, Metric.STEPS)

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
                    "mode": {"enum": [mode.value for mode in Mode]},
                    "metric": {"enum": [metric.value for metric in Metric if metric is not Metric.FORM]},
                    "network_f0": {"type": ["boolean", "null"]},
                    "by_variant": {"type": "object", "additionalProperties": {"type": "number"}},
                    "cases": {"type": "integer"},
                },
            },
        },
        # The sound of reduced precisions (parity/waveforms/tier_scale.py); no limit follows from it.
        "sound": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["case", "variant", "values"],
                "properties": {
                    "case": {"type": "string"},
                    "variant": {"type": "string"},
                    "values": {"type": "object", "additionalProperties": {"type": "number"}},
                },
            },
        },
    },
}


@dataclass(frozen=True)
class Limit:
    """One limit with its reason.

    Attributes:
        tensor: The local name.
        mode: "isolated" or "chained".
        metric: What it limits.
        limit: The largest value that passes.
        because: The reason, for people.
        spread: The largest distance of the original from itself; None where it was not measured.
        network_f0: Whether it holds for cases whose F0 comes from a network.
        derivation: Variant of the original → its distance.
    """

    tensor: str
    mode: str
    metric: str
    limit: float
    because: str
    spread: float | None = None
    network_f0: bool = False
    derivation: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The limit as verdict.json holds it."""
        unit = stages.tensor(any_name(self.tensor)).unit if self.metric == Metric.STEPS else "1"
        document: dict[str, Any] = {
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
        return document | ({"derivation": dict(self.derivation)} if self.derivation else {})


def any_name(local: str) -> str:
    """A full name for a name without numbers: `seg0.flow.z` for `flow.z`, `rt.0.f0.hz` for `rt.f0.hz`."""
    if local.startswith("rt."):
        return str(TensorName(Scope.BLOCK, 0, local.removeprefix("rt.")))
    names = (str(TensorName(scope, 0, local)) for scope in Scope)
    return next(name for name in names if stages.is_known(name))


def network_f0(options: Mapping[str, Any]) -> bool:
    """Whether the F0 of a conversion with these options comes from a network, which has wider limits."""
    method = METHODS.get(str(options.get("f0_method")))
    return method is not None and method.is_neural


class Limits:
    """Every limit of a run, looked up by tensor, mode and metric.

    Attributes:
        tier: The tier that they admit.
        device: The candidate's, whose spread they contain beside that of RECORDED_ON.
    """

    tier: Tier = Tier.FLOAT32
    device: str = RECORDED_ON

    def __init__(
        self,
        spread: Mapping[str, Any] | None = None,
        formats: Collection[str] = FULL_PRECISION,
        device: str = RECORDED_ON,
    ) -> None:
        """Limits of a measured spread.

        Args:
            spread: a document of spread.json; None for limits of tensors that were not measured.
            formats: the precisions ("dtype" of a variant's environment) whose variants count.
            device: the candidate's; variants of the originals on it count beside those on RECORDED_ON.
        """
        self.device = device
        variants = {row["name"]: row["environment"] for row in (spread or {}).get("variants", [])}
        self._entries: dict[tuple[str, str, str, bool | None], Mapping[str, float]] = {}
        for entry in (spread or {}).get("entries", []):
            counted = {
                name: value
                for name, value in entry["by_variant"].items()
                if variants.get(name, {}).get("dtype", "float32") in formats
                and variants.get(name, {}).get("device", RECORDED_ON) in (RECORDED_ON, device)
            }
            if counted:
                self._entries[entry["tensor"], entry["mode"], entry["metric"], entry["network_f0"]] = counted
        self.variants = [dict(variant) for variant in (spread or {}).get("variants", [])]

    def find(self, name: str, mode: str, metric: str, network: bool) -> Limit:
        """The limit for a tensor; every tensor has one.

        Args:
            name: The full name.
            mode: "isolated" or "chained".
            metric: What is limited.
            network: Whether the F0 of the case comes from a network.
        """
        variants = self.measured(name, mode, metric, network)
        if mode == Mode.CHAINED and variants:  # the error of a chain contains the stage's own
            own = self.measured(name, Mode.ISOLATED, metric, network)
            variants = {key: max(variants.get(key, 0.0), own.get(key, 0.0)) for key in {**variants, **own}}
        typed, because = unmeasured(name, mode, metric, network)
        if source := COPY_OF.get(TensorName.parse(name).local):
            return self._of_copy(name, source, self.find(source, mode, metric, network), variants)
        if not variants:
            return Limit(TensorName.parse(name).local, mode, metric, typed, f"not measured; {because}", None, network)
        derived = _derived(name, mode, metric, network, variants)
        if set(variants) == {EXACT} and derived.limit < typed:  # exact arithmetic alone raises a typed limit only
            return replace(derived, limit=typed, because=f"not measured; {because}")
        return derived

    def _of_copy(self, name: str, source: str, limit: Limit, variants: Mapping[str, float]) -> Limit:
        """The limit of a copy: that of the tensor it is made from, or more where the copy differed by more."""
        spread = max([limit.spread or 0.0, *variants.values()])
        return replace(
            limit,
            tensor=TensorName.parse(name).local,
            limit=max(limit.limit, MARGIN * spread),
            spread=spread,
            because=f"a copy of {source}, which is known no better: {limit.because}",
            derivation={**limit.derivation, **variants},
        )

    def measured(self, name: str, mode: str, metric: str, network: bool, enough: int = ENOUGH) -> Mapping[str, float]:
        """Variant → its distance, from the entry nearest to what is looked up; empty where nothing was measured.

        An entry of a stream with fewer than `enough` variants is passed over for that of a file.
        """
        for entry, in_mode, of_stream in _entries_for(name, mode):
            for measured_with in (network, None):
                variants = self._entries.get((entry, in_mode, metric, measured_with), {})
                if in_mode != mode:  # the exact result of a chain contains the error of what it reads
                    variants = {key: value for key, value in variants.items() if key != EXACT}
                if variants and (len(variants) >= enough or not of_stream):
                    return variants
        return {}


def _entries_for(name: str, mode: str) -> list[tuple[str, str, bool]]:
    """The entries that may hold a tensor's spread, nearest first: (tensor, mode, whether it is a stream's)."""
    parsed = TensorName.parse(name)
    local, of_stream = parsed.local, parsed.scope is Scope.BLOCK
    own = [(parsed.unnumbered, mode, True)] if of_stream else []
    if mode == Mode.ISOLATED and (local == "f0.raw" or (of_stream and local == "f0.hz")):
        # A pitch method run alone reads the golden's audio, which never differed in the chained runs either.
        return [*own, (f"rt.{local}", Mode.CHAINED, True), (local, Mode.CHAINED, False)]
    return [*own, (SAME_AS.get(local, local), mode, False)]


def _derived(name: str, mode: str, metric: str, network: bool, variants: Mapping[str, float]) -> Limit:
    row = stages.tensor(name)
    variant = max(variants, key=lambda key: variants[key])
    spread = variants[variant]
    floor = floor_of(row, metric)
    limit = 0.0 if metric == Metric.UNEQUAL else max(MARGIN * spread, floor)
    if metric == Metric.STEPS and mode == Mode.ISOLATED:
        limit = spread
        because = f"truncation of the exact product differs by {spread:g} step; a larger one is another formula"
    elif metric == Metric.UNEQUAL:
        because = f"a decision is equal or it is not ({len(variants)} variants); a flip must be explained by its margin"
    elif limit > floor:
        because = (
            f"{MARGIN:g} × {spread:.2g}, the original's own spread (widest: {variant}, of {len(variants)} variants)"
        )
    else:
        because = f"the original differs from itself by {spread:.2g}, so a few steps of the number format are allowed"
    return Limit(TensorName.parse(name).local, mode, metric, limit, because, spread, network, variants)


def floor_of(row: stages.Tensor, metric: str) -> float:
    """The least limit of a metric: the rounding of the number format."""
    if metric in _COUNTED:
        return 0.0
    if row.kind is TensorKind.PCM:
        return FLOORS["int16"]
    dtype = "float64" if "float64" in row.dtypes else "float32"
    return FLOORS[dtype] * (WORST_FRAME_FLOOR if metric == Metric.WORST_FRAME else 1)


@functools.cache
def load(path: Path = SPREAD, device: str = RECORDED_ON) -> Limits:
    """The limits derived from a measured spread; those of `unmeasured_limits` where there is no such file.

    Args:
        path: the spread.
        device: the candidate's, see `Limits`.
    """
    return Limits(read(path), device=device) if path.is_file() else Limits()


def device_of(about: Mapping[str, object]) -> str:
    """The device that a candidate states in its `about`; RECORDED_ON where it states none."""
    environment = about.get("environment")
    device = environment.get("device") if isinstance(environment, Mapping) else None
    return device if isinstance(device, str) else RECORDED_ON


def read(path: Path = SPREAD) -> dict[str, Any]:
    """The document of spread.json.

    Raises:
        ParityError: The file is missing, is no JSON, or does not fit its schema.
    """
    try:
        document: dict[str, Any] = parse_file(path)
    except FileNotFoundError:
        raise ParityError(f"there is no {path}; measure it: python -m reference.spread, then parity.spread") from None
    except json.JSONDecodeError as error:
        raise ParityError(f"{path} is not JSON ({error}); restore it or measure: rvc-parity spread") from None
    if wrong := closed_schema.check(document, _SCHEMA):
        raise ParityError(f"{path} does not fit rvc-spread/1: {wrong[0]}; measure again: rvc-parity spread")
    return document
