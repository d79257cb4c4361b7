"""Every F0 method on a synthetic glide of known F0, and each method's edge cases."""

import importlib.util
import sys

import numpy as np
import pytest
import torch

from rvc.errors import BadCheckpoint, BadInput, MissingExtra
from rvc.f0 import optional_packages, registry, tracking
from rvc.f0.methods import crepe, fcpe, harvest, pm
from rvc.f0.network_files import F0Weights, load
from rvc.noise import Seeded

RATE = 16000


def needs(method):
    """Skip where the optional package is not installed."""
    package = registry.named(method).package.module
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"the optional {package} is not installed")


def glide(seconds=1.5):
    """A voice-like tone that glides from 130 to 260 Hz between two silences, float64, and its F0 every 10 ms."""
    t = np.arange(int(seconds * RATE)) / RATE
    hz = 130 * 2 ** (t / seconds)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 25)) * 0.1
    quiet = np.random.default_rng(0).normal(0, 1e-5, RATE // 2)
    sound = np.concatenate((quiet, tone, quiet))
    frames = np.arange(len(sound) // 160)
    inside = (frames * 160 >= len(quiet) + 800) & (frames * 160 < len(quiet) + len(tone) - 800)
    truth = np.zeros(len(frames))
    truth[inside] = hz[np.minimum(frames * 160 - len(quiet), len(tone) - 1)[inside]]
    return sound, truth


@pytest.mark.parametrize(
    ("method", "cents"),
    [
        pytest.param(m, c, marks=needs(m))
        for m, c in (("pm", 15), ("harvest", 15), ("dio", 15), ("crepe-tiny", 30), ("fcpe", 30))
    ],
)
def test_a_glide_is_tracked(method, cents):
    sound, truth = glide()
    before = sound.copy()
    tracked = tracking.track(sound, method, weights=F0Weights(), noise=Seeded(0))
    assert np.array_equal(sound, before)
    assert tracked.dtype == (np.float32 if method in ("crepe-tiny", "fcpe") else np.float64)
    assert len(tracked) == registry.named(method).frames.of(len(sound))
    tracked, voiced = tracked[: len(truth)], truth > 0
    assert (tracked[voiced] > 0).mean() > 0.97
    both = voiced & (tracked > 0)
    assert np.median(np.abs(1200 * np.log2(tracked[both] / truth[both]))) < cents
    if method != "crepe-tiny":  # CREPE normalizes each window, and so tracks an F0 in very quiet noise
        assert (tracked[5:40] == 0).mean() > 0.9


@pytest.mark.parametrize("method", ["crepe-tiny", "fcpe"])
def test_the_weights_package_is_never_imported(method):
    package = registry.named(method).package.module
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the optional {package} is not installed")
    load(method)
    assert package not in sys.modules


def test_an_unknown_method_and_a_sound_that_is_not_finite_are_refused():
    with pytest.raises(BadInput, match="no F0 method 'yin'"):
        tracking.track(np.zeros(1600), "yin", weights=F0Weights())
    with pytest.raises(BadInput, match="not finite"):
        tracking.track(np.full(1600, np.nan), "pm", weights=F0Weights())
    with pytest.raises(BadInput, match="dither"):
        tracking.track(np.zeros(1600), "crepe-tiny", weights=F0Weights(), noise=None)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    with pytest.raises(MissingExtra, match=r"\[pm\]"):
        optional_packages.package("no_such_package", "pm")
    with pytest.raises(MissingExtra, match=r"\[crepe\]"):
        optional_packages.shipped_file("no_such_package", "assets/full.pth", "crepe")
    with pytest.raises(BadCheckpoint, match="--fcpe FILE"):
        optional_packages.shipped_file("numpy", "assets/none.pt", "fcpe")
    with pytest.raises(BadCheckpoint, match="there is no weight file"):
        load("crepe", "nowhere.pth")


@needs("pm")
def test_pm_is_centered_between_zeros():
    """Praat returns 195 frames for 32000 samples; three zeros are added before and two after them."""
    sound, _ = glide(1.0)
    f0_hz = pm.track(sound)
    assert f0_hz.shape == (200,)
    plain = pm.praat(sound, pm.FLOOR).selected_array["frequency"]
    assert len(plain) == 195
    assert np.array_equal(f0_hz, np.pad(plain, (3, 2)))
    with pytest.raises(BadInput, match="pm needs at least 60 ms"):
        pm.track(np.zeros(900))


@needs("pm")
@pytest.mark.parametrize("count", [800, 4800, 4801, 4960])
def test_pm_returns_a_frame_for_every_hop_of_a_block(count):
    assert pm.track_block(glide()[0][9000 : 9000 + count]).shape == (count // 160 + 1,)


@needs("harvest")
def test_the_filter_radius_switches_a_median_of_three_frames_on():
    sound, _ = glide(0.5)
    plain, three, nine = (harvest.track(sound, radius) for radius in (2, 3, 9))
    assert np.array_equal(three, nine)
    assert not np.array_equal(plain, three)
    stacked = np.stack((np.r_[0, plain[:-1]], plain, np.r_[plain[1:], 0]))
    assert np.array_equal(three, np.median(stacked, axis=0))


@needs("harvest")
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_harvest_in_pieces_returns_every_frame(workers):
    sound, truth = glide()
    newest, expected = sound[12000:32000], truth[75:200]
    tracked = harvest.track_block(newest, workers)
    assert tracked.shape == (126,)
    both = (tracked[:125] > 0) & (expected > 0)
    assert both.mean() > 0.9
    assert np.median(np.abs(1200 * np.log2(tracked[:125][both] / expected[both]))) < 20


def test_a_block_is_tracked_with_50_ms_before_it_rounded_up_for_rmvpe():
    assert tracking.block_length(4000, "pm") == 4800
    assert tracking.block_length(4000, "rmvpe") == 4960
    assert tracking.block_length(4480, "rmvpe") == 10080
    assert tracking.block_length(4320, "rmvpe") == 4960


@needs("pm")
def test_a_block_is_filled_transposed_and_quantized_in_float32():
    sound, _ = glide()
    at16k = sound[:12800].astype(np.float32)  # silence followed by the start of the tone

    def track(fill, semitones):
        return tracking.track_block(
            at16k, 8000, "pm", semitones, weights=F0Weights(), draw=Seeded(0).draw, fill_unvoiced=fill
        )

    coarse, hz = track(False, 0)
    assert (coarse.dtype, hz.dtype, coarse.shape) == (np.int64, np.float32, hz.shape)
    assert len(hz) == 8800 // 160 + 1
    assert (hz == 0).any()
    assert (coarse[hz == 0] == 1).all()
    filled = track(True, 0)[1]
    assert (filled > 0).all()
    assert np.allclose(track(True, 1.5)[1], filled * 2 ** (1.5 / 12), rtol=1e-6)


@needs("crepe-tiny")
def test_dither_shifts_each_frame_by_its_cents():
    sound, _ = glide(0.5)
    network = load("crepe-tiny")
    frames = registry.named("crepe-tiny").frames.of(len(sound))
    undithered = crepe.track(sound, network, np.zeros(frames, np.float32))
    dithered = crepe.track(sound, network, np.full(frames, 10, np.float32))
    voiced = undithered > 0
    assert voiced.any()
    assert np.allclose(1200 * np.log2(dithered[voiced] / undithered[voiced]), 10, atol=1e-2)


def test_at_the_ends_the_filters_use_two_values():
    values = torch.tensor([4.0, 1, 2, 9])
    assert crepe.median_of_three(values).tolist() == [1, 2, 2, 2]
    assert crepe.mean_of_three(values).tolist() == [2.5, pytest.approx(7 / 3), 4, 5.5]
    assert crepe.mean_of_three(values[:2]).tolist() == [2.5, 2.5]
    assert crepe.median_of_three(values[:1]).tolist() == [4]


@needs("fcpe")
@pytest.mark.parametrize("count", [1, 300, 432, 433, 1599, 1600, 4801])
def test_fcpe_tracks_any_length(count):
    assert fcpe.track(np.ones(count) * 0.01, load("fcpe")).shape == (count // 160 + 1,)


def test_fcpe_counts_the_edge_bin_for_bins_beyond_the_table():
    table = torch.arange(360.0) * 20 + 2000
    salience = torch.zeros(2, 360)
    salience[0, 0], salience[0, 1] = 1.0, 0.5
    salience[1] = 0.006
    hz = fcpe.decode(salience, table)
    assert hz[0] == pytest.approx(10 * 2 ** ((5 * 2000 + 0.5 * 2020) / 5.5 / 1200), rel=1e-6)
    assert hz[1] == 0


@pytest.mark.parametrize("method", ["crepe", "fcpe"])
def test_files_of_another_network_are_refused(tmp_path, method):
    torch.save({"x": torch.zeros(3)}, tmp_path / "x.pth")
    with pytest.raises(BadCheckpoint, match="lacks"):
        load(method, tmp_path / "x.pth")
