"""What follows an explained decision is judged with the golden's decision, by the candidate or by `rvc`."""

from pathlib import Path

import numpy as np
import pytest
from small_case import META, Player, RightStages, tensors

from parity import stages
from parity.candidates.candidate import Tensors
from parity.goldens import store
from parity.judge import limits, verdict
from parity.judge.decisions import explanation, f0_bins
from parity.judge.judgment import Absence, Judgment, ModeRun
from parity.judge.states import CellState, Mode

LOW, HIGH = f0_bins.MEL_LOW, f0_bins.MEL_HIGH
EDGE = 700 * (np.exp((LOW + (60.5 - 1) * (HIGH - LOW) / 254) / 1127) - 1)  # Hz, between the bins 60 and 61


def encoded(case: store.Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
    """A right stage; the encoder answers another bin with a larger mean."""
    made = {prefix + row.name: case[prefix + row.name] for row in stage.makes if prefix + row.name in case}
    coarse = inputs.get("f0.coarse")
    if stage.name == "enc_p" and coarse is not None and (coarse != case["f0.coarse"][:, : coarse.size]).any():
        made["seg0.enc_p.m"] = made["seg0.enc_p.m"] * np.float32(1.1)
    return made


class Encoder(Player):
    """A candidate whose stages alone are right."""

    def run_stage(self, case: store.Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        super().run_stage(case, stage, prefix, inputs)  # refuses what it does not offer
        return encoded(case, stage, prefix, inputs)


@pytest.fixture
def case(tmp_path: Path) -> store.Case:
    """A golden whose frame 50 lies on the edge of a bin."""
    right = tensors()
    right["f0.raw"][50] = EDGE * (1 - 1e-9)
    right["f0.hz"] = right["f0.raw"].astype(np.float32)[None]
    right["f0.coarse"][0, 50] = 60
    return store.save_case(tmp_path / "small", right, META)


def with_other_bin(case: store.Case, encoder_error: float = 1.0) -> Tensors:
    """A conversion that decided on the other bin, with an error of the encoder's own."""
    made = {name: case[name].copy() for name in case}
    made["f0.raw"][50] = EDGE * (1 + 1e-7)
    made["f0.coarse"][0, 50] = 61
    made["seg0.enc_p.m"] = made["seg0.enc_p.m"] * np.float32(1.1 * encoder_error)
    return made


def blames(result: verdict.CaseVerdict) -> dict[str, str]:
    return {stage.stage.name: stage.blame.value for stage in result.stages if stage.blame.value != "clean"}


def judge_dump(case: store.Case, made: Tensors, networks: RightStages | None) -> verdict.CaseVerdict:
    isolated = ModeRun(absence=Absence(CellState.NOT_TESTED, "not tested: a dump"))
    return verdict.judge_tensors(
        Judgment(
            case,
            limits.Limits(),
            counterfactuals=networks,
            modes=(Mode.CHAINED,),
            isolated=isolated,
            chained=ModeRun(made, answered=True),
        )
    )


def test_a_candidate_runs_what_follows_again(case: store.Case) -> None:
    right = {name: case[name] for name in case}
    program = Encoder(right, with_other_bin(case))
    result = verdict.judge(Judgment(case, limits.Limits(), candidate=program))
    assert result.state == "pass"
    assert blames(result) == {"f0.coarse": "knife-edge"}
    cell = next(cell for cell in result.ledger.cells if cell.metric == "unequal" and cell.state == "explained")
    assert cell.flips[0]["index"] == [0, 50]


def test_an_error_of_the_conversion_behind_an_explained_decision_is_not_hidden(case: store.Case) -> None:
    right = {name: case[name] for name in case}
    program = Encoder(right, with_other_bin(case, encoder_error=1.2))
    result = verdict.judge(Judgment(case, limits.Limits(), candidate=program))
    assert blames(result) == {"f0.coarse": "knife-edge", "enc_p": "origin"}


@pytest.mark.parametrize("lacks", [(), ("enc_p",)])
def test_networks_run_what_a_candidate_does_not_offer_alone(case: store.Case, lacks: tuple[str, ...]) -> None:
    program = Encoder({name: case[name] for name in case}, with_other_bin(case), lacks=lacks)
    result = verdict.judge(Judgment(case, limits.Limits(), candidate=program, counterfactuals=RightStages(encoded)))
    assert not any(cell.failed for cell in result.ledger.cells)


def test_networks_run_what_follows_in_a_dump(case: store.Case) -> None:
    result = judge_dump(case, with_other_bin(case), RightStages(encoded))
    assert result.state == "pass"
    assert blames(result) == {"f0.coarse": "knife-edge"}


def test_a_dumps_own_error_behind_an_explained_decision_is_an_origin(case: store.Case) -> None:
    result = judge_dump(case, with_other_bin(case, encoder_error=1.2), RightStages(encoded))
    assert blames(result) == {"f0.coarse": "knife-edge", "enc_p": "origin"}
    value = next(
        cell.value
        for cell in result.ledger.cells
        if cell.tensor == "seg0.enc_p.m" and cell.metric == "relative_rms" and cell.mode is Mode.CHAINED
    )
    assert value == pytest.approx(1.1 * 0.2, rel=0.01)  # what is added to the encoder's output on the golden's bin


def test_without_networks_nothing_behind_an_explained_decision_is_called_an_origin(case: store.Case) -> None:
    result = judge_dump(case, with_other_bin(case), None)
    assert result.state == "differs"
    assert blames(result) == {"f0.coarse": "knife-edge", "enc_p": "inherited"}
    sentence = next(stage.sentence for stage in result.stages if stage.stage.name == "enc_p")
    assert sentence is not None and "seg0.enc_p follows f0.coarse, which differs within its margin" in sentence


def test_a_tensor_between_that_is_not_provided_is_made_from_both_sides(case: store.Case) -> None:
    """The prior is not provided: the sample that follows from it is judged with what the encoder makes."""
    made = {name: value for name, value in with_other_bin(case).items() if not name.startswith("seg0.enc_p.")}
    program = Encoder({name: case[name] for name in case}, made)
    result = verdict.judge(Judgment(case, limits.Limits(), candidate=program))
    assert not any(cell.failed for cell in result.ledger.cells)
    absent = [cell for cell in result.ledger.cells if cell.tensor == "seg0.enc_p.m" and cell.mode is Mode.CHAINED]
    assert absent and all(cell.state is CellState.NOT_PROVIDED for cell in absent)


def test_the_distances_of_other_neighbors_are_replaced_with_them(case: store.Case) -> None:
    """The weights of the golden's neighbors follow from its distances, and not from those of other neighbors."""
    ids, distances = "seg0.retrieval.ids", "seg0.retrieval.distances"
    made = {name: case[name].copy() for name in case}
    made[ids][3, 7] = 5000
    made[distances] *= np.float32(1.01)
    settled = explanation.golden_decision(case, made, ids)
    assert set(settled) == {ids, distances}
    assert np.array_equal(settled[ids], case[ids])
    assert np.array_equal(settled[distances][3], case[distances][3])
    assert np.array_equal(np.delete(settled[distances], 3, 0), np.delete(made[distances], 3, 0))
    assert set(explanation.golden_decision(case, made, "f0.coarse")) == {"f0.coarse"}
