"""A proposal compared with the committed golden: identical, within the original's own spread, changed, new or gone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.goldens import store
from reference.recording import proposal
from reference.recording.proposal import CHANGED, GONE, IDENTICAL, NEW, WITHIN

META: dict[str, Any] = {
    "name": "small",
    "why": "a golden of one second for tests",
    "profile": "webui-2026",
    "input": {"file": "x.flac", "sha256": "0" * 64},
    "voice": {"kind": "v2-40k-nof0", "rate": 40000, "version": "v2", "f0": False},
    "options": {"index_rate": 0.0},
    "seed": "small",
    "original": {"name": "x", "version": "1"},
    "environment": {},
}


@pytest.fixture
def golden(tmp_path: Path) -> store.Case:
    """A golden whose only tensors are the input and its guard; the rest is declared absent."""
    sound = np.linspace(-0.5, 0.5, 1600, dtype=np.float32)
    tensors = {"audio16k.raw": sound, "audio16k": sound, "seg0.audio": sound[None] * np.float32(0.5)}
    from parity import stages

    table = stages.expected(stages.facts(META | {"segments": 1}))
    absent = {name: "not made in this test" for name in table if name not in tensors}
    return store.save_case(tmp_path / "small", tensors, META | {"absent": absent, "segments": 1})


def state(golden: store.Case, new: dict[str, Any]) -> dict[str, str]:
    allowed = {("audio16k", None, "relative_rms"): 1e-5}
    return {line.stage: line.state for line in proposal.compare(golden, new, False, allowed)}


def test_equal_bits_are_identical(golden: store.Case) -> None:
    assert state(golden, dict(golden)) == {"input": IDENTICAL, "audio16k": IDENTICAL, "seg.audio": IDENTICAL}


def test_a_difference_in_the_last_bits_is_within_the_spread_and_a_larger_one_is_not(golden: store.Case) -> None:
    near = golden["audio16k"] * np.float32(1 + 1e-6)
    far = golden["audio16k"] * np.float32(1 + 1e-3)
    assert state(golden, dict(golden) | {"audio16k": near})["audio16k"] == WITHIN
    assert state(golden, dict(golden) | {"audio16k": far})["audio16k"] == CHANGED


def test_a_missing_sample_is_a_change(golden: store.Case) -> None:
    assert state(golden, dict(golden) | {"audio16k": golden["audio16k"][:-1]})["audio16k"] == CHANGED


def test_a_nan_is_a_change(golden: store.Case) -> None:
    with_nan = golden["audio16k"].copy()
    with_nan[3] = np.nan
    assert state(golden, dict(golden) | {"audio16k": with_nan})["audio16k"] == CHANGED


def test_missing_and_additional_tensors_are_reported(golden: store.Case) -> None:
    assert state(golden, {"audio16k.raw": golden["audio16k.raw"]})["audio16k"] == GONE
    assert state(golden, dict(golden) | {"highpassed": np.zeros(3)})["highpassed"] == NEW
    assert proposal.compare(None, {"audio16k": 1}, False, {})[0].state == NEW
