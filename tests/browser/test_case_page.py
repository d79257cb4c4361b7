"""The page of a case: one cursor in all panels, the verdict's numbers, every control."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import stages
from reports.__main__ import run
from tests.browser.conftest import FAULTS, Report, Watched, until
from tests.reports import synthetic

pytestmark = pytest.mark.browser


# Pixels are read from a copy: reading them from a canvas of the page would change how the browser draws it.
COPY = """(argument) => { const copy = (canvas) => {
  const twin = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  twin.drawImage(canvas, 0, 0);
  return twin.getImageData(0, 0, canvas.width, canvas.height);
}; return (%s)(argument); }"""


def verdict_of(report: Report, case: str) -> dict[str, Any]:
    document = json.loads((report.verdicts["planted"] / "verdict.json").read_text())
    return next(one for one in document["cases"] if one["name"] == case)


def state(page: Any, expression: str) -> Any:
    return page.evaluate(f"Report.current.state.{expression}")


@pytest.mark.parametrize("case", list(FAULTS))
def test_opens_without_errors_or_further_requests(watched: Watched, report: Report, case: str) -> None:
    page = watched.open(report.url(f"{case}.html"))
    assert page.locator("#broken").inner_text() == ""
    assert len(watched.requests) == 1
    expected = {"axis", "heat", "waves", "spectra", "pitch", "retrieval", "histogram"}
    for _ in range(50):  # a page draws when the browser has time for it, on a busy machine after it has opened
        drawn = page.evaluate(
            COPY
            % """() => [...document.querySelectorAll('canvas')].map((canvas) =>
          [canvas.id, new Set(new Uint32Array(copy(canvas).data.buffer)).size])"""
        )
        if {name for name, colors in drawn if colors > 2} >= expected:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"not drawn within 5 s: {drawn}")


@pytest.mark.parametrize("case", list(FAULTS))
def test_displayed_numbers_equal_the_verdicts(watched: Watched, report: Report, case: str) -> None:
    page = watched.open(report.url(f"{case}.html"))
    judged = verdict_of(report, case)
    for mode in ("chained", "isolated"):
        page.click(f"#mode-{mode}")
        shown = page.evaluate(
            "[...document.querySelectorAll('.row-number')].map((n) => [n.dataset.stage, n.textContent, n.dataset.mark])"
        )
        for name, text, mark in shown:
            cells = [
                cell
                for stage in judged["stages"]
                for cell in stage["cells"]
                if stages.TensorName.parse(cell["tensor"]).local == name and cell["mode"] == mode
            ]
            failed = any(cell["state"] == "differs" for cell in cells)
            assert (mark == "bad") == failed, f"{name} ({mode}) looks {mark}"
            if any(cell["limit"] == 0 and cell["value"] for cell in cells):
                assert text == "∞×"
            else:
                largest = max(cell["times_limit"] for cell in cells if cell["times_limit"] is not None)
                assert float(text.rstrip("×")) == pytest.approx(largest, rel=0.05), f"{name} ({mode})"


def test_table_of_checks_equals_the_verdict(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-linear.html"))
    judged = verdict_of(report, "tone-linear")
    rows = page.evaluate(
        "[...document.querySelectorAll('#checks tbody tr')].map((row) => [...row.cells].map((c) => c.textContent))"
    )
    expected = [cell for stage in judged["stages"] for cell in stage["cells"]]
    assert [row[:3] for row in rows] == [[cell["tensor"], cell["mode"], cell["state"]] for cell in expected]
    assert len(page.query_selector_all("#failing tbody tr")) == judged["counts"]["failed"]


def test_headline_names_stage_error_and_time(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-linear.html"))
    assert re.fullmatch(
        r"✗ content\.upsampled is wrong: [\d ]+ times its limit, (first|from) .*",
        page.inner_text(".verdict"),
    )
    assert page.inner_text(".row-name[data-stage='content.upsampled'] .mark") == "▶"
    assert state(page, "stage") == "content.upsampled"
    page = watched.open(report.url("tone-right.html"))
    assert page.inner_text(".verdict").startswith("✓ Passes")


def test_click_moves_one_cursor_through_every_panel(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-octave.html"))
    for panel in ("heat", "waves", "pitch", "retrieval", "spectra"):
        box = page.locator(f"#{panel}").bounding_box()
        assert box
        for share in (0.25, 0.6):
            page.locator(f"#{panel}").click(position={"x": box["width"] * share, "y": 5})
            time = state(page, "cursor")
            assert time == pytest.approx(share * state(page, "last"), abs=0.01)
            assert f"at {time:.3f} s" in page.inner_text("#heat-readout")
            assert page.inner_text("#wave-readout").startswith(f"sample {round(time * 40000)}")
            assert page.inner_text("#pitch-readout").startswith(f"frame {int((time + 1) / 0.01 + 1e-6)}")
            assert page.inner_text("#retrieval-readout").startswith(f"frame {int((time + 1) / 0.02 + 1e-6)}")
            for canvas in ("heat", "waves", "spectra", "pitch", "retrieval", "axis"):
                assert cursor_drawn_at(page, canvas) == pytest.approx(time / state(page, "last"), abs=0.004), canvas


def cursor_drawn_at(page: Any, canvas: str) -> float:
    """The column of a canvas with most pixels in the color of the cursor, as a fraction of its width."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return float(
        page.evaluate(
            COPY
            % """(id) => {
      const { data: pixels, width, height } = copy(document.getElementById(id));
      let best = -1, at = -1;
      for (let x = 0; x < width; x++) {
        let hits = 0;
        for (let y = 0; y < height; y++) {
          const i = 4 * (y * width + x);
          hits += Math.abs(pixels[i] - 0xc2) + pixels[i + 1] + Math.abs(pixels[i + 2] - 0x7a) < 90;
        }
        if (hits > best) { best = hits; at = x; }
      }
      return best > height / 2 ? at / width : -1;
    }""",
            canvas,
        )
    )


def test_deep_link_and_back(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-linear.html#flow.z/1.234"))
    assert (state(page, "stage"), state(page, "cursor")) == ("flow.z", 1.234)
    page.keyboard.press("ArrowRight")
    until(page, "location.hash.startsWith('#flow.z/1.244/')")
    page.evaluate("location.hash = '#f0.hz/0.5'")
    until(page, "Report.current.state.stage === 'f0.hz'")
    assert state(page, "cursor") == 0.5


def test_keys(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-right.html#padded/1.000"))
    for key, expression, expected in [
        ("ArrowDown", "stage", "f0.raw"),
        ("ArrowUp", "stage", "padded"),
        ("End", "cursor", 2.0),
        ("Home", "cursor", 0.0),
        ("m", "mode", "isolated"),
        ("m", "mode", "chained"),
    ]:
        page.keyboard.press(key)
        assert state(page, expression) == expected, key
    page.keyboard.press("+")
    assert state(page, "to") - state(page, "from") == pytest.approx(1.0)
    page.keyboard.press("-")
    assert state(page, "to") - state(page, "from") == pytest.approx(2.0)
    page.keyboard.press("+")
    page.keyboard.press("f")
    assert state(page, "to") - state(page, "from") == pytest.approx(2.0)
    for key, value in (("b", "blink"), ("s", "split"), ("n", "three")):
        page.keyboard.press(key)
        assert page.is_checked(f"#spectrum-view input[value={value}]")
        page.evaluate("document.activeElement.blur()")
    page.keyboard.press("l")
    assert not page.is_checked("#spectrum-log")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("?")
    assert page.evaluate("document.getElementById('help').open")


def test_every_control_works_without_errors(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-octave.html"))
    for name in (
        "zoom-in",
        "pan-right",
        "pan-left",
        "zoom-out",
        "fit",
        "to-worst",
        "to-selection",
        "mode-isolated",
        "mode-chained",
        "theme",
    ):
        page.click(f"#{name}")
    for value in ("blink", "split", "three"):
        page.check(f"#spectrum-view input[value={value}]")
        page.wait_for_timeout(50)
    page.check("#spectrum-view input[value=split]")
    assert page.is_visible("#spectrum-split")
    before = page.evaluate("document.getElementById('spectra').toDataURL()")
    page.evaluate("""() => { const slider = document.getElementById('spectrum-split');
      slider.value = 0.2; slider.dispatchEvent(new Event('input')); }""")
    page.wait_for_timeout(100)
    assert page.evaluate("document.getElementById('spectra').toDataURL()") != before
    for size in ("512", "2048", "4096"):
        page.select_option("#spectrum-size", size)
    page.check("#spectrum-view input[value=three]")
    page.select_option("#spectrum-kind", "error")
    page.uncheck("#spectrum-log")
    for row in page.query_selector_all(".row-name"):
        row.click()
    page.wait_for_timeout(100)


def test_worst_moment_equals_the_verdicts(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-linear.html"))
    page.click(".row-name[data-stage='content.upsampled']")
    page.click("#mode-isolated")
    page.click("#to-worst")
    piece = page.evaluate("""() => { const piece = Report.current.state.row().modes.isolated.pieces[0];
      return [piece.start, piece.step, ...piece.values]; }""")
    start, step, values = piece[0], piece[1], np.array(piece[2:])
    times = start + (np.arange(len(values)) + 0.5) * step
    inside = (times >= 0) & (times <= 2)
    assert state(page, "cursor") == pytest.approx(times[inside][values[inside].argmax()])
    cell = next(
        cell
        for stage in verdict_of(report, "tone-linear")["stages"]
        for cell in stage["cells"]
        if cell["tensor"] == "seg0.content.upsampled" and cell["mode"] == "isolated" and cell["metric"] == "worst_frame"
    )
    relative = next(
        cell
        for stage in verdict_of(report, "tone-linear")["stages"]
        for cell in stage["cells"]
        if cell["tensor"] == "seg0.content.upsampled"
        and cell["mode"] == "isolated"
        and cell["metric"] == "relative_rms"
    )
    # the maximum of the strip is the judge's worst frame divided by the limit that failed
    assert values.max() == pytest.approx(cell["value"] / min(cell["limit"], relative["limit"]), rel=1e-5)


def test_drag_selects_and_zooms(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-right.html"))
    box = page.locator("#waves").bounding_box()
    assert box
    page.locator("#waves").scroll_into_view_if_needed()
    box = page.locator("#waves").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=4)
    page.mouse.up()
    assert state(page, "selection") == pytest.approx([0.5, 1.0], abs=0.01)
    page.click("#to-selection")
    assert [state(page, "from"), state(page, "to")] == pytest.approx([0.5, 1.0], abs=0.01)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    assert state(page, "to") - state(page, "from") == pytest.approx(0.4, abs=0.01)
    page.keyboard.press("Escape")
    assert state(page, "selection") is None
    for key, time in (("[", 0.5), ("]", 1.5)):
        page.evaluate(f"Report.current.state.go({time})")
        page.keyboard.press(key)
    assert state(page, "selection") == [0.5, 1.5]


def test_page_of_an_unreadable_case_shows_the_reason(watched: Watched, report: Report, tmp_path: Path) -> None:
    document = json.loads((report.verdicts["planted"] / "verdict.json").read_text())
    broken = document["cases"][0] | {
        "state": "unreadable",
        "stages": [],
        "first": None,
        "folder": "nowhere",
        "traces": {"isolated": None, "chained": None},
        "sentence": "its golden does not match its sha256",
    }
    (tmp_path / "verdict.json").write_text(json.dumps(synthetic.settled(document | {"cases": [broken]})))
    run([tmp_path], tmp_path / "pages", quiet=True)
    page = watched.open((tmp_path / "pages" / f"{broken['name']}.html").as_uri())
    assert page.inner_text(".verdict") == "✗ Could not be judged"
    assert "does not match its sha256" in page.inner_text(".banner")
    assert "Missing from this page" in page.inner_text("main")
    assert page.inner_text("#broken") == ""
