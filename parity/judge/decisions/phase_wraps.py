"""The hard decision inside the sine of rvc-python and the 2026 WebUI: where does the phase wrap?

They take 1 off the running phase wherever a coarse phase, interpolated over samples, falls below its predecessor. Where
the pitch stands still (unvoiced frames) the coarse phase is constant up to its rounding, so its margin is 0: with fused
multiply-add it never falls, without (processors before AVX2) it falls by one rounding hundreds of times. The phase then
runs to −4000 instead of −3, and float32 has fewer bits left for it: the original differs from itself by up to 1.2e-4.
That is a decision, not arithmetic, so the limits do not hold it; a candidate may decide either way and nothing between.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge import limits as tolerance
from parity.judge import metrics
from parity.judge.ledger import Ledger
from parity.stages.profile_table import PROFILES, Generation

TENSORS = ("nsf.sine", "nsf.source")
ONE = np.float32(1)
SENTENCE = (
    "the phase wraps {other} times, in the golden {golden}: where the pitch stands still, the coarse phase "
    "falls by one rounding without fused multiply-add, as it does in the original on such a processor"
)


def otherwise(case: Case, name: str) -> tuple[Array, str] | None:
    """A golden's nsf tensor as the original makes it without fused multiply-add, and a sentence that says so.

    None where the original has no such decision, or where both ways are the same.
    """
    parsed = stages.TensorName.parse(name)
    prefix, local = parsed.prefix, parsed.local
    if local not in TENSORS or parsed.scope is not stages.Scope.SEGMENT:
        return None
    profile = PROFILES.get(case.profile)
    if profile is None or profile.generation is not Generation.A:
        return None
    stage = stages.stage_of(name)
    given: Tensors = candidate.inputs(case, stage, prefix) if stage else {}
    if "f0.hz" not in given or any(prefix + tensor not in case for tensor in TENSORS):
        return None
    hz, rate = given["f0.hz"].ravel(), int(case.voice["rate"])
    upp = rate // 100
    if any(case[prefix + tensor].size != hz.size * upp for tensor in TENSORS):
        return None  # a recording whose lengths do not fit has no such decision to tell
    (fused, here), (plain, there) = (_sine(hz, rate, upp, fma) for fma in (True, False))
    if here == there:
        return None
    moved = np.where(np.repeat(hz > 0, upp), plain - fused, 0.0)
    golden = case[name].astype(np.float64)
    if local == "nsf.source":  # its linear layer and tanh, to the first order in so small a change
        moved = moved * _slope(case, prefix) * (1 - golden.ravel() ** 2)
    sentence = SENTENCE.format(other=there, golden=here)
    return (golden + moved.reshape(golden.shape)).astype(case[name].dtype), sentence


def _sine(hz: Array, rate: int, upp: int, fma: bool) -> tuple[Array, int]:
    """float64 (p·upp,) of the float32 phase, amplitude 0.1, and how often it wrapped: docs/spec/05 §5.5, A."""
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
    return 0.1 * np.sin(turned.astype(np.float64)), int(falls.sum())


def _slope(case: Case, prefix: str) -> float:
    """The factor of the source's linear layer, read off the golden's pair of sine and source."""
    wave = case[prefix + "nsf.sine"].ravel().astype(np.float64)
    bent = case[prefix + "nsf.source"].ravel().astype(np.float64)
    inside = np.abs(bent) < 0.9
    return float(np.polyfit(wave[inside], np.arctanh(bent[inside]), 1)[0]) if inside.sum() > 100 else 0.0


def explain(case: Case, ledger: Ledger, mode: str, made: Mapping[str, Array], limits: tolerance.Limits) -> None:
    """Mark the cells of a source that is right under the other decision; in a chain only where the pitch is the
    golden's own, since elsewhere its limits hold that already."""
    wrong = {cell.tensor for cell in ledger.cells if cell.mode == mode and cell.state == "differs"}
    if mode == "chained" and not same_pitch(case, made):
        return
    for name in sorted(name for name in wrong if stages.TensorName.parse(name).local in TENSORS):
        other = otherwise(case, name)
        if other is None or metrics.form(name, case[name], made.get(name))[0]:
            continue
        values = metrics.compare(name, other[0], made[name]).values
        network = tolerance.network_f0(case.options)
        if any(not value <= limits.find(name, mode, metric, network).limit for metric, value in values.items()):
            continue
        flip = {
            "index": [0],
            "ours": None,
            "golden": None,
            "margin": 0.0,
            "upstream": 2.0**-24,
            "explained": True,
            "sentence": other[1],
        }
        for cell in ledger.of([name], mode):
            if cell.state == "differs":
                ledger.put(replace(cell, state="explained", flips=(flip,), sentence=None))


def same_pitch(case: Case, made: Mapping[str, Array]) -> bool:
    """Whether a chain's pitch is the golden's, bit by bit."""
    return "f0.hz" in made and "f0.hz" in case and np.array_equal(made["f0.hz"], case["f0.hz"])
