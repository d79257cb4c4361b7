"""Goldens of stages recorded alone, and reduced tensors: what they hold, how they are judged, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from parity import stages
from parity.calibration import coverage
from parity.candidates import candidate
from parity.candidates.candidate import Tensors
from parity.cli import main as command_line
from parity.errors import GoldenError
from parity.goldens import store
from parity.goldens.reduction import Reduction
from parity.goldens.store import Case
from parity.judge import limits, verdict
from parity.judge.judgment import Judgment
from parity.judge.ledger import Ledger
from parity.judge.states import Blame, CaseState, CellState, Mode
from parity.judge.verdict import CaseVerdict
from parity.runs import selection
from parity.runs.repeats.repetition import Repetition
from tests.harness import small_case

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
FRAMES = 300


def alone(folder: Path, reduced: bool = False) -> Case:
    """A golden of the stage `flow` alone, whose output has 300 frames."""
    meta = {name: value for name, value in small_case.META.items() if name != "why"}
    meta |= {"name": "alone", "why": "a golden of one stage", "seed": "alone", "isolated": ["flow"]}
    tensors = {
        "seg0.z_p": small_case.draw("alone.z_p", 1, 192, FRAMES),
        "seg0.spk.g": small_case.draw("alone.g", 1, 256, 1),
        "seg0.flow.z": small_case.draw("alone.z", 1, 192, FRAMES),
    }
    if reduced:
        reduction = Reduction((1, 192, FRAMES), 2, ((0, 2), (298, 300)), 128, 4, "reduction")
        tensors["seg0.flow.z"] = reduction.reduce(tensors["seg0.flow.z"])
        meta["reduced"] = {"seg0.flow.z": reduction.document()}
    return store.save_case(folder / "alone", tensors, meta)


class Answering:
    """A candidate that answers each stage with given tensors and whose whole conversion must not be asked for."""

    about = {"name": "answering", "version": "1"}  # noqa: RUF012 (never changed)
    chains = True

    def __init__(self, answer: Tensors) -> None:
        self.answer = answer

    def takes(self, case: Case) -> bool:
        return True

    def offers(self, stage: stages.Stage) -> bool:
        return True

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        assert set(inputs) == {"seg0.z_p", "seg0.spk.g"}
        return self.answer

    def run(self, case: Case) -> Tensors:
        raise AssertionError("a golden of stages alone has no conversion")


def judge(case: Case, value: np.ndarray) -> CaseVerdict:
    return verdict.judge(Judgment(case, limits.load(), candidate=Answering({"seg0.flow.z": value})))


def test_only_the_stages_recorded_alone_are_judged_and_only_alone(tmp_path):
    case = alone(tmp_path)
    assert [stage.name for stage, _ in candidate.steps(case)] == ["flow"]
    judged = judge(case, case["seg0.flow.z"].copy())
    assert judged.state is CaseState.PASS
    assert {(cell.tensor, cell.mode) for cell in judged.ledger.cells} == {("seg0.flow.z", Mode.ISOLATED)}


def test_a_wrong_stage_recorded_alone_is_the_origin(tmp_path):
    case = alone(tmp_path)
    judged = judge(case, case["seg0.flow.z"] + np.float32(0.1))
    assert judged.state is CaseState.DIFFERS
    assert [(stage.stage.name, stage.blame) for stage in judged.stages] == [("flow", Blame.ORIGIN)]


def test_a_missing_output_of_a_stage_recorded_alone_is_refused(tmp_path):
    case = alone(tmp_path)
    tensors = {name: case[name] for name in case if name != "seg0.flow.z"}
    with pytest.raises(GoldenError, match=r"alone lacks seg0\.flow\.z"):
        store.save_case(tmp_path / "alone", tensors, case.meta)


def test_a_golden_of_stages_alone_covers_no_cell(tmp_path):
    alone(tmp_path)
    assert coverage.covered(tmp_path) == {}


def test_a_dump_is_not_compared_with_a_golden_of_stages_alone(tmp_path, capsys):
    case = alone(tmp_path)
    dump = tmp_path / "dump.safetensors"
    from parity.goldens.trace_file import Trace

    Trace({"seg0.flow.z": case["seg0.flow.z"]}).write(dump)
    assert command_line.main(["compare", str(tmp_path / "alone"), str(dump)]) == 2
    expected = "holds stages that were recorded alone (flow) and no conversion; name the golden of a conversion"
    assert expected in capsys.readouterr().err


def test_a_candidate_hands_over_the_whole_of_a_reduced_tensor(tmp_path):
    case = alone(tmp_path, reduced=True)
    assert case["seg0.flow.z"].shape == (1, 192, 4 + 3 * 4)
    whole = small_case.draw("alone.z", 1, 192, FRAMES)
    assert judge(case, whole).state is CaseState.PASS
    judged = judge(case, whole[:, :, :-1])
    assert [cell.state for cell in judged.ledger.cells] == [CellState.SHAPE] * 3
    assert "is float32[1, 192, 299], the original made float32[1, 192, 300] (the golden holds a part of it)" in str(
        judged.sentence
    )


@pytest.mark.parametrize("frame", [0, 1, 64, 127, 128, 200, 299])
def test_a_wrong_frame_anywhere_in_a_reduced_tensor_differs(tmp_path, frame):
    whole = small_case.draw("alone.z", 1, 192, FRAMES).copy()
    whole[:, :, frame] += np.float32(0.01)
    assert judge(alone(tmp_path, reduced=True), whole).state is CaseState.DIFFERS


def test_the_error_of_a_reduced_tensor_estimates_that_of_the_whole(tmp_path):
    case, whole = alone(tmp_path, reduced=True), small_case.draw("alone.z", 1, 192, FRAMES)
    error = np.float32(1e-3) * small_case.draw("alone.error", 1, 192, FRAMES)
    measured = judge(case, whole + error).ledger.cells[1].value
    exact = np.sqrt(np.mean(np.square(error)) / np.mean(np.square(whole)))
    assert measured == pytest.approx(float(exact), rel=0.1)


def test_a_place_in_a_reduced_tensor_has_no_time(tmp_path):
    case, whole = alone(tmp_path, reduced=True), small_case.draw("alone.z", 1, 192, FRAMES)
    judged = judge(case, whole + np.float32(0.1))
    assert judged.first is not None and judged.first["time_s"] is None


def test_the_quick_set_holds_conversions_only():
    chosen = selection.quick_set([store.open_case(folder) for folder in store.cases(GOLDENS)])
    assert chosen and not any(case.facts.isolated for case in chosen)


def test_a_golden_with_a_conversion_is_repeated_rather_than_one_of_stages_alone(tmp_path):
    case, conversion = alone(tmp_path), small_case.golden(tmp_path)
    repetition = Repetition(Answering({}), limits.load())
    repetition.after_case(case, judge(case, case["seg0.flow.z"].copy()))
    assert repetition._first is not None and repetition._first.case is case
    repetition.after_case(conversion, CaseVerdict("small", CaseState.PASS, None, Ledger("small")))
    assert repetition._first.case is conversion
    repetition.after_case(case, judge(case, case["seg0.flow.z"].copy()))
    assert repetition._first.case is conversion


def test_the_committed_goldens_hold_no_more_than_eight_megabytes_of_stages_alone():
    folders = [folder for folder in store.cases(GOLDENS) if store.open_case(folder).facts.isolated]
    assert 0 < sum(path.stat().st_size for folder in folders for path in folder.iterdir()) < 8e6
