"""A verdict lists faults: equal errors of one stage are one entry, and the summary fits a screen and stands last."""

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from small_case import META, Player, golden, tensors

from parity import stages
from parity.candidates.candidate import Tensors
from parity.cli import command
from parity.goldens import store
from parity.judge import limits
from parity.output import fault_summary, faults, github, junit, markdown, screen, table
from parity.runs import run as running

CASES = 56


def planted() -> Tensors:
    """The right tensors with three faults: a gain, an offset of unknown cause, and a wrong dtype."""
    made = tensors()
    noise = np.random.default_rng(0).standard_normal(made["highpassed"].shape)
    made["highpassed"] = made["highpassed"] + 1e-4 * noise
    made["seg0.flow.z"] = made["seg0.flow.z"] * np.float32(1.5)
    made["waveform.final"] = made["waveform.final"].astype(np.int32)
    return made


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The verdict on three planted faults in one case, repeated for 56 cases, and on a right case."""
    folder = tmp_path_factory.mktemp("faults")
    golden(folder / "goldens")
    store.save_case(folder / "goldens" / "right", tensors(), META | {"name": "right"})

    class Planted(Player):
        def run_stage(self, case: store.Case, *rest: Any) -> Tensors:
            self.isolated = tensors() if case.name == "right" else planted()
            return super().run_stage(case, *rest)

        def run(self, case: store.Case) -> Tensors:
            return tensors() if case.name == "right" else planted()

    verdict = running.run(Planted(tensors()), folder / "goldens", folder / "out", limits=limits.Limits())
    wrong = next(case for case in verdict["cases"] if case["name"] == "small")
    right = next(case for case in verdict["cases"] if case["name"] == "right")
    copies = [json.loads(json.dumps(wrong).replace('"small"', f'"small-{place}"')) for place in range(CASES)]
    return verdict | {"cases": [*copies, right]}


def test_three_faults_in_56_cases_are_three_entries_of_a_summary_of_at_most_25_lines(document: dict[str, Any]) -> None:
    text = fault_summary.text(document)
    assert len(text.splitlines()) <= fault_summary.MOST_LINES
    assert text.startswith("player 1: 3 faults in 56 of 57 cases\n")
    assert [fault.stage for fault in faults.of(document)] == ["highpassed", "flow", "final"]
    for number, stage in enumerate(("highpassed", "flow", "final"), 1):
        assert f"\n{number}. {stage}: 56 cases, the same error" in text
    first = "highpassed: 56 cases, the same error, first at frame 0 (wrong on the original's own inputs)"
    assert f"\n1. {first}; cause unknown\n" in text
    assert "next: correct fault 1 (highpassed), which is first in the conversion" in text


def test_the_summary_stands_last_and_each_fault_has_the_command_that_shows_it(document: dict[str, Any]) -> None:
    closing = table.closing(document)
    assert closing.endswith(fault_summary.text(document))
    for fault in faults.of(document):
        assert fault.command == f"rvc-parity run --case small --stage {fault.stage}"
        assert f"   again: {fault.command}\n" in closing
    assert "ours" not in closing


def test_an_error_of_a_fault_is_a_number_beside_its_limit(document: dict[str, Any]) -> None:
    flow, final = faults.of(document)[1:]
    assert flow.error.startswith("error 0.5, limit 1e-5 (50000 times the limit), relative RMS of seg0.flow.z")
    assert final.error.startswith("wrong dtype: waveform.final is int32, the golden is int16")


def test_all_that_a_run_with_three_faults_prints_has_at_most_25_lines(document: dict[str, Any]) -> None:
    untested = {"tensor": "rt.0.sola", "mode": "isolated", "metric": "form", "state": "not tested", "value": None}
    untested |= {"limit": None, "times_limit": None, "sentence": "not tested"}
    names = [stage.name for stage in stages.realtime()]
    rest = [{"stage": name, "prefix": "rt.0.", "blame": "not tested", "cells": [untested]} for name in names]
    blank = {"cause": None, "first": None}
    cases = [case | {"stages": [*case["stages"], *(row | blank for row in rest)]} for case in document["cases"]]
    cases[0] |= {"extra": ["mel"], "not_tried": ["known mistakes inside networks"]}
    row = {"what": "protect", "stage": "content.protected", "because": "it is filled", "golden": "g"}
    long = document | {"cases": cases, "notes": ["quick: one", "quick: two"]}
    long |= {"not_shown": [row | {"golden_profile": "p", "profiles": ["webui-2026"]}] * 3}
    text = screen.text(long)
    lines = text.splitlines()
    assert len(lines) <= fault_summary.MOST_LINES
    assert lines[-1].startswith("differs: ")
    for number, stage in enumerate(("highpassed", "flow", "final"), 1):
        assert f"\n{number}. {stage}: 56 cases" in text
        assert any(line.startswith(f"{stage} ") for line in lines)
    assert f"not tested: {len(names)} stages ({', '.join(names[:5])} and {len(names) - 5} more)" in lines
    also = next(line for line in lines if line.startswith("also in summary.md: "))
    for left_out in ("tensors that were not requested (1)", "what the judged profiles cannot show (3)", "2 notes"):
        assert left_out in also or left_out == "2 notes"
    summary = markdown.document(long)
    for part in (
        "- small-0: mel",
        "protect (content.protected): it is filled",
        "quick: two",
        "not tried without torch",
    ):
        assert part in summary
    assert len(screen.whole(long).splitlines()) > fault_summary.MOST_LINES


def cell(value: float, limit: float = 1e-5, **changes: Any) -> dict[str, Any]:
    row = {"tensor": "seg0.flow.z", "mode": "isolated", "metric": "relative_rms", "state": "differs", "value": value}
    return row | {"limit": limit, "times_limit": value / limit, "sentence": ""} | changes


def refusal(state: str, sentence: str) -> dict[str, Any]:
    """A cell of which no number was compared."""
    form = {"metric": "form", "state": state, "value": None, "limit": None, "times_limit": None}
    return cell(0.0) | form | {"sentence": sentence}


def flow_of(name: str, *cells: dict[str, Any], seconds: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A case in which the stage flow is wrong."""
    stage = {"stage": "flow", "prefix": "seg0.", "blame": "origin", "cells": list(cells), "cause": None, "first": None}
    case = {"name": name, "state": "differs", "sentence": "x", "seconds": seconds, "stages": [stage | changes]}
    return case | {"reproduce": f"rvc-parity check --case {name}"}


@pytest.mark.parametrize("state", ["missing", "shape", "dtype", "nan", "empty", "error"])
def test_a_refused_answer_and_wrong_numbers_of_one_stage_are_two_faults(state: str) -> None:
    refused = flow_of("b", refusal(state, "flow failed in b (isolated): frame 7"))
    again = flow_of("d", refusal(state, "flow failed in d (isolated): frame 9"))
    listed = faults.of({"cases": [flow_of("a", cell(0.5)), refused, flow_of("c", cell(0.5)), again]})
    assert [(fault.cases, fault.refused) for fault in listed] == [(["b", "d"], True), (["a", "c"], False)]
    verdict = {"cases": [refused, again], "state": "differs", "sentence": "2 of 2"}
    assert "next: correct what flow hands over (fault 1), of which no number was compared, repeat its command" in (
        fault_summary.text(verdict)
    )


def test_errors_of_different_reasons_are_different_faults() -> None:
    crash = flow_of("a", refusal("error", "flow failed in a (isolated): the adapter ended"))
    other = flow_of("b", refusal("error", "flow failed in b (isolated): no answer within 8 s"))
    assert [fault.cases for fault in faults.of({"cases": [crash, other]})] == [["a"], ["b"]]


def test_the_command_of_a_fault_names_the_case_with_its_cause_first_frame_and_error() -> None:
    cause = {"name": "a gain", "sentence": "every value is 1.5 times as large"}
    short = flow_of("short", cell(0.1), first={"frame": 3})
    named = flow_of("named", cell(0.5), seconds=2.0, first={"frame": 7}, cause=cause)
    long = flow_of("long", cell(0.9, metric="worst_frame"), seconds=3.0, first={"frame": 5}, cause=cause)
    verdict = {"cases": [short, long, named], "state": "differs", "sentence": "3 of 3"}
    (fault,) = faults.of(verdict)
    assert fault_summary.full(fault) == [
        "1. flow: 3 cases, first at frame 7 in named (3 to 7 over all) (wrong on the original's own inputs)",
        "   error 0.5, limit 1e-5 (50000 times the limit), relative RMS of seg0.flow.z in named; at most 90000 times "
        "(seg0.flow.z isolated worst_frame in long)",
        "   cause: a gain (in 2 of 3 cases): every value is 1.5 times as large",
        "   again: rvc-parity check --case named --stage flow",
    ]
    assert "seg0.flow.z isolated worst_frame 90000 times 1e-05 in long" in table.text(verdict)


def test_inherited_stages_are_named_once_and_are_no_faults(document: dict[str, Any]) -> None:
    text = fault_summary.text(document)
    inherited = faults.inherited(document)
    assert not {"highpassed", "flow", "final"} & set(inherited)
    assert text.count("inherited (") == (1 if inherited else 0)


def test_more_faults_than_fit_are_counted() -> None:
    def stage(name: str) -> dict[str, Any]:
        cell = {"tensor": name, "mode": "isolated", "metric": "form", "state": "missing", "value": None}
        cell |= {"limit": None, "times_limit": None, "sentence": f"{name} is missing"}
        return {"stage": name, "prefix": "", "blame": "origin", "cells": [cell], "cause": None, "first": None}

    names = [row.name for row in stages.offline()]
    case = {"name": "one", "state": "differs", "sentence": "x", "stages": [stage(name) for name in names]}
    verdict = {"candidate": {"name": "p", "version": "1"}, "cases": [case], "state": "differs", "sentence": "1 of 1"}
    lines = fault_summary.text(verdict).splitlines()
    assert len(lines) <= fault_summary.MOST_LINES
    assert f"… and {len(names) - 8} more faults; summary.md lists all" in lines


def test_unknown_causes_join_the_only_named_cause_of_their_stage(document: dict[str, Any]) -> None:
    cases = [case for case in document["cases"] if case["name"].startswith("small")]
    copy = json.loads(json.dumps(document | {"cases": cases}))
    for case in copy["cases"][:2]:
        for stage in case["stages"]:
            if stage["stage"] == "flow":
                stage["cause"] = {"name": "a gain", "sentence": "every value is 1.5 times as large", "explains": 1.0}
    for case in copy["cases"][2:]:
        for stage in case["stages"]:
            if stage["stage"] == "flow":
                stage["cause"] = {"name": "unknown", "sentence": "", "explains": None}
    flow = next(fault for fault in faults.of(copy) if fault.stage == "flow")
    assert flow.cause_text == "cause: a gain (in 2 of 56 cases): every value is 1.5 times as large"


def test_github_gets_one_annotation_for_each_fault(
    document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = github.annotations(document).splitlines()
    assert [line.split("::")[1] for line in lines] == [
        "error title=rvc-parity%3A highpassed",
        "error title=rvc-parity%3A flow",
        "error title=rvc-parity%3A final",
    ]
    assert command.print_verdict(document, "github") == 1
    assert f"{lines[0]}\n" in capsys.readouterr().out
    passing = {"state": "pass", "sentence": "100 % of\ncells", "cases": []}
    assert github.annotations(passing) == "::notice title=rvc-parity::pass: 100 %25 of%0Acells"


def test_markdown_and_junit_list_the_same_faults(document: dict[str, Any]) -> None:
    text = markdown.document(document)
    assert "## 3 faults" in text and "\n1. highpassed: 56 cases" in text
    suites = ElementTree.fromstring(junit.document(document).partition("\n")[2])
    assert (suites[0].get("name"), suites[0].get("failures")) == ("faults", "3")
    assert [test.get("name") for test in suites[0].iter("testcase")] == ["highpassed", "flow", "final"]
    types = {failure.get("type") for failure in suites.iter("failure")}
    assert {"fault 1: highpassed", "fault 2: flow", "fault 3: final"} <= types
    assert all(kind.startswith("fault ") or kind == "inherited" for kind in types)


def test_percentages_far_above_the_limit_are_factors(document: dict[str, Any]) -> None:
    text = table.text(document)
    assert "seg0.flow.z isolated relative_rms 50000 times 1e-05" in text
    assert "000 %" not in text
