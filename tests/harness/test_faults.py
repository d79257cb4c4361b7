"""A verdict lists faults: equal errors of one stage are one entry, and the summary fits a screen and stands last."""

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from small_case import META, Player, golden, tensors

from parity.candidates.candidate import Tensors
from parity.cli import command
from parity.goldens import store
from parity.judge import limits
from parity.output import fault_summary, faults, github, junit, markdown, table
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
    assert "\n1. highpassed: 56 cases, the same error, first at frame 0 (wrong on the original's own inputs)\n" in text
    assert "next: correct fault 1 (highpassed), which is first in the conversion" in text


def test_the_summary_stands_last_and_each_fault_has_the_command_that_shows_it(document: dict[str, Any]) -> None:
    closing = table.closing(document)
    assert closing.endswith(fault_summary.text(document))
    for fault in faults.of(document):
        assert fault.command == f"python -m parity run --case small --stage {fault.stage}"
        assert f"   again: {fault.command}\n" in closing
    assert "ours" not in closing


def test_an_error_of_a_fault_is_a_number_beside_its_limit(document: dict[str, Any]) -> None:
    flow, final = faults.of(document)[1:]
    assert flow.error.startswith("error 0.5, limit 1e-5 (50000 times the limit), relative RMS of seg0.flow.z")
    assert final.error.startswith("wrong dtype: waveform.final is int32, the golden is int16")


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

    from parity import stages

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
