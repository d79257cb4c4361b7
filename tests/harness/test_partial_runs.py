"""What is not provided is no error, a crash is blamed where it happened, and a run over less than all is partial."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, changed, golden, judge, tensors

from parity import stages
from parity.candidates import external
from parity.candidates.candidate import CandidateError, NotOffered, Tensors
from parity.cli import main as command_line
from parity.goldens import store, trace_file
from parity.judge.verdict import CaseVerdict
from parity.output import table
from parity.runs import run as running

FAKE = Path(__file__).with_name("fake_adapter.py")


def blames(verdict: CaseVerdict) -> dict[str, str]:
    return {stage.stage.name: stage.blame for stage in verdict.stages if stage.blame != "clean"}


def cells(verdict: CaseVerdict, name: str, mode: str) -> set[str]:
    return {cell.state for cell in verdict.ledger.cells if (cell.tensor, cell.mode) == (name, mode)}


class Ending(Player):
    """A candidate whose conversion ends with an error after the tensors that `made` names."""

    def __init__(self, made: tuple[str, ...], error: type[CandidateError] = CandidateError, **more: Any) -> None:
        super().__init__(tensors(), **more)
        self.kept, self.error = {name: tensors()[name] for name in made}, error

    def run(self, case: store.Case) -> Tensors:
        raise self.error("out of memory", self.kept)


class WithoutTorch(Player):
    """A candidate whose every call fails for the same reason."""

    def run_stage(self, *_: Any) -> Tensors:
        raise CandidateError("the adapter refused run_stage: no module torch", reason="no module torch")

    def run(self, case: store.Case) -> Tensors:
        raise CandidateError("the adapter refused run: no module torch", reason="no module torch")


def test_a_tensor_that_is_not_provided_accuses_no_stage(tmp_path: Path) -> None:
    verdict = judge(golden(tmp_path), tensors(), changed("seg0.flow.z", None))
    assert (verdict.state, blames(verdict)) == ("partial", {})
    assert cells(verdict, "seg0.flow.z", "chained") == {"not provided"}


def test_an_error_after_a_tensor_that_is_not_provided_is_not_inherited(tmp_path: Path) -> None:
    whole = changed("padded", tensors()["padded"] * 1.1)
    del whole["highpassed"]
    verdict = judge(golden(tmp_path), tensors(), whole, lacks=("padded", "highpassed"))
    assert blames(verdict) == {"highpassed": "not tested", "padded": "origin"}
    sentence = next(stage.sentence for stage in verdict.stages if stage.stage.name == "padded")
    assert sentence == (
        "padded is the first to differ of what is provided; the error arises in it or before it, in highpassed, which "
        "the candidate does not provide"
    )


def test_an_error_is_inherited_from_a_stage_that_is_wrong_alone_and_not_provided(tmp_path: Path) -> None:
    alone = changed("highpassed", tensors()["highpassed"] * 1.1)
    whole = changed("padded", tensors()["padded"] * 1.1)
    del whole["highpassed"]
    verdict = judge(golden(tmp_path), alone, whole)
    assert blames(verdict) == {"highpassed": "origin", "padded": "inherited"}
    sentence = next(stage.sentence for stage in verdict.stages if stage.stage.name == "padded")
    assert sentence == (
        "padded is right on the golden's inputs; its error arises in highpassed, which is wrong alone and which the "
        "conversion does not provide"
    )


def test_an_error_is_inherited_through_tensors_that_are_not_provided(tmp_path: Path) -> None:
    right = tensors()
    wrong = changed("seg0.z_p", right["seg0.z_p"] * np.float32(1.5))
    wrong["seg0.waveform.segment.full"] = right["seg0.waveform.segment.full"] * np.float32(1.5)
    del wrong["seg0.flow.z"]
    verdict = judge(golden(tmp_path), {**right, "seg0.z_p": wrong["seg0.z_p"]}, wrong)
    assert blames(verdict) == {"z_p": "origin", "generator": "inherited"}


def test_a_candidate_of_the_final_waveform_alone_is_judged_on_it(tmp_path: Path) -> None:
    final = tensors()["waveform.final"]
    case = golden(tmp_path)
    verdict = judge(case, {}, {"waveform.final": final}, lacks=tuple(stage.name for stage in stages.every()))
    assert verdict.state == "partial"
    assert verdict.sentence == f"3 of {verdict.ledger.counts()['expected']} cells: partial; nothing failed"
    wrong = judge(case, tensors(), {"waveform.final": (final // 2).astype(np.int16)})
    assert wrong.state == "differs" and blames(wrong) == {"final": "origin"}


@pytest.mark.parametrize("made", [("audio16k", "highpassed", "padded"), ("audio16k",)])
def test_a_crash_is_blamed_where_it_happened_and_has_no_cause(tmp_path: Path, made: tuple[str, ...]) -> None:
    from parity.judge import limits, verdict
    from parity.judge.judgment import Judgment

    judged = verdict.judge(Judgment(golden(tmp_path), limits.Limits(), candidate=Ending(made)))
    accused = [stage for stage in judged.stages if stage.blame == "origin"]
    assert [stage.stage.name for stage in accused] == ["f0.raw" if len(made) > 1 else "highpassed"]
    assert accused[0].cause is None
    assert judged.sentence == "the whole conversion failed in small (chained): out of memory"
    assert cells(judged, "waveform.final", "chained") == {"not tested"}


def test_a_crash_without_any_tensor_accuses_no_stage(tmp_path: Path) -> None:
    from parity.judge import limits, verdict
    from parity.judge.judgment import Judgment

    judged = verdict.judge(Judgment(golden(tmp_path), limits.Limits(), candidate=Ending(())))
    assert judged.state == "differs"
    assert [stage.stage.name for stage in judged.stages if stage.blame == "origin"] == []
    assert sum(cell.failed for cell in judged.ledger.cells) == 3  # the cells of waveform.final


def test_a_conversion_that_a_case_lacks_is_not_tested(tmp_path: Path) -> None:
    golden(tmp_path)
    store.save_case(tmp_path / "other", tensors(), META | {"name": "other"})

    class Once(Player):
        def run(self, case: store.Case) -> Tensors:
            if case.name == "other":
                raise NotOffered("no such voice")
            return super().run(case)

    document = running.run(Once(tensors()), tmp_path, tmp_path / "out")
    assert (document["exit_code"], document["counts"]["failed"]) == (4, 0)
    assert {case["name"]: case["state"] for case in document["cases"]} == {"small": "pass", "other": "partial"}


def test_what_is_declared_and_lacking_in_every_case_is_a_failure(tmp_path: Path) -> None:
    golden(tmp_path)
    document = running.run(Ending((), NotOffered), tmp_path, tmp_path / "out")
    assert document["exit_code"] == 1
    assert document["sentence"] == (
        "the candidate declares whole conversions, but lacks them in every case (1); do not declare it"
    )


def test_one_error_of_the_setup_is_one_line(tmp_path: Path) -> None:
    golden(tmp_path)
    store.save_case(tmp_path / "other", tensors(), META | {"name": "other"})
    document = running.run(WithoutTorch({}), tmp_path, tmp_path / "out")
    assert (document["exit_code"], document["counts"]["failed"]) == (1, 0)
    assert document["sentence"] == (
        "2 of 2 cases differ for one reason: every call of the candidate failed: no module torch"
    )
    assert table.closing(document).count("no module torch") == 2  # the cases' line and the verdict's
    assert {stage["blame"] for case in document["cases"] for stage in case["stages"]} == {"not tested"}
    assert (tmp_path / "out" / "junit.xml").read_text().count("<failure") == 3  # the fault, and one for each case


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"only_case": "small"}, "{} of {} cells of 1 of 2 cases: partial; nothing failed"),
        ({"only_stage": "flow"}, "{} of {} cells of the stage flow: partial; nothing failed"),
    ],
)
def test_a_run_over_a_choice_is_partial(tmp_path: Path, options: dict[str, str], sentence: str) -> None:
    golden(tmp_path)
    store.save_case(tmp_path / "other", tensors(), META | {"name": "other"})
    document = running.run(Player(tensors()), tmp_path, tmp_path / "out", **options)
    count = document["counts"]["expected"]
    assert (document["state"], document["exit_code"]) == ("partial", 4)
    assert document["sentence"] == sentence.format(count, count)


def test_tensors_that_nobody_asked_for_are_listed(tmp_path: Path) -> None:
    golden(tmp_path)
    extra = {"mel": np.zeros(3, np.float32), "seg7.flow.z": np.zeros(3, np.float32)}
    document = running.run(Player(tensors(), tensors() | extra), tmp_path, tmp_path / "out")
    assert document["state"] == "pass"
    sentence = "it also handed over mel, seg7.flow.z, which this case does not have"
    assert document["cases"][0]["sentence"] == sentence
    assert document["cases"][0]["extra"] == ["mel", "seg7.flow.z"]
    assert "  small: mel, seg7.flow.z" in table.closing(document)


def test_tensors_that_nobody_asked_for_are_listed_beside_a_failure(tmp_path: Path) -> None:
    golden(tmp_path)
    wrong = changed("padded", tensors()["padded"] * 1.1) | {"mel": np.zeros(3, np.float32)}
    document = running.run(Player(wrong, wrong), tmp_path, tmp_path / "out")
    assert (document["state"], document["cases"][0]["extra"]) == ("differs", ["mel"])
    assert "  small: mel" in table.closing(document).splitlines()
    assert "- small: mel" in (tmp_path / "out" / "summary.md").read_text().splitlines()


# ---- through a process -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["partial-refused", "partial-crash"])
def test_what_a_program_wrote_before_it_failed_is_judged(tmp_path: Path, fault: str) -> None:
    document = checked(tmp_path, fault)
    (case,) = document["cases"]
    blames = {stage["stage"]: stage["blame"] for stage in case["stages"] if stage["blame"] != "not tested"}
    assert blames == {"audio16k": "clean", "highpassed": "clean", "padded": "clean", "f0.raw": "origin"}
    assert case["sentence"].startswith("the whole conversion failed in small (chained): the adapter ")
    assert ("out of memory" in case["sentence"]) or ("exit status 3" in case["sentence"])


def test_half_a_file_that_a_program_left_is_not_judged(tmp_path: Path) -> None:
    document = checked(tmp_path, "partial-short")
    assert document["exit_code"] == 1
    blames = {stage["stage"]: stage["blame"] for stage in document["cases"][0]["stages"]}
    assert set(blames.values()) <= {"not tested", "inherited"}


def test_a_program_of_the_final_waveform_alone_is_partial(tmp_path: Path) -> None:
    document = checked(tmp_path, "final-only")
    assert (document["state"], document["exit_code"]) == ("partial", 4)
    assert document["counts"]["compared"] == 3


def checked(folder: Path, fault: str) -> dict[str, Any]:
    """The verdict on the fake adapter, which plays the small golden and has this fault."""
    case = golden(folder / "goldens")
    command = f"{sys.executable} {FAKE} {fault} {case.folder}"
    with external.External(command, lambda case: {}) as program:
        return running.run(program, folder / "goldens", folder / "out")


def test_a_dump_of_every_tensor_passes_and_a_smaller_one_is_partial(tmp_path: Path) -> None:
    folder = golden(tmp_path).folder
    whole = trace_file.Trace(tensors()).write(tmp_path / "whole.safetensors")
    part = trace_file.Trace({"f0.hz": tensors()["f0.hz"]}).write(tmp_path / "part.safetensors")
    assert command_line.main(["compare", str(folder), str(whole)]) == 0
    assert command_line.main(["compare", str(folder), str(part)]) == 4
