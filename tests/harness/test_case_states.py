"""Every state that a case can have: the schema lists it, and each output of a run reports it."""

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from small_case import META, Player, changed, golden, tensors

from parity.candidates import external
from parity.candidates.candidate import NotOffered
from parity.goldens import closed_schema, store
from parity.judge.verdict_schema import SCHEMA
from parity.output import junit, markdown, table
from parity.runs import run as running

FAKE = Path(__file__).with_name("fake_adapter.py")
STATES: list[str] = [str(state) for state in SCHEMA["$defs"]["case"]["properties"]["state"]["enum"]]


def run_of(state: str, folder: Path) -> dict[str, Any]:
    """The document of a run in which the case `small` gets this state."""
    case = golden(folder / "goldens")
    program = Player(tensors())
    if state == "differs":
        program = Player(changed("seg0.flow.z", tensors()["seg0.flow.z"] * 2))
    if state == "unreadable":
        (case.folder / store.DATA_NAME).unlink()
    if state == "nothing":
        # A declared whole conversion that makes no tensor fails; a stage that does not exist for this case does not.
        program = StageOfNoCase(tensors(), chains=False)
    if state == "partial":
        program = Player(tensors(), chains=False)
    if state == "declined":
        program = OtherProfile(tensors())
    return running.run(program, folder / "goldens", folder / "out")


class StageOfNoCase(Player):
    """Offers every stage and has none of them for this case."""

    def run_stage(self, *_: Any) -> Any:
        raise NotOffered("not for this case")


class OtherProfile(Player):
    """Declares another profile than the case's."""

    def takes(self, case: store.Case) -> bool:
        return False


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_reported_by_every_output(state: str, tmp_path: Path) -> None:
    document = run_of(state, tmp_path)
    (case,) = document["cases"]
    assert case["state"] == state
    assert closed_schema.check(document, SCHEMA) == []
    failed = state not in ("pass", "partial", "declined", "nothing")
    # A candidate that declares stages and lacks each of them in every case fails, although no cell does.
    assert (document["exit_code"] == 1) == (failed or state == "nothing")
    within = ", but its output is within the limits" if state == "differs" else ""
    assert f"| small | {state}{within} |" in markdown.document(document)
    suites = ElementTree.fromstring(junit.document(document).partition("\n")[2])
    suite = next(suite for suite in suites if suite.get("name") == "small")
    assert (suite.get("failures") != "0") == failed
    assert ("1. " in table.closing(document)) == failed


def test_an_adapter_that_declares_another_profile_declines_the_case(tmp_path: Path) -> None:
    """The verdict of an adapter with the field `profiles` fits the schema, and the declined case is no failure."""
    golden(tmp_path / "goldens")
    store.save_case(tmp_path / "goldens" / "other", tensors(), META | {"name": "other", "profile": "webui-classic"})
    command = f"{sys.executable} {FAKE} other-profile {tmp_path / 'goldens' / 'other'}"
    with external.External(command, lambda case: {}) as program:
        document = running.run(program, tmp_path / "goldens", tmp_path / "out")
    assert document["exit_code"] == 4
    assert {case["name"]: case["state"] for case in document["cases"]} == {"other": "partial", "small": "declined"}
    small = next(case for case in document["cases"] if case["name"] == "small")
    assert small["sentence"] == "the candidate does not declare the profile rvc-python"
    assert json.loads((tmp_path / "out" / "verdict.json").read_text()) == document
