"""The index with totals, filters and links, and the comparison of several candidates."""

import json

import pytest

from tests.browser.conftest import FAULTS, Report, Watched

pytestmark = pytest.mark.browser


def test_totals_equal_the_counts_of_the_verdict(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("index.html"))
    document = json.loads((report.verdicts["planted"] / "verdict.json").read_text())
    shown = dict(
        page.evaluate(
            "[...document.querySelectorAll('[data-total]')].map((e) => [e.dataset.total, Number(e.textContent)])"
        )
    )
    counts = document["counts"]
    assert shown == {
        "cases": 3,
        "cases that pass": 1,
        "cases that differ": 2,
        "checks expected": counts["expected"],
        "compared": counts["compared"],
        "passed": counts["passed"],
        "failed": counts["failed"],
        "waived": counts["waived"],
        "not tested": counts["not_tested"],
    }
    lines = page.evaluate(
        "[...document.querySelectorAll('#stages tbody tr')]"
        ".map((r) => [...r.cells].slice(1, 6).map((c) => Number(c.textContent)))"
    )
    checks, same, close, failed, other = (sum(column) for column in zip(*lines, strict=True))
    assert (checks, failed) == (counts["expected"], counts["failed"])
    assert same + close + failed + other == checks


def test_cases_are_ordered_from_worst_to_passing(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("index.html"))
    states = page.evaluate("[...document.querySelectorAll('tr[data-case]')].map((row) => row.dataset.state)")
    assert states == ["differs", "differs", "pass"]


def test_filters_select_cases(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("index.html"))

    def shown() -> list[str]:
        return page.evaluate(
            "[...document.querySelectorAll('tr[data-case]')].filter((r) => !r.hidden).map((r) => r.dataset.case)"
        )

    page.select_option("#filter-state", "pass")
    assert shown() == ["tone-right"]
    page.select_option("#filter-state", "")
    page.fill("#filter-text", "octave")
    assert shown() == ["tone-octave"]
    assert page.inner_text("#filter-count") == "1 of 3 cases"
    page.fill("#filter-text", "")
    page.select_option("select[data-field=method]", "rmvpe")
    assert shown() == ["tone-linear"]


def test_a_cell_links_to_its_stage_and_time(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("index.html"))
    page.click("tr[data-case=tone-linear] td.first a")
    page.wait_for_selector("html[data-ready=yes]")
    assert page.evaluate("Report.current.state.stage") == "content.upsampled"
    page.click("nav a")
    page.wait_for_selector("#totals")


def test_candidates_side_by_side(watched: Watched, comparison: Report) -> None:
    page = watched.open(comparison.url("index.html"))
    rows = page.evaluate(
        "[...document.querySelectorAll('#candidates tbody tr')]"
        ".map((r) => [...r.cells].map((c) => c.textContent.trim()))"
    )
    for row, (name, folder) in zip(rows, comparison.verdicts.items(), strict=True):
        verdict = json.loads((folder / "verdict.json").read_text())
        assert row[0].startswith(name)
        assert row[2] == (verdict["tier"]["reached"] or "—")
        assert [int(cell) for cell in row[3:8]] == [
            verdict["counts"][key] for key in ("passed", "failed", "waived", "not_tested", "expected")
        ]
    assert "not tested" in page.inner_text("main")
    page.click(f"text={next(iter(FAULTS))} >> xpath=../td[2]/a")
    page.wait_for_selector("html[data-ready=yes]")
    assert page.inner_text("h1") == "tone-right"
