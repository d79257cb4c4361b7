"""The chain continued with the golden's values names every origin, with its share of the waveform's error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import Player, RightStages, golden, tensors

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, NotOffered, Tensors
from parity.goldens import closed_schema, store
from parity.judge import continuation, limits, verdict
from parity.judge.judgment import Judgment
from parity.judge.states import Blame, Mode
from parity.judge.verdict_schema import SCHEMA
from parity.output import fault_summary
from parity.runs import run as running


class Proportional(Player):
    """A candidate whose stages make the golden times the mean factor of their inputs, and times factors of their own.

    Attributes:
        wrong: Stage → the factor of its error.
        wrong_in_chain: The same for errors that the stage run alone does not show.
    """

    def __init__(self, wrong: dict[str, float], wrong_in_chain: dict[str, float] | None = None, **more: Any) -> None:
        super().__init__(tensors(), **more)
        self.wrong, self.wrong_in_chain = wrong, wrong_in_chain or {}

    def make(self, case: store.Case, stage: stages.Stage, prefix: str, inputs: Tensors, factor: float) -> Tensors:
        made = {prefix + row.name: case[prefix + row.name] for row in stage.makes if prefix + row.name in case}
        for name, value in inputs.items():
            right = case[name]
            if value.dtype.kind == "f" and value.shape == right.shape and not stages.is_input(name):
                factor *= float(np.sum(value * right) / np.sum(right * right))
        return {
            name: (value * factor).astype(value.dtype) if value.dtype.kind == "f" or value.dtype == "int16" else value
            for name, value in made.items()
        }

    def run_stage(self, case: store.Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        if not self.offers(stage):
            raise NotOffered("not alone")
        return self.make(case, stage, prefix, inputs, self.wrong.get(stage.name, 1.0))

    def run(self, case: store.Case) -> Tensors:
        made: Tensors = {}
        for stage, prefix in candidate.steps(case):
            factor = self.wrong.get(stage.name, 1.0) * self.wrong_in_chain.get(stage.name, 1.0)
            made |= self.make(case, stage, prefix, candidate.inputs(case, stage, prefix, made), factor)
        return made


RIGHT = RightStages(Proportional({}).run_stage)


def continued(case: store.Case, program: Candidate, networks: Any = None) -> verdict.CaseVerdict:
    judgment = Judgment(case, limits.Limits(), candidate=program, counterfactuals=networks)
    result = verdict.judge(judgment)
    verdict.continue_chain(judgment, result)
    return result


def origins(result: verdict.CaseVerdict) -> list[str]:
    return [stage.stage.name for stage in result.stages if stage.blame is Blame.ORIGIN]


EVERY = tuple(stage.name for stage in stages.every())
TWO = {"z_p": 1.5, "generator": 1.2}


def test_each_origin_has_its_share_of_the_error(tmp_path: Path) -> None:
    result = continued(golden(tmp_path), Proportional(TWO))
    assert result.continuation is not None
    first, second = result.continuation.repairs
    assert (first.stage.name, second.stage.name) == ("z_p", "generator")
    assert first.before is not None and first.after is not None
    assert first.before == pytest.approx(20 * np.log10(1 / 0.8), abs=0.1)
    assert first.after == second.before == pytest.approx(20 * np.log10(1 / 0.2), abs=0.1)
    assert second.is_exact and second.after is None
    assert result.continuation.sentence == "z_p repaired: 2 → 14 dB; generator too: → exact"


def test_without_single_stages_the_proven_stages_take_their_place(tmp_path: Path) -> None:
    """Only the first stage differs visibly; the second one is found by what the right stage makes of its inputs."""
    program = Proportional(TWO, lacks=EVERY)
    case = golden(tmp_path)
    assert origins(verdict.judge(Judgment(case, limits.Limits(), candidate=program))) == ["z_p"]
    result = continued(case, program, RIGHT)
    assert origins(result) == ["z_p", "generator"]
    generator = next(stage for stage in result.stages if stage.stage.name == "generator")
    assert generator.sentence == ("seg0.generator differs even with the golden's values in the place of what it reads")
    assert result.continuation is not None and len(result.continuation.repairs) == 2
    assert result.continuation.repairs[-1].is_exact or (result.continuation.repairs[-1].after or 0) > 60


def test_a_right_stage_behind_the_first_origin_is_not_accused(tmp_path: Path) -> None:
    result = continued(golden(tmp_path), Proportional({"z_p": 1.5}, lacks=EVERY), RIGHT)
    assert origins(result) == ["z_p"]


def test_an_error_that_only_the_chain_shows_has_its_share_too(tmp_path: Path) -> None:
    program = Proportional({"z_p": 1.5}, wrong_in_chain={"generator": 1.2})
    result = continued(golden(tmp_path), program)
    assert origins(result) == ["z_p", "generator"]
    assert result.continuation is not None
    assert [repair.stage.name for repair in result.continuation.repairs] == ["z_p", "generator"]
    # What the generator adds to its inputs in the chain is kept: (1.5 · 1.2 − 1.5) of the golden, 10 dB.
    assert result.continuation.repairs[0].after == pytest.approx(20 * np.log10(1 / 0.3), abs=0.1)


class Amplifying(Proportional):
    """A candidate whose generator makes three times the error of what it reads."""

    def make(self, case: store.Case, stage: stages.Stage, prefix: str, inputs: Tensors, factor: float) -> Tensors:
        made = super().make(case, stage, prefix, inputs, factor)
        if stage.name != "generator":
            return made
        return {name: (3 * value - 2 * case[name]).astype(value.dtype) for name, value in made.items()}


def test_an_origin_within_the_wider_limits_of_a_chain_is_repaired_before_what_it_makes_wrong(tmp_path: Path) -> None:
    result = continued(golden(tmp_path), Amplifying({"z_p": 1.000025}))
    assert origins(result) == ["z_p"]
    failed = [stage.stage.name for stage in result.stages if stage.failed_in(Mode.CHAINED)]
    assert "z_p" not in failed and "generator" in failed
    assert result.continuation is not None
    assert [repair.stage.name for repair in result.continuation.repairs] == ["z_p"]


def test_a_chain_that_nobody_can_continue_is_stated_as_untried(tmp_path: Path) -> None:
    result = continued(golden(tmp_path), Proportional(TWO, lacks=EVERY))
    assert result.continuation is not None
    assert result.continuation.sentence == (
        "whether more is wrong behind z_p could not be tried: the stages cannot be run alone"
    )
    assert origins(result) == ["z_p"]


def test_a_waveform_alone_shows_no_origin_to_repair(tmp_path: Path) -> None:
    case, final = golden(tmp_path), tensors()["waveform.final"]
    program = Player(tensors(), {"waveform.final": final // 2}, lacks=EVERY)
    result = continued(case, program, RIGHT)
    assert result.continuation is not None
    assert result.continuation.sentence == (
        "final was not repaired: the error may lie before it, in waveform.rmsmixed, which is not provided"
    )


def test_more_origins_than_are_repaired_are_counted(tmp_path: Path) -> None:
    many = dict.fromkeys(("audio16k", "highpassed", "hubert.features", "z_p", "flow", "generator"), 1.1)
    result = continued(golden(tmp_path), Proportional(many))
    assert result.continuation is not None
    assert len(result.continuation.repairs) == continuation.MOST_REPAIRED
    assert result.continuation.note == "flow is wrong too; what lies behind it was not tried"


def test_a_right_candidate_has_no_continuation(tmp_path: Path) -> None:
    assert continued(golden(tmp_path), Proportional({})).continuation is None


def test_the_outputs_of_a_run_state_the_shares(tmp_path: Path) -> None:
    golden(tmp_path)
    document = running.run(Proportional(TWO), tmp_path, tmp_path / "out")
    assert closed_schema.check(document, SCHEMA) == []
    (case,) = document["cases"]
    assert [(row["stage"], row["exact"]) for row in case["repairs"]] == [("z_p", False), ("generator", True)]
    line = "with the golden's values in small: z_p repaired: 2 → 14 dB; generator too: → exact"
    assert line in fault_summary.text(document).split("\n")
    for one, other in (("repairs", "continuation"), ("continuation", "repairs")):
        edited = document | {"cases": [{name: value for name, value in case.items() if name != one}]}
        assert closed_schema.check(edited, SCHEMA) == [f"cases[0] has the field {other!r} and lacks {one!r}"]


def test_a_few_chains_of_one_first_origin_are_continued(tmp_path: Path) -> None:
    case, allowance = golden(tmp_path), continuation.Allowance(most=1)
    results = []
    for wrong in (TWO, TWO, {"flow": 1.1}):
        judgment = Judgment(case, limits.Limits(), candidate=Proportional(wrong))
        results.append(verdict.judge(judgment))
        verdict.continue_chain(judgment, results[-1], allowance)
    assert [result.continuation is not None for result in results] == [True, False, True]
