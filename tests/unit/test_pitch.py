"""Post-processing of F0: unvoiced frames, transposition, F0 file, F0 bins."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.f0 import postprocessing


def config(fill=False, transpose=0, f0_file=None, pad=1.0):
    return SimpleNamespace(
        profile=SimpleNamespace(fill_unvoiced=fill),
        transpose=transpose,
        f0_file=f0_file,
        window=SimpleNamespace(pad=pad),
    )


def test_unvoiced_frames_are_interpolated_and_held_at_the_ends():
    f0 = np.array([0, 100, 0, 0, 130, 0.0])
    assert postprocessing.fill_unvoiced(f0).tolist() == [100, 100, 110, 120, 130, 130]
    assert f0[0] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_track_without_voiced_frames_keeps_zeros_and_dtype(dtype):
    filled = postprocessing.fill_unvoiced(np.zeros(4, dtype))
    assert filled.dtype == dtype
    assert not filled.any()
    assert postprocessing.quantize(filled).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_octave_doubles_f0(dtype):
    transposed = postprocessing.transpose(np.array([0, 220], dtype), 12)
    assert transposed.dtype == dtype
    assert transposed.tolist() == [0, 440]


def test_bins_go_from_50_to_1100_hz_evenly_in_mel():
    f0 = np.array([0, 10, 50, 55.0, 110, 220, 440, 880, 1100, 1101, 3000])
    assert postprocessing.quantize(f0).tolist() == [1, 1, 1, 3, 23, 60, 122, 217, 255, 255, 255]


def test_halves_are_rounded_to_even():
    for half, rounded in ((99.5, 100), (100.5, 100)):
        mels = (half - 1) * (postprocessing.HIGHEST_MEL - postprocessing.LOWEST_MEL) / 254 + postprocessing.LOWEST_MEL
        hz = 700 * (np.exp(mels / 1127) - 1)
        assert postprocessing.quantize(np.array([hz - 1e-7, hz + 1e-7])).tolist() == [int(half - 0.5), int(half + 0.5)]
        assert np.rint(half) == rounded


def test_bins_of_both_dtypes_and_of_realtime_agree_away_from_the_edges():
    f0 = np.linspace(40, 1200, 5001)
    wide, narrow = postprocessing.quantize(f0), postprocessing.quantize(f0.astype(np.float32))
    live = postprocessing.quantize_realtime(f0.astype(np.float32))
    assert wide.dtype == narrow.dtype == live.dtype == np.int64
    assert (wide != narrow).sum() <= 2
    assert (wide != live).sum() <= 2


def test_a_float32_track_is_scaled_in_float64():
    """numpy ≥ 2: float32 minus a float64 scalar is float64, and only the result is rounded."""
    f0 = np.linspace(60, 1000, 20001).astype(np.float32)
    mels = (1127 * np.log(1 + f0 / 700)).astype(np.float64)
    scaled = (mels - postprocessing.LOWEST_MEL) * 254 / (postprocessing.HIGHEST_MEL - postprocessing.LOWEST_MEL) + 1
    assert postprocessing.quantize(f0).tolist() == np.rint(scaled.astype(np.float32)).tolist()


def test_finish_cuts_to_the_requested_frames():
    raw = np.array([0, 100, 200, 0, 0], np.float32)
    filled, hz, coarse = postprocessing.finish(raw, 3, config(fill=True, transpose=12))
    assert filled.tolist() == [100, 100, 200, 200, 200]
    assert (hz.dtype, hz.tolist()) == (np.float32, [[200, 200, 400]])
    assert (coarse.dtype, coarse.shape) == (np.int64, (1, 3))
    assert postprocessing.finish(raw, 3, config())[0] is None
    assert raw.tolist() == [0, 100, 200, 0, 0]


def test_a_track_that_is_too_short_is_refused():
    with pytest.raises(BadInput, match="5 frames, but 6 are needed"):
        postprocessing.finish(np.zeros(5), 6, config())


def curve(tmp_path, text):
    (tmp_path / "f0.csv").write_text(text)
    return tmp_path / "f0.csv"


def test_a_curve_replaces_the_transposed_track_after_the_padding(tmp_path):
    file = curve(tmp_path, "0,100\n0.02,120\n0.04,120\n")
    hz = postprocessing.finish(np.full(12, 50.0), 12, config(transpose=12, f0_file=file, pad=0.03))[1]
    assert hz[0].tolist() == [100] * 3 + [100, 110, 120, 120, 120] + [100] * 4


def test_a_curve_that_starts_late_loses_its_end():
    points = np.array([[0.02, 100], [0.04, 300]], np.float32)
    overlaid = postprocessing.overlay_curve(np.zeros(10), points, 0)
    assert overlaid[:4].tolist() == pytest.approx([100, 100, 100, 0])


def test_a_curve_longer_than_the_track_is_clipped():
    assert postprocessing.overlay_curve(np.zeros(3), np.array([[0, 100], [9, 100]], np.float32), 1).tolist() == [
        0,
        100,
        100,
    ]


@pytest.mark.parametrize(("seconds", "length"), [(327.66, 32767), (327.67, 0), (655.37, 2)])
def test_the_length_overflows_at_sixteen_bits(seconds, length):
    overlaid = postprocessing.overlay_curve(np.zeros(40000), np.array([[0, 100], [seconds, 100]], np.float32), 0)
    assert np.count_nonzero(overlaid) == length


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no usable points"), ("0,1\nx,2\n", "line 2 .* 'x,2'"), ("0\n", "line 1"), ("0,nan\n", "line 1 .* '0,nan'")],
)
def test_an_unreadable_curve_is_refused(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        postprocessing.read_curve(curve(tmp_path, text))
    with pytest.raises(BadInput, match="cannot be read"):
        postprocessing.read_curve(Path(tmp_path / "nowhere"))
