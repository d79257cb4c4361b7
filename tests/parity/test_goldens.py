"""The stages of rvc on three short goldens; `nox -s parity` judges all goldens."""

from functools import cache
from pathlib import Path

import pytest
import torch

from parity import stages
from parity.candidates import candidate
from parity.goldens import store
from parity.judge import limits, verdict
from parity.judge.judgment import Absence, Judgment, ModeRun
from parity.judge.ledger import Cell, judge_tensor
from parity.judge.states import CellState, Mode
from parity.rvc_bridge.rvc_torch import RvcTorch

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
SHORT = ("v1-48k-rmvpe-2026", "v1-32k-fcpe-2026", "v1-32k-nof0-rpy")
ISOLATED = [stage for stage in stages.offline() if stage.name not in ("segment.cuts",)]  # no short golden is cut

pytestmark = pytest.mark.slow
program = RvcTorch()


@cache
def opened(name: str) -> store.Case:
    return store.open_case(GOLDENS / name)


@pytest.mark.parametrize("stage", ISOLATED, ids=lambda stage: stage.name)
def test_a_stage_equals_the_golden_from_recorded_inputs(stage: stages.Stage) -> None:
    """From the original's inputs, the stage of rvc computes the original's output."""
    compared: list[Cell] = []
    for case in map(opened, SHORT):
        for other, prefix in candidate.steps(case):
            if other == stage:
                made = program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
                for name in (prefix + row.name for row in stage.makes if prefix + row.name in case):
                    if not stages.tensor(name).optional:
                        compared += judge_tensor(case, name, Mode.ISOLATED, made.get(name), limits.load())[0]
    assert compared, f"no short golden has the stage {stage.name}"
    assert [cell.sentence for cell in compared if cell.failed] == []


@pytest.mark.parametrize("name", SHORT)
def test_a_conversion_equals_the_golden(name: str) -> None:
    """From the original's 16 kHz samples and its noise, the conversion of rvc computes every tensor of the original."""
    case = opened(name)
    isolated = ModeRun(absence=Absence(CellState.NOT_TESTED, "not tested: another test runs the stages alone"))
    judgment = Judgment(case, limits.load(), isolated=isolated, chained=ModeRun(program.run(case)))
    judged = verdict.judge_tensors(judgment)
    assert judged.ledger.counts()["compared"] > 50
    assert [cell.sentence for cell in judged.ledger.cells if cell.failed] == []


def test_a_tap_changes_no_bit() -> None:
    """A conversion with a tap that records every tensor gives the same bits as one without a tap."""
    from rvc.noise import Tape
    from rvc.pipeline import offline

    case = opened(SHORT[0])
    noise = Tape({name: case[name] for name in case if ".noise." in name})
    raw = case["audio16k.raw"].copy()
    without_tap, _ = offline.convert(raw, program.networks(case), program.voice(case).config, noise=noise)
    assert without_tap.tobytes() == program.run(case)["waveform.final"].tobytes()


def test_a_missing_device_is_not_tested_and_does_not_pass(tmp_path, capsys):
    from parity.__main__ import main

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    code = main(["run", "--device", "cuda", "--case", "rt-silence-2026", "--out", str(tmp_path)])
    printed = capsys.readouterr()
    assert code == 3  # nothing comparable
    assert "not tested: this machine has no device 'cuda'" in printed.err
    assert "pass" not in printed.out
    assert "0 compared" in printed.out and "0 failed" in printed.out
