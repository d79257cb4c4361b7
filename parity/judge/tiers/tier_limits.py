"""The limits of a tier, derived as those of float32 are: from the original, run in the tier's precision.

The variants of `parity/data/spread.json` whose environment states a reduced `dtype` are the originals in that
precision, on the inputs of the goldens, alone and in a chain. A limit is MARGIN times their largest distance from the
golden, and never below the floor of the number format. It replaces that of float32 where it is larger, so that each
tier admits what a better one admits. Tensors that the originals keep in float32 or float64 have no other limit.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from parity import stages
from parity.judge import limits
from parity.judge.limits import ENOUGH, MARGIN, WORST_FRAME_FLOOR, Limit, Limits, any_name
from parity.judge.states import Metric, Mode, Tier
from parity.stages import Scope, TensorKind, TensorName

REDUCED = (Tier.FLOAT16, Tier.BFLOAT16)
# One step of a format, relative to the value. The least relative limit is four steps, as for float32.
STEPS = {Tier.FLOAT16: 2.0**-10, Tier.BFLOAT16: 2.0**-7}
FLOOR = 4
# Steps by which an original differs at least where it rounds a tensor to the format; rounding alone gives a quarter.
ROUNDED = 0.1
# Later stages join, trim, mix and resample the generator's waveform. Few goldens have some of them, such as resampling.
_LATER_WAVEFORMS = (
    *("waveform.segment", "waveform.concat", "waveform.rmsmixed", "waveform.resampled", "waveform.final"),
    *("waveform.model", "infer_wav", "sola_buffer", "out"),
)
_COUNTED = (Metric.STEPS, Metric.UNEQUAL)
# The relative RMS of a silent output is 1. A limit stays below, so that silence reaches no tier, unless the original
# itself is farther: the phase of its source follows an F0 that differs. Two unrelated signals of one loudness differ by
# the square root of 2, and no limit is larger.
CEILING, UNRELATED = 0.99, 1.5


class TierLimits(Limits):
    """Every limit of a tier."""

    def __init__(self, spread: Mapping[str, Any] | None, tier: Tier, device: str = limits.RECORDED_ON) -> None:
        super().__init__(spread, device=device)
        self.tier = tier
        self._reduced = {each: Limits(spread, (each.value,), device) for each in REDUCED if each.rank <= tier.rank}

    def find(self, name: str, mode: str, metric: str, network: bool) -> Limit:
        """As `Limits.find`."""
        limit = super().find(name, mode, metric, network)
        if self.tier is Tier.BIT_EXACT:
            return replace(limit, limit=0.0, because="the tier bit-exact: every value is equal")
        for tier, measured in self._reduced.items():
            limit = _widened(limit, name, tier, self._spread_of(measured, name, mode, metric, network))
        return limit

    def _spread_of(self, measured: Limits, name: str, mode: str, metric: str, network: bool) -> dict[str, float]:
        """Variant in one precision → its distance; an error of a chain contains the stage's own.

        Where no case with an F0 network was measured, those without one count, whose limits are narrower.
        """
        if metric == Metric.UNEQUAL and mode == Mode.ISOLATED:
            return {}  # the originals decide in float32 on what they read
        modes = [mode, Mode.ISOLATED] if mode == Mode.CHAINED else [mode]
        widest: dict[str, float] = {}
        names = [name, *_source_of(name, mode, metric)]
        for full, each, enough in product(names, modes, (1, ENOUGH)):  # a stream's own entries, and those of a file
            values = measured.measured(full, each, metric, network, enough)
            if not values and network:
                values = measured.measured(full, each, metric, False, enough)
            for variant, value in values.items():
                widest[variant] = max(value, widest.get(variant, 0.0))
        return widest


def _source_of(name: str, mode: str, metric: str) -> list[str]:
    """In a chain, the generator's waveform, from which a later one is as far as that is; nothing for other tensors."""
    parsed = TensorName.parse(name)
    if mode != Mode.CHAINED or metric in _COUNTED or parsed.local not in _LATER_WAVEFORMS:
        return []
    return [str(parsed.sibling("waveform.raw")) if parsed.scope is Scope.BLOCK else any_name("waveform.segment.full")]


def _widened(limit: Limit, name: str, tier: Tier, variants: Mapping[str, float]) -> Limit:
    """The limit of a tier: that of the next better one, or a multiple of the original's spread where that is larger."""
    if not variants or MARGIN * max(variants.values()) <= limit.limit:
        return limit
    variant = max(variants, key=lambda key: variants[key])
    spread, metric = variants[variant], limit.metric
    row = stages.tensor(name)
    floor = 0.0
    if metric not in _COUNTED and row.kind is not TensorKind.PCM and spread >= ROUNDED * STEPS[tier]:
        floor = FLOOR * STEPS[tier] * (WORST_FRAME_FLOOR if metric == Metric.WORST_FRAME else 1)
    value = max(MARGIN * spread, floor)
    because = f"{MARGIN:g} × {spread:.2g}, the original's own spread in {tier} (widest: {variant})"
    if value == floor:
        because = f"the original in {tier} differs by {spread:.2g}, so four steps of that format are allowed"
    if metric == Metric.UNEQUAL:
        because = f"{MARGIN:g} × {spread:g}, the decisions of the original in {tier} that no margin explains"
    if metric == Metric.RELATIVE_RMS and value > CEILING:
        value = CEILING if spread < CEILING else min(value, UNRELATED)
        because = f"the original in {tier} differs by {spread:.2g}, as far as silence; other tensors have to show more"
    return replace(limit, limit=value, because=because, spread=spread, derivation={**limit.derivation, **variants})


@functools.cache
def load(tier: Tier, path: Path = limits.SPREAD, device: str = limits.RECORDED_ON) -> Limits:
    """The limits of a tier: those of `parity.judge.limits` for float32.

    Args:
        tier: the tier.
        path: the spread.
        device: the candidate's, see `limits.Limits`.
    """
    if tier is Tier.FLOAT32:
        return limits.load(path, device)
    return TierLimits(limits.read(path) if path.is_file() else None, tier, device)
