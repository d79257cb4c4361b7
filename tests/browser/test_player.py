"""The player: decoded samples equal the tensors, and a switch takes effect at its sample."""

from typing import Any

import numpy as np
import pytest

from parity.goldens import store, trace_file
from tests.browser.conftest import Report, Watched, until

pytestmark = pytest.mark.browser


def samples(page: Any, name: str) -> np.ndarray:
    return np.array(page.evaluate(f"[...Report.current.player.audio.samples['{name}']]"))


@pytest.mark.parametrize("case", ["tone-linear", "tone-right"])
def test_decoded_buffers_equal_the_tensors(watched: Watched, report: Report, case: str) -> None:
    page = watched.open(report.url(f"{case}.html"))
    golden = store.open_case(report.verdicts["planted"].parent / "goldens" / case)
    candidate = trace_file.read(report.verdicts["planted"] / "traces" / case / "chained.safetensors")
    assert np.array_equal(samples(page, "original") * 32768, golden["waveform.final"])
    assert np.array_equal(samples(page, "candidate") * 32768, candidate["waveform.final"])
    scale = page.evaluate("Report.current.player.audio.differenceScale")
    exact = candidate["waveform.concat"].astype("f8") - golden["waveform.concat"]
    assert np.abs(samples(page, "difference") / scale - exact).max() <= np.abs(exact).max() / 32767


SWITCH = """async ([audible, next, at]) => {
  const { connect, switchTo } = Report.player, { samples, rate } = Report.current.player.audio;
  const context = new OfflineAudioContext(1, samples.original.length, rate);
  const graph = connect(context, samples, rate, { audible, gains: { original: 1, candidate: 1, difference: 0.5 } });
  switchTo(graph, next, at);
  return [...(await context.startRendering()).getChannelData(0)];
}"""


@pytest.mark.parametrize(
    ("audible", "next_", "gain"),
    [("original", "candidate", 1), ("candidate", "difference", 0.5), ("difference", "original", 1)],
)
def test_switching_is_exact_to_the_sample(
    watched: Watched, report: Report, audible: str, next_: str, gain: float
) -> None:
    page = watched.open(report.url("tone-linear.html"))
    at, fade, rate = 0.5, page.evaluate("Report.player.FADE"), 40000
    played = np.array(page.evaluate(SWITCH, [audible, next_, at]))
    before, after = samples(page, audible) * (0.5 if audible == "difference" else 1), samples(page, next_) * gain
    switch, settled = round(at * rate), round((at + fade) * rate) + 1
    # Web Audio computes blocks of 128 samples; a gain does not change before the requested time
    assert np.allclose(played[:switch], before[:switch], atol=1e-7)
    assert np.allclose(played[settled:], after[settled:], atol=1e-7)
    assert not np.allclose(played[settled : settled + 4000], before[settled : settled + 4000], atol=1e-4)


def test_loop_repeats_the_selection_to_the_sample(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-right.html"))
    played = np.array(
        page.evaluate("""async () => {
      const { connect } = Report.player, { samples, rate } = Report.current.player.audio;
      const context = new OfflineAudioContext(1, 40000, rate);
      connect(context, samples, rate, { audible: "original", loop: [0.5, 0.75], offset: 0.5 });
      return [...(await context.startRendering()).getChannelData(0)];
    }""")
    )
    part = samples(page, "original")[20000:30000]
    assert np.allclose(played, np.tile(part, 4), atol=1e-6)


def test_playing_moves_the_cursor_and_switches_while_it_runs(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-right.html#padded/0.000"))
    page.click("#play")
    until(page, "Report.current.state.cursor > 0.15")
    page.click("#play-candidate")
    assert page.get_attribute("#play-candidate", "aria-pressed") == "true"
    assert page.get_attribute("#play-original", "aria-pressed") == "false"
    here = page.evaluate("Report.current.state.cursor")
    until(page, f"Report.current.state.cursor > {here} + 0.1")
    assert page.evaluate("Report.current.player.graph.audible") == "candidate"
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    stopped = page.evaluate("Report.current.state.cursor")
    page.wait_for_timeout(120)
    assert page.evaluate("Report.current.state.cursor") == stopped


def test_level_matched_and_difference_gain(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-linear.html"))
    levels = page.evaluate("Report.current.player.audio.levels")
    assert page.evaluate("Report.current.player.gains().candidate") == 1
    page.check("#matched")
    assert page.evaluate("Report.current.player.gains().candidate") == pytest.approx(
        levels["original"] / levels["candidate"]
    )
    page.evaluate(
        "() => { const gain = document.getElementById('gain');"
        " gain.value = -20; gain.dispatchEvent(new Event('input')); }"
    )
    assert page.evaluate("Report.current.player.gains().difference") == pytest.approx(0.1)
    scale = page.evaluate("Report.current.player.audio.differenceScale")
    assert page.inner_text("#gain-value") == f"{20 * np.log10(scale) - 20:+.0f} dB"
