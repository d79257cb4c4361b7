"""The decision inside the sine of rvc-python and the 2026 WebUI: at which samples the phase wraps.

They subtract 1 from the running phase wherever a coarse phase, interpolated over samples, falls below its predecessor.
Where the pitch is constant (unvoiced frames) the coarse phase is constant up to its rounding, so its margin is 0: with
fused multiply-add it never falls, without it (processors before AVX2) it falls by one rounding hundreds of times. The
phase then runs to −4000 instead of −3, where float32 has fewer bits for its fraction: the original differs from itself
by up to 1.2e-4. This is a decision, not arithmetic, so the limits do not cover it: a candidate may make either
decision, and no value between them passes.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.goldens.arrays import Array, Tensors
from parity.goldens.store import Case
from parity.judge import metrics
from parity.judge.decisions.flip import Flip
from parity.judge.judgment import Judgment
from parity.judge.states import CellState, Mode
from parity.stages import Scope, TensorName
from parity.stages.profile_table import PROFILES, Generation

TENSORS = ("nsf.sine", "nsf.source")
ONE = np.float32(1)
AMPLITUDE = 0.1  # amplitude of the sine (docs/spec/05 §5.5)
FLOAT32_ROUNDING = 2.0**-24  # relative error of one rounding to float32
LINEAR_RANGE, ENOUGH_SAMPLES = 0.9, 100  # as in parity/judge/diagnosis/source.py
SENTENCE = (
    "the phase wraps {other} times, in the golden {golden}: where the pitch is constant, the coarse phase "
    "falls by one rounding without fused multiply-add, as it does in the original on such a processor"
)


def otherwise(case: Case, name: str) -> tuple[Array, str] | None:
    """A golden's nsf tensor as the original makes it without fused multiply-add.

    Args:
        case: The golden.
        name: The full name of the tensor.
    Returns:
        The tensor and a sentence; None where the original has no such decision, or where both ways are equal.
    """
    parsed = TensorName.parse(name)
    prefix, local = parsed.prefix, parsed.local
    if local not in TENSORS or parsed.scope is not Scope.SEGMENT:
        return None
    profile = PROFILES.get(case.profile)
    if profile is None or profile.generation is not Generation.A:
        return None
    stage = stages.stage_of(name)
    inputs: Tensors = candidate.inputs(case, stage, prefix) if stage else {}
    if "f0.hz" not in inputs or any(prefix + tensor not in case for tensor in TENSORS):
        return None
    hz, rate = inputs["f0.hz"].ravel(), int(case.voice["rate"])
    upp = rate // 100
    if any(case[prefix + tensor].size != hz.size * upp for tensor in TENSORS):
        return None  # a recording whose lengths do not fit has no such decision
    (fused, wraps), (plain, other_wraps) = (_sine(hz, rate, upp, fma) for fma in (True, False))
    if wraps == other_wraps:
        return None
    moved = np.where(np.repeat(hz > 0, upp), plain - fused, 0.0)
    golden = case[name].astype(np.float64)
    if local == "nsf.source":  # the linear layer and tanh, linearized: the change is small
        moved = moved * _slope(case, prefix) * (1 - golden.ravel() ** 2)
    sentence = SENTENCE.format(other=other_wraps, golden=wraps)
    return (golden + moved.reshape(golden.shape)).astype(case[name].dtype), sentence


def _sine(hz: Array, rate: int, upp: int, fma: bool) -> tuple[Array, int]:
    """The sine of the float32 phase, float64 (p·upp,), and how often the phase wrapped; sine A of docs/spec/05 §5.5."""
    step = (hz / np.float32(rate)).astype(np.float32) % ONE
    coarse = np.cumsum(step.astype(np.float64)).astype(np.float32) * np.float32(upp)
    count = hz.size * upp
    at = np.arange(count, dtype=np.float32) * np.float32((hz.size - 1) / max(count - 1, 1))
    low = np.minimum(at.astype(np.int64), hz.size - 1)
    high = np.minimum(low + 1, hz.size - 1)
    part = np.clip(at - low.astype(np.float32), 0, ONE)
    right = part * coarse[high]
    left = (ONE - part).astype(np.float64 if fma else np.float32) * coarse[low]
    wrapped = (left + right).astype(np.float32) % ONE
    falls = wrapped[1:] < wrapped[:-1]
    phase = np.repeat(step, upp)
    phase[1:] -= falls.astype(np.float32)
    phase = np.cumsum(phase.astype(np.float64)).astype(np.float32)
    turned = phase * np.float32(2) * np.float32(np.pi)
    return AMPLITUDE * np.sin(turned.astype(np.float64)), int(falls.sum())


def _slope(case: Case, prefix: str) -> float:
    """The factor of the source's linear layer, fitted to the golden's sine and source."""
    wave = case[prefix + "nsf.sine"].ravel().astype(np.float64)
    bent = case[prefix + "nsf.source"].ravel().astype(np.float64)
    inside = np.abs(bent) < LINEAR_RANGE
    return float(np.polyfit(wave[inside], np.arctanh(bent[inside]), 1)[0]) if inside.sum() > ENOUGH_SAMPLES else 0.0


def explain(judgment: Judgment, mode: Mode) -> None:
    """Explain the cells of a source that is right under the other decision.

    In a chain this needs the golden's own pitch; with another pitch, the limits of a chain cover the decision already.
    """
    case, ledger, made = judgment.case, judgment.ledger, judgment.run(mode).tensors
    differing = {cell.tensor for cell in ledger.cells if cell.mode is mode and cell.state is CellState.DIFFERS}
    if mode is Mode.CHAINED and not same_pitch(case, made):
        return
    for name in sorted(name for name in differing if TensorName.parse(name).local in TENSORS):
        other = otherwise(case, name)
        if other is None or metrics.form(name, case[name], made.get(name))[0] is not None:
            continue
        values = metrics.compare(name, other[0], made[name]).values
        limits = {metric: judgment.limits.find(name, mode, metric, judgment.network_f0).limit for metric in values}
        if any(not value <= limits[metric] for metric, value in values.items()):
            continue
        flip = Flip(
            index=[0],
            ours=None,
            golden=None,
            margin=0.0,
            upstream=FLOAT32_ROUNDING,
            explained=True,
            sentence=other[1],
        )
        for cell in ledger.of([name], mode):
            if cell.state is CellState.DIFFERS:
                ledger.put(replace(cell, state=CellState.EXPLAINED, flips=(flip,), sentence=None))


def same_pitch(case: Case, made: Mapping[str, Array]) -> bool:
    """Whether a chain's pitch is the golden's, bit by bit."""
    return "f0.hz" in made and "f0.hz" in case and np.array_equal(made["f0.hz"], case["f0.hz"])
