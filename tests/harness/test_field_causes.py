"""Causes that public programs showed: single precision, unfilled frames of a stream, a file that is never cut."""

from typing import Any

import numpy as np
import pytest

from parity import stages
from parity.goldens import store
from parity.judge.diagnosis import causes, registry
from parity.judge.diagnosis.divergences import number_of
from parity.stages import TensorName


def _names(golden: str, stage: str, tensor: str, ours: Any, *inputs: str) -> list[str]:
    """The guesses that equal a candidate's value."""
    case = store.open_case(store.GOLDENS / golden)
    made = stages.stage_named(stage)
    assert made is not None
    given = {name: np.asarray(case[name]) for name in inputs}
    deviation = registry.Deviation(case, made, TensorName.parse(tensor), given, ours)
    return [
        guess.name
        for guess in registry.guesses(deviation)
        if guess.value.shape == ours.shape and np.allclose(guess.value, ours, rtol=1e-6, atol=0)
    ]


def test_loudness_that_is_summed_in_single_precision_is_named() -> None:
    case = store.open_case(store.GOLDENS / "two-segments-2026")
    padded = np.abs(np.pad(np.asarray(case["highpassed"]), 80, mode="reflect")).astype(np.float32)
    ours = np.zeros(len(padded) - 160, np.float32)
    for offset in range(160):
        ours += padded[offset : offset - 160]
    assert "single precision" in _names("two-segments-2026", "segment.cuts", "quiet.profile", ours, "highpassed")


def test_a_curve_that_is_filled_in_single_precision_is_named() -> None:
    case = store.open_case(store.GOLDENS / "v2-48k-rmvpe-2026")
    raw = np.asarray(case["f0.raw"]).astype(np.float32)
    voiced = np.flatnonzero(raw > 0)
    ours = np.interp(np.arange(len(raw)), voiced, raw[voiced]).astype(np.float32).astype(np.float64)
    assert "single precision" in _names("v2-48k-rmvpe-2026", "f0.filled", "f0.filled", ours, "f0.raw")


def test_frames_that_a_stream_does_not_fill_are_named() -> None:
    case = store.open_case(store.GOLDENS / "rt-formant-up-2026")
    ours = np.asarray(case["rt.1.f0.hz"]).copy()
    ours[:, ::3] = 0
    assert "unvoiced frames kept at 0" in _names("rt-formant-up-2026", "rt.f0", "rt.1.f0.hz", ours)
    assert number_of("rt.f0", "unvoiced frames kept at 0") == "D1"


@pytest.mark.parametrize(("cuts", "name"), [([], "never cut"), ([1, 2], "another length")])
def test_a_file_that_is_never_cut_is_named(cuts: list[int], name: str) -> None:
    cause = causes._of_another_shape("segment.cuts", np.array(cuts, np.int64), np.zeros(1, np.int64))
    assert (cause["name"], cause["divergence"]) == (name, "D13" if not cuts else None)
