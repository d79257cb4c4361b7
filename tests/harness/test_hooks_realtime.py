"""parity.hooks.streams.realtime with a toy realtime script: a whole stream, and every stage of a block alone."""

import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch

from parity import stages
from parity.hooks.content import FairseqContent
from parity.hooks.inline.file_stages import FileStages
from parity.hooks.inline.inline_stages import InlineStages
from parity.hooks.inline.output_stages import OutputStages
from parity.hooks.pipeline import PipelineCandidate
from parity.hooks.serving import Lacks, Tape, local_name
from parity.hooks.streams import realtime
from parity.hooks.streams.block_stages import STAGES, RealtimeStages
from parity.hooks.streams.realtime import BlockTaps, changes_before, settings_of
from parity.hooks.streams.realtime_window import SETTINGS, RealtimeWindow, execute_script
from parity.hooks.synthesizer import SynthesizerStages

CHECKOUT = Path(__file__).parent / "fork"
BLOCKS = 3


class Window(PipelineCandidate):
    """The toy's window, without its pipeline."""

    name, version = "toy", "1"
    stages = STAGES

    def open(self, case: Any) -> None:
        names = execute_script(CHECKOUT / "realtime_gui.py")
        self.window = RealtimeWindow(names, None, lambda rvc: FairseqContent(rvc.model))

    def load(self, case: Any) -> None:
        self.content = importlib.import_module("infer.vc.modules").Hubert()

    def start_loop(self, case: Any) -> RealtimeWindow:
        self.window.start(settings_of(case), case["files"]["model"], case["files"]["index"])
        return self.window


@pytest.fixture(scope="module")
def candidate() -> Iterator[Window]:
    """The toy, and afterwards no module of it."""
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(CHECKOUT))
    yield Window()
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("infer", "FreeSimpleGUI", "sounddevice"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A case of retrieval and a key that changes."""
    index = faiss.IndexFlatL2(768)
    index.add(np.random.default_rng(3).normal(size=(40, 768)).astype(np.float32))
    path = tmp_path_factory.mktemp("toy") / "added.index"
    faiss.write_index(index, str(path))
    options: dict[str, Any] = {"f0_method": "pm", "transpose": 0, "index_rate": 0.6, "rms_mix_rate": 0.5, "speaker": 0}
    options |= {"realtime": {"rate": 32000, "blocks": BLOCKS, "block_time": 0.1, "changes": "1:transpose=5"}}
    files = {"model": "voice.pth", "hubert": "hubert", "index": str(path)}
    options["window"] = [1, 6, 38, 41]
    return {"options": options, "voice": {"rate": 32000, "version": "v2", "f0": True}, "files": files}


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """Blocks and their noise."""
    rng = np.random.default_rng(4)
    made: dict[str, Any] = {}
    for number in range(BLOCKS):
        made[f"rt.{number}.in"] = (0.3 * rng.normal(size=3200)).astype(np.float32)
        made[f"rt.{number}.noise.z"] = rng.normal(size=(1, 192, 21)).astype(np.float32)
        made[f"rt.{number}.noise.nsf"] = rng.normal(size=(1, 13 * 320, 1)).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def tape(candidate: Window, case: dict[str, Any], inputs: dict[str, Any]) -> Tape:
    """What a whole stream records."""
    tape = Tape()
    candidate.run(case, inputs, tape)
    return tape


def test_a_stream_records_every_tensor_of_a_block(tape: Tape) -> None:
    expected = {row.name for stage in stages.every() if stage.name in STAGES for row in stage.makes}
    expected -= {"rms_out"}  # inside the callback
    for number in range(BLOCKS):
        assert expected == {local_name(name) for name in tape if name.startswith(f"rt.{number}.")}


def test_every_stage_of_a_block_alone_gives_what_the_stream_gave(
    candidate: Window, case: dict[str, Any], inputs: dict[str, Any], tape: Tape
) -> None:
    known = {**inputs, **tape}
    judged = set()
    for stage, prefix in stages.walk(stages.prefixes_of(set(tape))):
        if stage.name not in STAGES:
            continue
        read = {name: known[name] for name in stages.reads(stage, prefix, known)}
        made = Tape()
        for name, value in candidate.run_stage(case, stage.name, prefix, read).items():
            made(name, value)
        assert made, stage.name
        for name, value in made.items():
            np.testing.assert_allclose(value, tape[name], rtol=2e-5, atol=1e-6, err_msg=f"{stage.name}: {name}")
        judged.add(stage.name)
    assert judged == set(STAGES)


def test_a_change_takes_effect_at_its_block(case: dict[str, Any], tape: Tape) -> None:
    assert [changes_before(case, block) for block in range(BLOCKS)] == [{}, {"transpose": 5.0}, {}]
    for block, semitones in enumerate((0, 5, 5)):  # the last frame of a ring is left out, as in the WebUI
        level = np.abs(tape[f"rt.{block}.input16k"][-320:-160]).mean()
        assert tape[f"rt.{block}.f0.hz"][0, -1] == pytest.approx((100 + 500 * level) * 2 ** (semitones / 12), rel=1e-5)


def test_taps_of_a_stream_are_removed(candidate: Window, tape: Tape) -> None:
    assert "infer" not in vars(candidate.window.gui.rvc) and "infer" not in vars(candidate.window.net)
    assert torch.argmax.__module__ != BlockTaps.__module__


def test_a_program_without_a_loop_has_no_stream(case: dict[str, Any]) -> None:
    class Plain(Window):
        stages = ("flow",)

    with pytest.raises(Lacks, match=r"^toy is driven without its realtime loop$"):
        Plain().prepare(case)


def test_a_script_that_opens_no_window_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FreeSimpleGUI", "sounddevice"):
        monkeypatch.setitem(sys.modules, name, None)
    script = tmp_path / "gui.py"
    script.write_text("started = True\n", encoding="utf-8")
    with pytest.raises(
        Lacks, match=r"^gui\.py opened no window, so it is not the realtime script; check the checkout$"
    ):
        execute_script(script)


def test_the_parts_of_a_candidate_define_no_name_twice() -> None:
    """Each part is written without knowledge of the others; a shared name would replace the method of one of them."""
    classes = {base for part in _PARTS for base in part.__mro__} - {object}
    assert {FileStages, OutputStages} < classes
    parts = [{name for name in vars(each) if not name.startswith("__")} for each in classes]
    shared = set().union(*(one & other for one, other in itertools.combinations(parts, 2)))
    assert shared <= {"_abc_impl"}


_PARTS = (InlineStages, SynthesizerStages, RealtimeStages)


def test_every_setting_of_a_stream_has_a_place_in_the_window() -> None:
    times = {"block_time", "crossfade_time", "extra_time"}
    assert {*realtime.OPTIONS, *realtime.DEFAULTS, *times} == set(SETTINGS)


def test_the_settings_of_a_stream_leave_none_of_the_stream_before() -> None:
    table = {"rate": 0, "blocks": 2, "block_time": 0.25, "crossfade_time": 0.05, "extra_time": 0.5}
    options = {"transpose": 0, "index_rate": 0.0, "rms_mix_rate": 1.0, "f0_method": "rmvpe", "realtime": table}
    assert set(settings_of({"options": options})) == {*SETTINGS, "device_rate"}
