"""The stages of a stream, each run alone on the stream's own trace, make the tensors of that trace."""

from __future__ import annotations

import numpy as np
import pytest
from small_case import Player

from parity import stages
from parity.candidates.candidate import CandidateError
from parity.goldens import store
from parity.goldens.store import GOLDENS
from parity.goldens.trace_file import Trace
from parity.judge import limits, verdict
from parity.judge.judgment import Judgment
from parity.judge.states import Blame
from parity.rvc_bridge.realtime_stages import STAGES, RealtimeCase, run_stage
from rvc.noise import Seeded
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime import Stream
from tests.unit.tiny import write_hubert, write_voice

REALTIME = {
    "rate": 44100,
    "blocks": 3,
    "block_time": 0.1,
    "crossfade_time": 0.04,
    "extra_time": 0.3,
    "formant": 1.0,
    "input_gate_db": -45.0,
    "input_denoise": True,
    "output_denoise": True,
    "changes": "1:transpose=-5 2:formant=-1.5",
}


class Golden(dict):
    """A case without its folder."""

    profile = "webui-2026"
    options = {"f0_method": "pm", "transpose": 4, "rms_mix_rate": 0.5, "realtime": REALTIME}  # noqa: RUF012


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    networks = VoiceNetworks(write_voice(folder / "voice.pth"), write_hubert(folder / "hubert"))
    case, trace = Golden({f"rt.{n}.in": None for n in range(3)}), Trace()
    realtime = RealtimeCase(case, networks)
    stream = Stream(realtime.models, realtime.sizes, noise=Seeded(1), tap=trace)
    sound = np.random.default_rng(0).normal(size=(3, realtime.sizes.block)).astype(np.float32) * 0.1
    for block in range(3):
        stream.controls = realtime.controls(block)
        stream.block(sound[block])
    case.update(trace)
    return case, realtime


def test_a_stream_with_the_goldens_noise_makes_the_golden(golden):
    case, realtime = golden
    made = realtime.run()
    assert set(made) == {name for name in case if not name.endswith(".in")}
    for name, value in made.items():
        np.testing.assert_array_equal(value, case[name], err_msg=name)


def test_controls_follow_the_changes_of_the_case(golden):
    _, realtime = golden
    assert [(realtime.controls(n).transpose, realtime.controls(n).formant) for n in range(3)] == [
        (4, 1),
        (-5, 1),
        (-5, -1.5),
    ]
    assert realtime.controls(0).gate_db == -45
    assert realtime.controls(0).index_rate == 0


@pytest.mark.parametrize("stage", [stage for stage in stages.realtime() if stage.name in STAGES], ids=lambda s: s.name)
@pytest.mark.parametrize("block", [0, 2])
def test_each_stage_alone_makes_what_the_stream_made(golden, stage, block):
    case, realtime = golden
    prefix = f"rt.{block}."
    inputs = {name: np.array(case[name]) for name in stages.reads(stage, prefix, case)}
    made = run_stage(realtime, stage.name, prefix, inputs)
    expected = [prefix + row.name for row in stage.makes if prefix + row.name in case]
    if stage.name in ("rt.retrieval",):
        assert not expected
    for name in expected:
        if name == prefix + "rms_in":
            continue
        np.testing.assert_allclose(made[name], case[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_every_stage_but_the_gated_ring_can_be_run_alone():
    """No golden has the gated ring's tensor."""
    assert {stage.name for stage in stages.realtime()} - set(STAGES) == {"rt.input_wav"}


def test_an_unknown_stage_is_refused(golden):
    with pytest.raises(CandidateError, match=r"rt\.input_wav"):
        run_stage(golden[1], "rt.input_wav", "rt.0.", {})


def _judged_with_wrong_stages(wrong: set[str]) -> dict[str, Blame]:
    """The blame of the stages of a block in which some stages are 1 % too loud, alone and in the conversion."""
    case = store.open_case(GOLDENS / "rt-window-2026").check()
    made = {
        name: value * np.float32(1.01) if name.rpartition(".")[2] in wrong else value for name, value in case.items()
    }
    judgment = Judgment(case, limits.load(), candidate=Player(made))
    return {row.title: row.blame for row in verdict.judge(judgment).stages if row.prefix == "rt.1."}


def test_a_wrong_gate_is_one_fault_of_the_stages_that_make_the_gated_input() -> None:
    blames = _judged_with_wrong_stages({"input16k", "infer_wav"})
    assert blames["rt.1.rt.input16k"] is Blame.ORIGIN
    assert blames["rt.1.rt.infer_wav"] is Blame.INHERITED


def test_a_wrong_loudness_mix_is_its_own_fault() -> None:
    blames = _judged_with_wrong_stages({"infer_wav"})
    assert blames["rt.1.rt.input16k"] is Blame.CLEAN
    assert blames["rt.1.rt.infer_wav"] is Blame.ORIGIN
