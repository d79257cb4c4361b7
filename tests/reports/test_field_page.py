"""The matrix of public implementations, made from a field.json."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.data import field_results
from reports.pages import field


def result(profile: str, verdict: str, **fields: Any) -> dict[str, Any]:
    """A result of field.json without content."""
    empty: dict[str, Any] = {"profile": profile, "verdict": verdict, "tier": None, "reason": None, "seconds": 1.0}
    empty |= {"sizes": [], "sounds": []}
    empty |= {"origins": [], "stages": [], "effects": [], "cases": [], "not_reached": [], "expectation": "unknown"}
    return empty | fields


DIFFERS = result(
    "webui-2026",
    "differs",
    origins=[
        {"case": "one", "stage": "f0.filled", "cause": "unvoiced frames kept at 0", "divergence": "D1"},
        {"case": "two", "stage": "f0.filled", "cause": "unvoiced frames kept at 0", "divergence": "D1"},
        {"case": "two", "stage": "generator", "cause": None, "divergence": None},
    ],
    stages=[
        {"stage": "f0.raw", "state": "pass"},
        {"stage": "f0.filled", "state": "origin"},
        {"stage": "f0.hz", "state": "inherited"},
        {"stage": "generator", "state": "origin"},
    ],
    effects=[
        {"case": "one", "stage": "f0.filled", "before_db": 12.0, "after_db": 30.6},
        {"case": "two", "stage": "f0.filled", "before_db": 9.0, "after_db": 11.0},
    ],
    cases=["one", "two"],
    expectation="right",
)
PASSES = result("rvc-python", "pass", stages=[{"stage": "f0.raw", "state": "pass"}], cases=["three"])
MISSING = result("webui-2026", "not installed", reason="no <checkout>")
SILENT = result("rvc-python", "does not answer", reason="hang: no answer to hello within 240 s")


def document(**results: list[dict[str, Any]]) -> dict[str, Any]:
    """A field.json with one implementation for each argument."""
    about = {"version": "1.0", "source": "somewhere", "lock": "0", "date": "2026-11-26", "machine": "a machine"}
    return {
        "format": "rvc-field/1",
        "manifest": "0",
        "implementations": [{"name": name, **about, "results": rows} for name, rows in results.items()],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "field").mkdir()
    text = json.dumps(document(alpha=[DIFFERS, PASSES], beta=[MISSING, SILENT]))
    (tmp_path / "field" / "field.json").write_text(text)
    return tmp_path / "field"


def test_a_mistake_that_two_goldens_show_is_one_line_with_its_largest_effect(folder: Path) -> None:
    first = field_results.read(folder / "field.json")[0]
    filled, generator = field.deviations(first)
    assert filled.cases == ["one", "two"] and filled.number == "D1" and "hum" in filled.audible
    assert filled.effect == "waveform 12 dB from the golden, 31 dB with this stage repaired"
    assert (generator.cause, generator.number, generator.effect) == ("cause unknown", None, "")


def test_cells_of_origin_inherited_and_untested_stages_differ(folder: Path) -> None:
    page = field.build(field_results.read(folder / "field.json"))
    assert page.stages == ["f0.raw", "f0.filled", "f0.hz", "generator"]
    texts = [[cell.text for cell in line.cells] for line in page.lines]
    assert texts == [["✓", "✗ D1", "←", "✗"], ["✓", "·", "·", "·"], ["·", "·", "·", "·"], ["·", "·", "·", "·"]]
    assert page.expectations == {"right": 1, "wrong": 0, "unknown": 1}


def test_the_page_is_written_and_names_from_the_file_are_escaped(folder: Path, tmp_path: Path) -> None:
    assert main([str(folder), str(tmp_path / "out"), "--quiet"]) == 0
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "Unvoiced frames: zero or interpolated" in text
    assert "no &lt;checkout&gt;" in text and "no <checkout>" not in text
    assert "1 right, 0 wrong, 1 without an expectation" in text
    assert "href=" not in text.split("<main>")[1]  # no run stands beside it


def test_cells_open_the_pages_of_a_run_that_stands_beside_the_results(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "out" / "alpha" / "webui-2026" / "index.html"
    index.parent.mkdir(parents=True)
    index.write_text("pages of the run")
    page = field.build(field_results.read(folder / "field.json"), tmp_path / "out")
    links = [cell.link for cell in page.lines[0].cells]
    assert links[:2] == ["alpha/webui-2026/index.html", "alpha/webui-2026/one.html"]
    assert page.lines[1].link is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ('{"format": "rvc-field/9"}', "has the format 'rvc-field/9', expected 'rvc-field/1'"),
        ('{"format": "rvc-field/1"}', "does not fit rvc-field/1 ('implementations')"),
        (json.dumps(document(**{"../up": [PASSES]})), "'../up' in field.json cannot name a folder"),
    ],
)
def test_a_file_that_is_not_field_json_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "field.json").write_text(content)
    assert main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
