"""Names of tensors as values, the registry of stages, time axes, and the registry of probes."""

from collections.abc import Iterator

import numpy as np
import pytest
from small_case import META

from parity import stages
from parity.goldens import time_axes
from parity.judge.diagnosis import causes, registry
from parity.stages import Earlier, Scope, Stage, Tensor, TensorName
from parity.stages.stage import F32, Read


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("audio16k", TensorName(Scope.FILE, 0, "audio16k")),
        ("seg12.flow.z", TensorName(Scope.SEGMENT, 12, "flow.z")),
        ("rt.3.f0.hz", TensorName(Scope.BLOCK, 3, "f0.hz")),
        ("segment.cuts", TensorName(Scope.FILE, 0, "segment.cuts")),
        ("rt.flow.z", TensorName(Scope.FILE, 0, "rt.flow.z")),
    ],
)
def test_a_name_is_parsed_and_written_back(text: str, name: TensorName) -> None:
    assert TensorName.parse(text) == name
    assert str(name) == text


def test_a_name_without_its_number_keeps_the_mark_of_a_stream() -> None:
    assert TensorName.parse("seg2.flow.z").unnumbered == "flow.z"
    assert TensorName.parse("rt.2.flow.z").unnumbered == "rt.flow.z"


def test_a_sibling_belongs_to_the_same_block() -> None:
    assert str(TensorName.parse("rt.2.flow.z").sibling("z_p")) == "rt.2.z_p"


@pytest.fixture
def toy_stage() -> Iterator[Stage]:
    stage = Stage("toy", Scope.SEGMENT, "a stage of this test", (Tensor("toy.y", F32, ("frame10",), "1"),), ("flow.z",))
    yield stages.register(stage, after="flow")
    stages.unregister(stage)


def test_a_registered_stage_is_known_everywhere(toy_stage: Stage) -> None:
    order = [stage.name for stage in stages.offline()]
    assert order[order.index("flow") + 1] == "toy"
    assert stages.stage_of("seg1.toy.y") is toy_stage
    assert "seg0.toy.y" in stages.expected(stages.facts(META))
    assert "seg0.z_p" in stages.upstream("seg0.toy.y", stages.names(["seg0."]))


def test_a_stage_cannot_be_registered_twice(toy_stage: Stage) -> None:
    with pytest.raises(ValueError, match="toy or one of its tensors"):
        stages.register(toy_stage)
    with pytest.raises(ValueError, match="there is no stage 'nowhere'"):
        stages.register(Stage("other", Scope.FILE, "", ()), after="nowhere")


def test_a_tensor_is_read_only_after_it_is_made() -> None:
    assert stages.misplaced_reads() == []


@pytest.mark.parametrize(
    ("scope", "read", "sentence"),
    [
        (Scope.BLOCK, "sola_buffer", "toy reads sola_buffer, which no stage before it makes"),
        (Scope.BLOCK, "f0.raw", "toy reads f0.raw, which no stage before it makes"),
        (Scope.BLOCK, Earlier("nothing"), "toy reads nothing, which no stage before it makes"),
        (Scope.SEGMENT, "generator", "toy reads generator, which no stage before it makes"),
        (Scope.SEGMENT, ("flow.z", "waveform.final"), "toy reads waveform.final, which no stage before it makes"),
    ],
)
def test_a_misplaced_read_is_reported(scope: Scope, read: Read, sentence: str) -> None:
    after = "rt.flow" if scope is Scope.BLOCK else "flow"
    stage = stages.register(Stage("toy", scope, "", (Tensor("toy.y", F32, ("frame10",), "1"),), (read,)), after=after)
    try:
        assert stages.misplaced_reads() == [sentence]
    finally:
        stages.unregister(stage)


def test_a_block_reads_the_state_that_the_block_before_left() -> None:
    sola, f0 = stages.stage_named("rt.sola"), stages.stage_named("rt.f0")
    assert sola is not None and f0 is not None
    present = stages.names([f"rt.{n}." for n in range(4)])
    assert stages.reads(sola, "rt.2.", present) == ["rt.2.infer_wav", "rt.1.sola_buffer"]
    assert stages.reads(sola, "rt.0.", present) == ["rt.0.infer_wav"]
    assert stages.reads(f0, "rt.2.", present) == ["rt.2.input16k", "rt.0.input16k", "rt.1.input16k"]
    assert "rt.2.sola.offset" not in stages.upstream("rt.2.sola.offset", present)


def test_a_segment_begins_at_the_frame_of_its_cut() -> None:
    cuts = np.array([16000 * 3 + 79])
    assert [time_axes.first_frame(segment, cuts) for segment in (0, 1, 2)] == [0, 300, 0]
    assert time_axes.start("seg1.flow.z", META, {"segment.cuts": cuts}) == 3.0 - 0.25
    assert time_axes.start("seg1.waveform.segment", META, {"segment.cuts": cuts}) == 3.0


def test_a_block_is_timed_from_its_own_start() -> None:
    assert time_axes.start("rt.2.flow.z", META, {}) == 0.0
    assert time_axes.block_start(2, {"options": {"realtime": {"block_time": 0.2}}}) == pytest.approx(0.4)


def test_every_probe_belongs_to_a_stage() -> None:
    assert causes.PROBE_MODULES
    with pytest.raises(ValueError, match="there is no stage 'nowhere' for the probe"):

        @registry.probe("nowhere")
        def nothing(deviation: registry.Deviation) -> Iterator[registry.Guess]:
            yield from ()

    with pytest.raises(ValueError, match="z_p has a probe already"):
        registry.probe("z_p")(lambda deviation: iter(()))
