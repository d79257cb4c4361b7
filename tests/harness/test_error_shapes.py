"""The shape of an error in time, and a waveform's error split into drift of F0 and error of magnitude."""

from pathlib import Path

import numpy as np
import pytest
from small_case import golden, judge, tensors

from parity import stages
from parity.judge.description import shape_over_blocks
from parity.judge.diagnosis import error_shape
from parity.judge.ledger import Ledger
from parity.judge.metrics import Numbers
from parity.judge.states import Mode

QUIET = np.full(100, 1e-9)


def curve(**where: float) -> np.ndarray:
    """Errors by frame: `at10=1.0` is an error of 1 in frame 10."""
    result = QUIET.copy()
    for place, value in where.items():
        result[int(place.removeprefix("at"))] = value
    return result


@pytest.mark.parametrize(
    ("frames", "seams", "kind", "sentence"),
    [
        (np.zeros(20), [], "none", "no error to describe"),
        (curve(at0=1.0, at99=0.5), [], "edge", "the error lies at the ends"),
        (curve(at40=1.0, at41=0.7), [], "transient", "the error lies in one short stretch"),
        (np.linspace(0, 1, 100) ** 2, [], "growing", "the error grows with time"),
        (curve(at33=1.0, at66=1.0), [33, 66], "periodic", "the error comes back at every segment's edge"),
        (1 + 0.1 * np.sin(np.arange(100)), [], "persistent", "the error is there all the time"),
    ],
)
def test_each_shape_of_an_error_is_recognized(frames: np.ndarray, seams: list[int], kind: str, sentence: str) -> None:
    assert error_shape.shape(frames, seams) == {"kind": kind, "sentence": sentence}


def test_an_error_that_grows_from_block_to_block_is_growing() -> None:
    result = error_shape.over_blocks([np.full(30, 1e-6), np.full(30, 4e-6), np.full(30, 2e-5)])
    assert result == {
        "kind": "growing",
        "sentence": "the error grows from block to block, 1e-06 in the first and 2e-05 "
        "in the last: a state is carried on wrongly",
    }


def test_an_error_at_the_edge_of_every_block_is_periodic() -> None:
    assert error_shape.over_blocks([curve(at0=1.0)] * 4) == {
        "kind": "periodic",
        "sentence": "the error comes back at every block's edge",
    }


@pytest.mark.parametrize(
    "blocks",
    [
        [np.full(30, 1e-6)] * 4,
        [np.full(30, 1e-6), np.full(30, 1e-3)],
        [np.zeros(30)] * 4,
        [np.full(30, 1e-6), np.full(30, 4e-6), np.full(30, 1e-6)],
    ],
)
def test_blocks_without_a_common_shape_have_none(blocks: list[np.ndarray]) -> None:
    assert error_shape.over_blocks(blocks) is None


# ---- drift apart from magnitude --------------------------------------------------------------------------------------


def voice(hz: float, rate: int = 40000, seconds: float = 2.0, gain: float = 1.0) -> np.ndarray:
    """A harmonic sound, float32."""
    time = np.arange(int(rate * seconds)) / rate
    return np.asarray(gain * sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 20)) * 0.1, np.float32)


def test_a_drift_of_one_cent_is_no_error_of_magnitude() -> None:
    right, drifted = voice(220.0), voice(220.0 * 2 ** (1 / 1200))
    apart = np.sqrt(np.mean((right - drifted).astype(np.float64) ** 2) / np.mean(right.astype(np.float64) ** 2))
    assert 20 * np.log10(1 / apart) < 0  # the error of the waveform is larger than the waveform
    assert error_shape.magnitude(drifted, right) < 0.03  # its magnitudes agree
    hz = np.full((1, 200), 220.0, np.float32)
    assert error_shape.drift_cents({"f0.hz": hz * np.float32(2 ** (1 / 1200))}, {"f0.hz": hz}) == pytest.approx(
        1, abs=1e-3
    )
    live = {"rt.2.f0.hz": hz}
    assert error_shape.drift_cents({"rt.2.f0.hz": hz * np.float32(2 ** (1 / 1200))}, live, "rt.2.") == pytest.approx(
        1, abs=1e-3
    )


def test_a_louder_waveform_has_no_drift() -> None:
    assert error_shape.magnitude(voice(220.0, gain=1.1), voice(220.0)) == pytest.approx(0.1, abs=1e-3)
    hz = np.full((1, 200), 220.0, np.float32)
    assert error_shape.drift_cents({"f0.hz": hz}, {"f0.hz": hz}) == 0


def test_without_pitch_there_is_no_drift() -> None:
    hz = np.full((1, 200), 220.0, np.float32)
    assert error_shape.drift_cents({}, {"f0.hz": hz}) is None
    assert error_shape.drift_cents({"f0.hz": 0 * hz}, {"f0.hz": hz}) is None


def test_a_stage_verdict_holds_drift_and_magnitude(tmp_path: Path) -> None:
    right = tensors()
    chained = {
        **right,
        "f0.hz": right["f0.hz"] * np.float32(2 ** (5 / 1200)),
        "waveform.concat": np.roll(right["waveform.concat"], 3),
    }
    result = judge(golden(tmp_path), right, chained)
    concat = next(stage for stage in result.stages if stage.stage.name == "concat")
    assert concat.drift == pytest.approx(5, abs=0.01)
    assert concat.magnitude is not None and 0 < concat.magnitude < concat.times_limit("chained")  # type: ignore[operator]


def test_a_stream_is_described_by_all_its_blocks() -> None:
    ledger = Ledger("live")
    for block, size in enumerate((1e-6, 1e-5, 1e-4)):
        for local, error in (("out", size), ("flow.z", 1e-3)):
            ledger.enter(f"rt.{block}.{local}", Mode.CHAINED, [], Numbers({}, error, None, np.full(30, error)))
    assert stages.is_known("rt.0.out")
    result = shape_over_blocks(ledger, Mode.CHAINED, "rt.2.out")
    assert result is not None and result["kind"] == "growing"
    assert shape_over_blocks(ledger, Mode.CHAINED, "rt.2.flow.z") is None
