"""junit.xml, which continuous integration services display: one test suite for each case, one test for each stage."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from parity.goldens.text import printable_values
from parity.judge.states import CaseState
from parity.output.verdict_json import case_failed, cell_failed


def document(verdict: Mapping[str, Any]) -> str:
    """The JUnit XML of a verdict.json document; what fails in no stage of a case is one test called "case"."""
    verdict = printable_values(verdict)
    suites = ElementTree.Element("testsuites", name="parity")
    for case in verdict["cases"]:
        _add_case(suites, case)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suites: ElementTree.Element, case: Mapping[str, Any]) -> None:
    suite = ElementTree.SubElement(suites, "testsuite", name=case["name"])
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
            text.text = "\n".join(sentences)
        elif stage is not None and stage["blame"] == "not tested":
            skipped += 1
            ElementTree.SubElement(test, "skipped", message=stage["sentence"] or "not tested")
    for key, value in (("tests", len(tests)), ("failures", failures), ("skipped", skipped)):
        suite.set(key, str(value))
