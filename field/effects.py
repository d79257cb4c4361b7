"""The size of a mistake: the error of its stage's tensors, and the difference of the converted sound in words."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.goldens import golden_set, store, trace_file
from parity.goldens.arrays import Array
from parity.judge.states import Blame
from parity.stages import TensorKind
from parity.waveforms import perceptual

Json = dict[str, Any]
_SOUNDS = ("waveform.final", "waveform.concat")  # the first that golden and candidate both have is measured


def measured(cases: Sequence[Json], out: Path) -> tuple[list[Json], list[Json]]:
    """The size of each origin, and how a golden with origins sounds.

    Args:
        cases: the cases of verdict.json.
        out: the folder of the run, which holds their traces.
    Returns:
        {case, stage, text} of each origin, and {case, text} of each whole conversion that differs.
    """
    sizes: list[Json] = []
    sounds: list[Json] = []
    for case in cases:
        origins = [row for row in case["stages"] if row["blame"] in (Blame.ORIGIN.value, Blame.AMPLIFIES.value)]
        if not origins:
            continue
        golden = store.open_case(golden_set.default_folder() / case["name"])
        alone, chain = (_trace(out, case, mode) for mode in ("isolated", "chained"))
        seen: set[str] = set()
        for row in origins:
            text = next(_sizes(row, golden, alone, chain), None)
            if text and row["stage"] not in seen:
                seen.add(row["stage"])
                sizes.append({"case": case["name"], "stage": row["stage"], "text": text})
        if text := _sound(golden, chain):
            sounds.append({"case": case["name"], "text": text})
    return sizes, sounds


def _trace(out: Path, case: Json, mode: str) -> Mapping[str, Array]:
    name = (case.get("traces") or {}).get(mode)
    path = out / name if name else None
    return trace_file.read(path) if path is not None and path.is_file() else {}


def _sizes(row: Json, golden: store.Case, alone: Mapping[str, Array], chain: Mapping[str, Array]) -> Iterator[str]:
    """The error of each output of a stage in words: of the stage alone where it fails so, else of the conversion."""
    stage = stages.stage_named(row["stage"])
    times = row.get("times_limit") or {}
    fails_alone = (times.get("isolated") or 0.0) > 1 or not (times.get("chained") or 0.0) > 1
    traces = (alone, chain) if fails_alone else (chain, alone)
    for tensor in stage.makes if stage else ():
        name = row["prefix"] + tensor.name
        if name not in golden:
            continue
        for trace in traces:
            if name in trace and (text := size(tensor.kind, np.asarray(golden[name]), np.asarray(trace[name]))):
                yield text
                break


def size(kind: TensorKind, expected: Array, value: Array) -> str:
    """The error of one tensor, two arrays of any shape, in words; "" where both are equal."""
    if expected.shape != value.shape:
        return f"{list(value.shape)} in place of {list(expected.shape)} values"
    if np.array_equal(expected, value):
        return ""
    if kind is TensorKind.DECISION:
        return f"{np.count_nonzero(expected != value)} of {expected.size} values"
    if kind is TensorKind.HZ:
        return _of_f0(expected.reshape(-1).astype(float), value.reshape(-1).astype(float))
    power = float(np.sqrt(np.mean(np.square(expected.astype(float)))))
    error = float(np.sqrt(np.mean(np.square(value.astype(float) - expected.astype(float)))))
    return _of_level(20 * np.log10(error / power)) if power and error else ""


def _of_level(decibels: float) -> str:
    """An error beside its tensor, both root mean square."""
    rounded = round(decibels)
    if not rounded:
        return "error as large as the values"
    return f"error {abs(rounded)} dB {'above' if rounded > 0 else 'below'} the values"


def _of_f0(expected: Array, value: Array) -> str:
    both, frames = (expected > 0) & (value > 0), expected.size
    parts = []
    if voicing := int(np.count_nonzero((expected > 0) != (value > 0))):
        parts.append(f"{voicing} of {frames} frames voiced in one of the two only")
    if both.any():
        cents = np.abs(1200 * np.log2(value[both] / expected[both]))
        moved = cents[cents > 0.01]  # a hundredth of a cent: rounding of single precision is below
        if moved.size:
            parts.append(f"{moved.size} frames moved, median {np.median(moved):.2g} cents, at most {moved.max():.4g}")
    return "; ".join(parts) or "less than 0.01 cents"


def _sound(golden: store.Case, chain: Mapping[str, Array]) -> str:
    """How a whole conversion sounds beside the golden's; "" without one."""
    name = next((name for name in _SOUNDS if name in golden and name in chain), None)
    if name is None or not np.asarray(golden[name]).any():
        return ""
    ours, theirs = (np.asarray(each[name]).reshape(-1) for each in (golden, chain))
    scale = 32768.0 if ours.dtype == np.int16 else 1.0
    rate = int(golden.voice["rate"])
    if name == "waveform.final" and int(golden.options.get("resample_rate") or 0) >= stages.SR16:
        rate = int(golden.options["resample_rate"])
    made = perceptual.summarize(perceptual.measure(ours / scale, theirs / scale, rate))
    parts = [f"mel-cepstral distortion {made.mel_cepstral:.1f} dB", f"level {made.loudness:.1f} dB"]
    if not np.isnan(made.cents):
        parts.append(f"F0 {made.cents:.0f} cents (root mean square)")
    parts.append(f"{made.voicing_errors:.0%} of frames voiced in one of the two only")
    if len(ours) != len(theirs):
        parts.append(f"{(len(theirs) - len(ours)) / rate:+.2f} s in length")
    return ", ".join(parts)
