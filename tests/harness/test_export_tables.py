"""The tables that `nox -s export` writes into the documentation."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools import export_tables


def case(kind: str, *cells: tuple[str, str, str, float | None]) -> dict[str, Any]:
    """A case of a verdict: (stage, mode, metric, share of the limit) for each cell; the limit is 1e-5."""
    stages = [
        {
            "stage": stage,
            "cells": [
                {
                    "mode": mode,
                    "metric": metric,
                    "times_limit": share,
                    "limit": 1e-5,
                    "value": None if share is None else share * 1e-5,
                }
            ],
        }
        for stage, mode, metric, share in cells
    ]
    return {"voice": {"kind": kind}, "stages": stages}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Verdicts of two programs and of float16."""
    made = {
        "rvc-graphs": [
            case("v1-32k-f0", ("enc_p", "chained", "relative_rms", 0.2), ("flow", "isolated", "worst_frame", 0.31)),
            case("v1-32k-f0", ("final", "chained", "steps", 0.1)),
        ],
        "openvino": [case("v1-32k-f0", ("flow", "isolated", "relative_rms", None))],
        "float16": [
            case("v2-40k-f0", ("flow", "isolated", "relative_rms", 70.0), ("flow", "chained", "relative_rms", 90.0)),
            case("v2-40k-f0", ("flow", "chained", "relative_rms", 95.0), ("final", "chained", "steps", 4.0)),
        ],
    }
    for name, cases in made.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.json").write_text(json.dumps({"cases": cases}))
    return tmp_path


def test_the_tables_state_the_largest_share_and_the_largest_error(runs, tmp_path):
    document = tmp_path / "page.md"
    marks = [tuple(mark.format(name) for mark in export_tables.MARKS) for name in ("kinds", "float16")]
    document.write_text("\n".join(f"{start}\nold\n{end}" for start, end in marks) + "\nrest\n")
    assert export_tables.main([str(runs), "--write", str(document)]) == 0
    text = document.read_text()
    assert "| v1-32k-f0 | 31% (flow), 2 | – |" in text
    assert "| all | 31% (flow), 2 | – |" in text
    assert "| `flow` | 7.0e-04 | 9.5e-04 | 1.0e-05 |" in text
    assert "old" not in text and text.endswith("rest\n") and "`final`" not in text


def test_a_document_without_marks_and_a_folder_without_verdicts_are_refused(runs, tmp_path, capsys):
    (tmp_path / "page.md").write_text("no marks")
    with pytest.raises(ValueError, match="must hold <!-- kinds: made by nox -s export -->"):
        export_tables.main([str(runs), "--write", str(tmp_path / "page.md")])
    (tmp_path / "empty").mkdir()
    assert export_tables.main([str(tmp_path / "empty")]) == 2
    assert "holds no verdict of nox -s export" in capsys.readouterr().err


def test_the_page_has_the_marks() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exported-voice.md").read_text(encoding="utf-8")
    for name in ("kinds", "float16"):
        assert all(page.count(mark.format(name)) == 1 for mark in export_tables.MARKS)
