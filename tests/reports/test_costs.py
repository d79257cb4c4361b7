"""Panels of speed and memory, from the `speed` of a verdict."""

from reports.pages import assembly
from reports.panels import costs


def test_nothing_measured_shows_nothing() -> None:
    assert costs.build(None) == []
    assert costs.build({}) == []


def test_bars_are_scaled_within_a_unit_and_show_budgets() -> None:
    speed = {
        "figures": [
            {"what": "end to end", "who": "rvc", "value": 2.0, "unit": "s", "budget": 3.0, "verdict": "pass"},
            {"what": "end to end", "who": "original", "value": 8.0, "unit": "s"},
            {
                "what": "peak",
                "who": "rvc",
                "value": 900,
                "unit": "MiB",
                "budget": 700,
                "verdict": "fail",
                "low": 890,
                "high": 905,
            },
        ]
    }
    seconds, memory = costs.build(speed)
    assert [bar.percent for bar in seconds.bars] == [25.0, 100.0]
    assert seconds.bars[0].budget_percent == 37.5
    assert memory.bars[0].mark == "bad"
    assert memory.bars[0].value == "900 MiB (890 to 905)"
    assert memory.bars[0].budget == "700 MiB fail"


def test_growth_is_a_chart_and_other_fields_are_listed() -> None:
    speed = {"growth": [{"who": "rvc", "unit": "MiB", "points": [[10, 640], [30, 650]]}], "cpu": "two cores"}
    chart, rest = costs.build(speed)
    assert "30 s of audio, 650 MiB" in chart.svg
    assert rest.note == "cpu = two cores"


def test_page_escapes_text_of_measurements() -> None:
    text = assembly.html(
        "costs.html", (), costs=costs.build({"figures": [{"what": "<b>x", "value": 1.0}], "note": "<script>"})
    )
    assert "<b>x" not in text
    assert "&lt;script&gt;" in text
