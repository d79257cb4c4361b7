"""The arithmetic of the scripts compared with numpy, in the browser."""

import numpy as np
import pytest

from tests.browser.conftest import Report, Watched

pytestmark = pytest.mark.browser


def test_pyramid_returns_exact_peaks(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-right.html"))
    noise = np.random.default_rng(0)
    values = noise.standard_normal(10007).astype("f4")
    ranges = [sorted(noise.integers(0, 10008, 2).tolist()) for _ in range(200)] + [[0, 10007], [5, 6], [8, 16], [7, 65]]
    pyramid = page.evaluate(
        """([values, ranges]) => { const pyramid = new Report.numbers.Pyramid(Float32Array.from(values));
      return ranges.map(([from, to]) => pyramid.peaks(from, to)); }""",
        [values.tolist(), ranges],
    )
    for (start, end), peaks in zip(ranges, pyramid, strict=True):
        expected = [float(values[start:end].min()), float(values[start:end].max())] if end > start else None
        assert peaks == expected, (start, end)


@pytest.mark.parametrize("size", [512, 2048])
def test_spectrum_equals_numpys(watched: Watched, report: Report, size: int) -> None:
    page = watched.open(report.url("tone-right.html"))
    values = np.random.default_rng(1).standard_normal(5000).astype("f4")
    power = page.evaluate(
        """([values, size]) => [...new Report.numbers.Fourier(size)
      .power(Float32Array.from(values), 2500, new Float64Array(size / 2 + 1))]""",
        [values.tolist(), size],
    )
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    expected = (
        np.abs(np.fft.rfft(values[2500 - size // 2 : 2500 + size // 2].astype("f8") * window)) ** 2 * 16 / size**2
    )
    assert np.allclose(power, expected, rtol=1e-9, atol=1e-15)


def test_full_scale_sine_is_zero_decibel(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-right.html"))
    top = page.evaluate("""() => {
          const wave = Float32Array.from({ length: 8000 }, (_, n) => Math.sin(2 * Math.PI * n * 64 / 1024));
      const { levels } = Report.numbers.spectrogram(wave, 0, 8000, 20, 1024); return Math.max(...levels); }""")
    assert top == pytest.approx(0, abs=0.01)


def test_a_click_between_columns_is_visible(watched: Watched, report: Report) -> None:
    """Where columns are further apart than a window, a single nonzero sample appears in one of them."""
    page = watched.open(report.url("tone-right.html"))
    for place in (1234, 17000, 39000):
        loudest = page.evaluate(
            """(place) => { const wave = new Float32Array(40000); wave[place] = 1;
          const { levels } = Report.numbers.spectrogram(wave, 0, 40000, 20, 1024); return Math.max(...levels); }""",
            place,
        )
        assert loudest > -60


def test_ratios_as_text(watched: Watched, report: Report) -> None:
    page = watched.open(report.url("tone-right.html"))
    texts = page.evaluate(
        "[0, 0.25, 1.04, 31.4, 420.4, 9999, 12345, 0.00001, Infinity, NaN, null].map(Report.numbers.times)"
    )
    assert texts == ["0", "0.25×", "1×", "31×", "420×", "9999×", "1.2e4×", "1e-5×", "∞×", "—", "—"]
