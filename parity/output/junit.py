"""junit.xml, which continuous integration services display.

The first suite, "faults", has one failing test for each fault of the run; "run" has one for each failure that belongs
to no cell. Then follows one suite for each case with one test for each stage; the `type` of a failure names its fault,
or "inherited". The properties `state` and `tier` of a suite are those of the case, and in "faults" those of the run:
"differs" and "differs, but its output is within the limits" are two of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from parity.goldens.text import printable_values
from parity.judge.states import CaseState
from parity.output import fault_summary, faults
from parity.output.faults import Fault
from parity.output.verdict_json import case_failed, cell_failed, state_text


def document(verdict: Mapping[str, Any]) -> str:
    """The JUnit XML of a verdict.json document; what fails in no stage of a case is one test called "case"."""
    verdict = printable_values(verdict)
    suites = ElementTree.Element("testsuites", name="parity")
    fault_list = faults.of(verdict)
    _add_faults(suites, fault_list, verdict)
    _add_run(suites, verdict["failures"])
    by_stage = faults.number_of(fault_list)
    for case in verdict["cases"]:
        _add_case(suites, case, by_stage)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_faults(suites: ElementTree.Element, fault_list: list[Fault], verdict: Mapping[str, Any]) -> None:
    if not fault_list:
        return
    suite = ElementTree.SubElement(
        suites, "testsuite", name="faults", tests=str(len(fault_list)), failures=str(len(fault_list))
    )
    suite.set("skipped", "0")
    _add_properties(suite, state_text(verdict), verdict.get("tier", {}).get("reached"))
    for fault in fault_list:
        test = ElementTree.SubElement(suite, "testcase", classname="faults", name=fault.title)
        failure = ElementTree.SubElement(test, "failure", type=_type(fault), message=fault_summary.brief(fault))
        failure.text = "\n".join(line.strip() for line in fault_summary.full(fault))


def _add_properties(suite: ElementTree.Element, state: str, tier: str | None) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("state", state), ("tier", tier)):
        if value is not None:
            ElementTree.SubElement(properties, "property", name=name, value=value)


def _add_run(suites: ElementTree.Element, failures: Sequence[str]) -> None:
    """The failures that belong to no cell, each a test of the suite "run"."""
    if not failures:
        return
    count = str(len(failures))
    suite = ElementTree.SubElement(suites, "testsuite", name="run", tests=count, failures=count, skipped="0")
    for number, sentence in enumerate(failures, 1):
        test = ElementTree.SubElement(suite, "testcase", classname="run", name=f"failure {number}")
        ElementTree.SubElement(test, "failure", type="run", message=sentence)


def _type(fault: Fault) -> str:
    return f"fault {fault.number}: {fault.stage or fault.blame}"


def _failure_type(case: Mapping[str, Any], stage: Mapping[str, Any] | None, fault_list: Mapping[Any, Fault]) -> str:
    """The fault that a failed stage belongs to, else its blame; the state of a case that fails as a whole."""
    if stage is None:
        return str(case["state"])
    fault = fault_list.get((case["name"], stage["prefix"], stage["stage"]))
    return str(stage["blame"]) if fault is None else _type(fault)


def _add_case(suites: ElementTree.Element, case: Mapping[str, Any], fault_list: Mapping[Any, Fault]) -> None:
    suite = ElementTree.SubElement(suites, "testsuite", name=case["name"])
    _add_properties(suite, state_text(case), case.get("tier"))
    tests: list[tuple[str, Any]] = [(stage["prefix"] + stage["stage"], stage) for stage in case["stages"]]
    any_failed = any(cell_failed(cell) for _, stage in tests for cell in stage["cells"])
    if not tests or (case["state"] == CaseState.DIFFERS and not any_failed):
        tests.append(("case", None))  # a failure that belongs to no stage
    failures = skipped = 0
    for name, stage in tests:
        test = ElementTree.SubElement(suite, "testcase", classname=case["name"], name=name)
        sentences = [cell["sentence"] or "" for cell in (stage or {}).get("cells", []) if cell_failed(cell)]
        if stage is None and case_failed(case):
            sentences = [case["sentence"] or ""]
        if sentences:
            failures += 1
            text = ElementTree.SubElement(test, "failure", message=sentences[0])
            text.set("type", _failure_type(case, stage, fault_list))
            text.text = "\n".join(sentences)
        elif stage is not None and stage["blame"] == "not tested":
            skipped += 1
            ElementTree.SubElement(test, "skipped", message=stage["sentence"] or "not tested")
    for key, value in (("tests", len(tests)), ("failures", failures), ("skipped", skipped)):
        suite.set(key, str(value))
