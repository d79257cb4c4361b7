"""Speed and memory as a verdict brings them."""

from reports.pages import assembly
from reports.panels import costs


def test_nothing_measured_shows_nothing() -> None:
    assert costs.build(None) == []
    assert costs.build({}) == []


def test_bars_are_lengths_of_one_unit_and_budgets_marks_on_them() -> None:
    speed = {
        "figures": [
            {"what": "end to end", "who": "ours", "value": 2.0, "unit": "s", "budget": 3.0, "verdict": "pass"},
            {"what": "end to end", "who": "original", "value": 8.0, "unit": "s"},
            {
                "what": "peak",
                "who": "ours",
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
    assert [bar["share"] for bar in seconds["bars"]] == [25.0, 100.0]
    assert seconds["bars"][0]["budget_share"] == 37.5
    assert memory["bars"][0]["mark"] == "bad"
    assert memory["bars"][0]["value"] == "900 MiB (890 to 905)"
    assert memory["bars"][0]["budget"] == "700 MiB fail"


def test_growth_is_a_chart_and_the_rest_is_told() -> None:
    speed = {"growth": [{"who": "ours", "unit": "MiB", "points": [[10, 640], [30, 650]]}], "cpu": "two cores"}
    chart, rest = costs.build(speed)
    assert "30 s of audio, 650 MiB" in chart["svg"]
    assert rest["note"] == "cpu = two cores"


def test_page_escapes_what_was_measured() -> None:
    text = assembly.html(
        "costs.html", (), costs=costs.build({"figures": [{"what": "<b>x", "value": 1.0}], "note": "<script>"})
    )
    assert "<b>x" not in text
    assert "&lt;script&gt;" in text
