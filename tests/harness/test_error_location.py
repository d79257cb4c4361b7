"""Where an error lies, where no known mistake explains it."""

import numpy as np
import pytest

from parity.judge.diagnosis import error_shape, location
from parity.judge.metrics import Worst
from parity.stages import TensorName

AXES = ("batch", "frame10", "channel")


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        (range(8), "in all 8 channels"),
        ([3], "in channel 3 of 8"),
        ([3, 4, 5], "in channels 3 to 5 of 8"),
        ([1, 6], "in 2 of 8 channels, the first of them 1"),
    ],
)
def test_channels_with_error_are_named(channels: list[int], words: str) -> None:
    golden = np.zeros((1, 20, 8), np.float32)
    ours = golden.copy()
    ours[:, 4:, list(channels)] = 1
    first = Worst(4, 0.04, (0, 4, 3), 1.0, 0.0)
    shape = {"kind": "persistent", "sentence": "the error is there all the time"}
    assert (
        location.sentence(ours, golden, AXES, first, shape)
        == f"it begins in frame 4 (0.040 s), {words}, the error is there all the time"
    )


def test_one_segment_or_block_is_named() -> None:
    every = [TensorName.parse(f"seg{number}.flow.z") for number in range(3)]
    assert location.parts(every[1], every[1:2], every) == "only in segment 1 of 3, counted from 0"
    assert location.parts(every[1], every[1:], every) == "in segments 1, 2 of 3, counted from 0"
    assert location.parts(every[0], every, every) is None
    blocks = [TensorName.parse(f"rt.{number}.out") for number in range(4)]
    assert location.parts(blocks[3], blocks[3:], blocks) == "only in block 3 of 4, counted from 0"


def test_an_error_that_comes_back_has_its_period() -> None:
    frames = np.full(100, 1e-7)
    frames[5::32] = 1e-3
    assert error_shape.period(frames) == 32
    frames[50] = 1e-3
    assert error_shape.period(frames) is None
    long = np.full(96, 1e-3)
    long[::32] = 0.1
    long[1::32] = 0.09
    assert error_shape.shape(long) == {"kind": "periodic", "sentence": "the error comes back every 32 frames"}


def test_a_constant_error_is_named() -> None:
    assert error_shape.shape(np.full(40, 1e-3))["sentence"] == "the error is the same in every frame"
