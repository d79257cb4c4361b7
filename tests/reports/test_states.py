"""Every state of the verdict's schema has a rendering, on all three kinds of pages."""

import json
from pathlib import Path
from typing import Any

import pytest

from parity.judge.verdict_schema import SCHEMA
from reports.__main__ import run
from reports.data import load, states
from reports.data.states import Mark
from reports.pages import assembly, headline, index, matrix
from reports.pages import case as case_page
from tests.reports import synthetic


def enumerated(definition: dict[str, Any], field: str) -> list[str]:
    """The values that the schema allows for a field."""
    return list(definition["properties"][field]["enum"])


CASE_STATES = enumerated(SCHEMA["$defs"]["case"], "state")
CELL_STATES = enumerated(SCHEMA["$defs"]["cell"], "state")
BLAMES = enumerated(SCHEMA["$defs"]["stage"], "blame")
VERDICT_STATES = enumerated(SCHEMA, "state")


def test_tables_list_the_states_of_the_schema() -> None:
    assert set(states.CASES) == set(CASE_STATES)
    assert set(states.CELLS) == set(CELL_STATES)
    assert set(states.VERDICTS) == set(VERDICT_STATES)
    assert set(states.BLAME_ORDER) == set(BLAMES) >= set(states.BLAME_TITLES)


def with_every_state(document: dict[str, Any]) -> dict[str, Any]:
    """A verdict with one case for each state of a case; each contains every state of a cell and every blame."""
    changed = json.loads(json.dumps(document))
    (template,) = (case for case in changed["cases"] if case["name"] == "tone-linear")
    changed["cases"] = []
    for state in CASE_STATES:
        case = json.loads(json.dumps(template)) | {
            "name": f"case-{state}",
            "state": state,
            "sentence": f"it is {state}",
        }
        every_cell = [cell for stage in case["stages"] for cell in stage["cells"]]
        for number, cell in enumerate(every_cell):
            cell["state"] = CELL_STATES[number % len(CELL_STATES)]
        for number, stage in enumerate(case["stages"]):
            stage["blame"] = BLAMES[number % len(BLAMES)]
        changed["cases"].append(case)
    return changed


@pytest.mark.parametrize("state", CASE_STATES)
def test_case_page_renders_every_state(folder: Path, document: dict[str, Any], state: str) -> None:
    changed = with_every_state(document)
    case = next(case for case in changed["cases"] if case["state"] == state)
    page = case_page.build(case, changed, load.evidence(case, folder))
    assert {check.state for check in page.checks} == set(CELL_STATES)
    assert page.rendering == states.CASES[state]
    assert page.headline
    text = assembly.case_page(page)
    assert f'data-state="{states.CASES[state].mark}"' in text
    assert f"It is {state}." in text


def test_index_lists_and_filters_every_state(document: dict[str, Any]) -> None:
    built = index.build(with_every_state(document))
    assert [row.state for row in built.rows][-2:] == ["pass", "declined"]
    text = assembly.index_page(built, [])
    for state in CASE_STATES:
        assert f'<option value="{state}">{states.CASES[state].label}' in text
        assert f'data-state="{state}"' in text


def test_matrix_shows_every_state(document: dict[str, Any]) -> None:
    built = matrix.build({"one": with_every_state(document), "two": document})
    text = {line.name: line.cells[0].text for line in built.cases}
    assert text["case-declined"] == "declined"
    assert text["case-pass"].startswith("✓")
    for state in ("differs", "unreadable", "nothing"):
        assert text[f"case-{state}"].startswith("✗")
    assert "case-declined" in assembly.matrix_page(built)


def test_every_page_states_whether_the_output_of_a_differing_case_holds(document: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(document))
    case = next(case for case in changed["cases"] if case["state"] == "differs")
    for holds in (True, False):
        case |= {"output_holds": holds, "tier": "float16"}
        changed |= {"output_holds": holds, "tier": {"required": "float32", "reached": "float16"}}
        state = "differs, but its output is within the limits" if holds else "differs"
        row = next(row for row in index.build(changed).rows if row.name == case["name"])
        assert (row.label, row.tier) == (state, "float16")
        assert ("the output is within its limits" in headline.headline(case)) == holds
        facts = dict(headline.key_facts(case))
        assert facts["output"] == ("within its limits" if holds else "beyond its limits") and facts["tier"] == "float16"
        built = matrix.build({"one": changed, "two": document})
        assert (built.candidates[0].state, built.candidates[0].tier) == (state, "float16")
        (line,) = (line for line in built.cases if line.name == case["name"])
        assert line.cells[0].title.startswith(f"{state}: ") and ("its output holds" in line.cells[0].text) == holds


def test_declined_case_of_a_verdict_makes_a_quiet_page(folder: Path, document: dict[str, Any], tmp_path: Path) -> None:
    """The verdict of a candidate that declares "profiles": its other cases are declined and nothing is compared."""
    changed = json.loads(json.dumps(document))
    declined = changed["cases"][0]
    sentence = "the candidate does not declare the profile webui-2026"
    declined |= {"state": "declined", "first": None, "sentence": sentence}
    declined.pop("tier")
    for stage in declined["stages"]:
        stage["blame"] = "not tested"
        stage.pop("tier")
        for cell in stage["cells"]:
            cell |= {"state": "not tested", "value": None, "times_limit": None}
    (tmp_path / "verdict.json").write_text(json.dumps(synthetic.settled(changed)))
    run([tmp_path], tmp_path / "pages", quiet=True, golden=folder.parent / "goldens" / declined["name"])
    text = (tmp_path / "pages" / f"{declined['name']}.html").read_text(encoding="utf-8")
    assert "– Not judged: the candidate declines this case" in text
    assert "The candidate does not declare the profile webui-2026." in text
    built = index.build(changed)
    assert ("cases declined", 1) in built.totals
    assert built.rows[-1].rendering.mark == Mark.QUIET
