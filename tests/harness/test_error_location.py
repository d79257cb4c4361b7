"""Where an error lies, where no known mistake explains it."""

from pathlib import Path

import numpy as np
import pytest
from small_case import Player, golden, tensors

from parity.goldens.arrays import Array
from parity.goldens.reduction import Reduction
from parity.judge import limits, verdict
from parity.judge.diagnosis import error_shape, location
from parity.judge.judgment import Judgment
from parity.judge.metrics import Worst
from parity.stages import TensorKind, TensorName, stage_of, tensor

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


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (range(300, 1030), "it begins in frames 256 to 383 of 1030"),
        (range(320, 1030), "it begins in frame 320 of 1030"),
        (range(512, 1030), "it begins in frame 512 of 1030"),
        (range(1030), "it begins in frame 0 of 1030"),
        ([700], "it begins in frames 640 to 767 of 1030"),
    ],
    ids=["in a block", "in a kept frame", "at a block's start", "everywhere", "one frame"],
)
def test_the_begin_of_an_error_in_a_reduced_tensor_is_that_of_the_whole(wrong: range | list[int], words: str) -> None:
    """The kept frames and the sums of each block show it as nearly as they can."""
    shape = (1, 4, 1030)
    kept = ((0, 2), (318, 322), (510, 514), (1028, 1030))
    reduction = Reduction(shape, axis=2, kept=kept, block=128, projections=4, key="reduction/test")
    golden = np.random.default_rng(4).standard_normal(shape).astype(np.float32)
    ours = golden.copy()
    ours[:, :, list(wrong)] += 1
    axes = ("batch", "channel", "frame10")
    place = location.sentence(reduction.reduce(ours), reduction.reduce(golden), axes, reduction=reduction)
    assert place == f"{words}, in all 4 channels"


def _in_a_few_frames(name: str, value: Array) -> Array:
    """The value with an error in one fortieth of its frames that no known mistake makes."""
    axis = tensor(name).time_axis
    assert axis is not None
    length, rng = value.shape[axis], np.random.default_rng(5)
    part = value[(slice(None),) * axis + (slice(length // 3, length // 3 + max(2, length // 40)),)]
    part += (rng.integers(1, 4, part.shape) if value.dtype.kind == "i" else rng.random(part.shape)).astype(value.dtype)
    return value


@pytest.mark.parametrize("number", [0, 1], ids=["first outputs", "second outputs"])
def test_every_output_that_nothing_explains_has_a_place_and_a_shape(tmp_path: Path, number: int) -> None:
    """One output of each stage is wrong in a few frames; a decision states how many of its values differ."""
    case, made = golden(tmp_path), tensors()
    outputs: dict[str, list[str]] = {}
    for name in made:
        if (stage := stage_of(name)) is not None and tensor(name).time_axis is not None:
            outputs.setdefault(stage.name, []).append(name)
    chosen = {stage: names[number] for stage, names in outputs.items() if len(names) > number}
    made |= {name: _in_a_few_frames(name, made[name]) for name in chosen.values()}
    judged = verdict.judge(Judgment(case, limits.Limits(), candidate=Player(made, tensors()))).stages
    causes = {each.stage.name: each.cause for each in judged if each.cause is not None}
    assert set(causes) == set(chosen) and len(chosen) >= (18, 3)[number]
    for stage, name in chosen.items():
        sentence = causes[stage]["sentence"]
        assert causes[stage]["name"] == "unknown", name
        assert "it begins in frame " in sentence and sentence.endswith("the error lies in one short stretch"), name
        assert (" values differ, " in sentence) == (tensor(name).kind is TensorKind.DECISION), name


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
