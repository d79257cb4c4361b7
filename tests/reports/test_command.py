"""The command line: pages written, and errors for invalid input."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from parity.runs import dumps
from reports.__main__ import main
from reports.data.color_scale import PACKAGE, color_scale, step_of
from reports.pages import assembly, index, matrix


def test_writes_an_index_and_a_page_per_case(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), str(tmp_path), "--quiet"]) == 0
    assert capsys.readouterr().out == f"open {tmp_path / 'index.html'}\n"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["index.html", "tone-linear.html", "tone-octave.html", "tone-right.html"]


def test_pages_contain_no_external_address(folder: Path, tmp_path: Path) -> None:
    main([str(folder), str(tmp_path), "--quiet", "--case", "linear"])
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org)", text), path
        assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no verdict.json; judge first: rvc-parity check"),
        ("{", "is not JSON"),
        ("{}", "does not fit rvc-verdict/1: it lacks the field 'format'; judge again with this version"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "verdict.json").write_text(content)
    assert main([str(tmp_path), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "out").exists()


def test_unknown_case_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), str(tmp_path), "--case", "nobody"]) == 2
    expected = "no case has 'nobody' in its name; the verdict holds tone-linear, tone-octave, tone-right"
    error = capsys.readouterr().err
    assert all(word in error for word in expected.replace(",", "").split())


def test_index_totals_equal_the_counts_of_the_verdict(document: dict[str, Any]) -> None:
    built = index.build(document)
    totals, counts = dict(built.totals), document["counts"]
    shown = {name.replace(" ", "_"): totals[name] for name in ("compared", "passed", "failed", "waived", "not tested")}
    assert shown == {key: counts[key] for key in shown}
    assert sum(line.checks for line in built.stages) == counts["expected"]
    assert sum(line.failed for line in built.stages) == counts["failed"]


def test_index_shows_a_failure_without_number(document: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(document))
    stage = changed["cases"][0]["stages"][3]
    stage["cells"] = [
        cell | {"state": "missing", "value": None, "times_limit": None, "limit": None} for cell in stage["cells"]
    ]
    built = index.build(changed)
    local = stage["cells"][0]["tensor"].removeprefix("seg0.")
    row = next(row for row in built.rows if row.name == changed["cases"][0]["name"])
    cell = row.cells[built.columns.index(local)]
    assert (cell.state, cell.text) == ("missing", "✗")
    assert step_of(cell.ratio, cell.state) == color_scale()[-1]


def test_candidates_of_the_same_name_get_separate_folders(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other"
    shutil.copytree(folder, copy)
    assert main([str(folder), str(copy), str(tmp_path / "out"), "--quiet", "--case", "right"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"index.html", "planted-planted", "planted-other"}


def test_matrix_marks_cases_that_were_not_judged(document: dict[str, Any]) -> None:
    fewer = document | {"cases": document["cases"][1:]}
    built = matrix.build({"all": document, "fewer": fewer})
    line = next(line for line in built.cases if line.name == document["cases"][0]["name"])
    assert [cell.text == "not judged" for cell in line.cells] == [False, True]


@pytest.mark.parametrize("ratio", [0.0, 0.009, 0.5, 1.0, 1.0001, 99, 1e9, float("inf")])
def test_only_ratios_within_the_limit_are_blue(ratio: float) -> None:
    step = color_scale().index(step_of(ratio, "differs" if ratio > 1 else "close"))
    assert (step >= 4) == (ratio > 1)


def test_assets_can_stand_inside_a_page() -> None:
    for path in (PACKAGE / "assets").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "</script" not in text, path
        assert "</style" not in text, path


def test_every_script_is_used_and_parses() -> None:
    names = {path.stem for path in (PACKAGE / "assets").glob("*.js")}
    assert names == {*assembly.CASE_SCRIPTS, *assembly.INDEX_SCRIPTS, *assembly.MATRIX_SCRIPTS}
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; tests/browser runs the same scripts in Chromium")
    for name in sorted(names):
        checked = subprocess.run(
            [node, "--check", str(PACKAGE / "assets" / f"{name}.js")], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


def test_comparison_of_two_traces_makes_a_page_with_audio(folder: Path, tmp_path: Path) -> None:
    """`parity compare` of two traces, then a report of it with the original's trace as the golden."""
    chained = folder / "traces" / "tone-linear" / "chained.safetensors"
    original = folder / "traces" / "tone-right" / "chained.safetensors"
    dumps.compare(original, chained, out=tmp_path / "judged")
    assert main([str(tmp_path / "judged"), str(tmp_path / "out"), "--quiet", "--golden", str(original)]) == 0
    (page,) = (path for path in (tmp_path / "out").iterdir() if path.name != "index.html")
    assert 'id="flac-candidate"' in page.read_text(encoding="utf-8")


def test_the_index_lists_faults_first_and_links_each_to_its_place(document: dict[str, Any]) -> None:
    page = index.build(document)
    assert [fault.title.split(". ")[0] for fault in page.faults] == [str(n + 1) for n in range(len(page.faults))]
    assert all(fault.link.split("#")[1].split("/")[2] in ("isolated", "chained") for fault in page.faults)
    text = assembly.index_page(page, [])
    assert text.index('id="faults"') < text.index('id="cases"')
    assert text.count('<section class="card" data-state="bad">') == len(page.faults) > 0


def test_the_index_folds_tensors_that_no_case_compared(document: dict[str, Any]) -> None:
    copy = json.loads(json.dumps(document))
    for case in copy["cases"]:
        for stage in case["stages"]:
            for cell in stage["cells"]:
                if cell["tensor"] == "seg0.spk.g":
                    cell |= {"state": "not tested", "value": None, "limit": None, "times_limit": None}
    page = index.build(copy)
    assert page.untested == ["spk.g"] and "spk.g" not in page.columns
    assert "1 tensor not tested in any case" in assembly.index_page(page, [])
    assert index.build(document).untested == []
