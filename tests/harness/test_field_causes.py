"""Causes that public programs showed, each recomputed here by another formula."""

from typing import Any

import numpy as np
import pytest

from parity import stages
from parity.goldens import store
from parity.judge.diagnosis import causes, realtime, registry
from parity.judge.diagnosis.divergences import number_of
from parity.stages import TensorName


def _names(golden: str, stage: str, tensor: str, ours: Any, *inputs: str, **changed: Any) -> list[str]:
    """The guesses that equal a candidate's value."""
    case = store.open_case(store.GOLDENS / golden)
    made = stages.stage_named(stage)
    assert made is not None
    given = {name: changed.get(name.rpartition(".")[2], np.asarray(case[name])) for name in inputs}
    deviation = registry.Deviation(case, made, TensorName.parse(tensor), given, ours)
    return [
        guess.name
        for guess in registry.guesses(deviation)
        if guess.value.shape == ours.shape and np.allclose(guess.value, ours, rtol=1e-6, atol=0)
    ]


def test_loudness_that_is_summed_in_single_precision_is_named() -> None:
    case = store.open_case(store.GOLDENS / "two-segments-2026")
    padded = np.abs(np.pad(np.asarray(case["highpassed"]), 80, mode="reflect")).astype(np.float32)
    ours = np.zeros(len(padded) - 160, np.float32)
    for offset in range(160):
        ours += padded[offset : offset - 160]
    assert "single precision" in _names("two-segments-2026", "segment.cuts", "quiet.profile", ours, "highpassed")


def test_a_curve_that_is_filled_in_single_precision_is_named() -> None:
    case = store.open_case(store.GOLDENS / "v2-48k-rmvpe-2026")
    raw = np.asarray(case["f0.raw"]).astype(np.float32)
    voiced = np.flatnonzero(raw > 0)
    ours = np.interp(np.arange(len(raw)), voiced, raw[voiced]).astype(np.float32).astype(np.float64)
    assert "single precision" in _names("v2-48k-rmvpe-2026", "f0.filled", "f0.filled", ours, "f0.raw")


def test_frames_that_a_stream_does_not_fill_are_named() -> None:
    case = store.open_case(store.GOLDENS / "rt-formant-up-2026")
    ours = np.asarray(case["rt.1.f0.hz"]).copy()
    ours[:, ::3] = 0
    coarse = np.asarray(case["rt.1.f0.coarse"]).copy()
    coarse[:, ::3] = 1  # the bin of an unvoiced frame
    names = _names("rt-formant-up-2026", "rt.f0", "rt.1.f0.hz", ours, "rt.1.f0.coarse", coarse=coarse)
    assert "unvoiced frames kept at 0" in names
    assert number_of("rt.f0", "unvoiced frames kept at 0") == "D1"


@pytest.mark.parametrize(("cuts", "name"), [([], "never cut"), ([1, 2], "another length")])
def test_a_file_that_is_never_cut_is_named(cuts: list[int], name: str) -> None:
    cause = causes._of_another_shape("segment.cuts", np.array(cuts, np.int64), np.zeros(1, np.int64))
    assert (cause["name"], cause["divergence"]) == (name, "D13" if not cuts else None)


def test_a_windowed_sinc_as_resampler_is_named() -> None:
    """40 to 48 kHz with 6 zeros, each sample summed by the definition."""
    case = store.open_case(store.GOLDENS / "v2-40k-nof0-2026")
    wave, golden = np.asarray(case["waveform.rmsmixed"]).astype(np.float64), np.asarray(case["waveform.resampled"])
    ours, cutoff = np.zeros(len(golden)), 0.99 * 40000
    for sample in range(len(golden)):
        at = sample / 48000
        near = np.arange(max(int(at * 40000) - 8, 0), min(int(at * 40000) + 9, len(wave)))
        t = np.clip((near / 40000 - at) * cutoff, -6, 6)
        ours[sample] = np.sum(wave[near] * np.sinc(t) * np.cos(np.pi * t / 12) ** 2) * 0.99
    names = _names("v2-40k-nof0-2026", "resampled", "waveform.resampled", ours, "waveform.rmsmixed")
    assert names == ["windowed sinc"]
    assert number_of("resampled", "windowed sinc") == "D15"


def test_bins_of_0_below_the_floor_are_named() -> None:
    case = store.open_case(store.GOLDENS / "alone-f0-edges-2026")
    hz = np.asarray(case["f0.hz"]).astype(np.float64)
    scaled = (1127 * np.log(1 + hz / 700) - 1127 * np.log(1 + 50 / 700)) * 254
    bins = np.rint(np.clip(scaled / (1127 * np.log((1 + 1100 / 700) / (1 + 50 / 700))) + 1, 0, 255))
    ours = np.where(hz > 0, bins, 0)
    assert (ours == 0).any() and not np.array_equal(ours, np.asarray(case["f0.coarse"]))
    assert "bin 0 below the floor" in _names("alone-f0-edges-2026", "f0.coarse", "f0.coarse", ours, "f0.filled")
    assert number_of("f0.coarse", "bin 0 below the floor") == "D5"


@pytest.mark.parametrize(("frames", "name"), [(32, "missing upsampling"), (31, None), (64, None)])
def test_content_that_is_not_doubled_is_named(frames: int, name: str | None) -> None:
    case, golden = store.open_case(store.GOLDENS / "v1-32k-pm-2026"), np.zeros((1, 63, 256), np.float32)
    cause = realtime.other_length(case, "content.upsampled", np.zeros((1, frames, 256), np.float32), golden)
    assert (cause["name"] if cause else None) == name
    assert cause is None or cause["divergence"] == "D25"


def test_contents_that_are_exchanged_in_the_blend_are_named() -> None:
    """A fork that swaps the two sides of protect: voiced frames lose the retrieved content."""
    case = store.open_case(store.GOLDENS / "v2-40k-pm-classic")
    upsampled, hz = np.asarray(case["seg0.content.upsampled"]), np.asarray(case["f0.hz"])
    own = np.repeat(np.asarray(case["seg0.hubert.features"]), 2, 1)[:, : upsampled.shape[1]]
    share = np.where(hz[:, : upsampled.shape[1]] < 1, case.options["protect"], 1.0)[..., None]
    ours = (upsampled * (1 - share) + own * share).astype(np.float32)
    inputs = ("seg0.content.upsampled", "seg0.hubert.features", "f0.hz")
    assert "exchanged contents" in _names(
        "v2-40k-pm-classic", "content.protected", "seg0.content.protected", ours, *inputs
    )
    assert number_of("content.protected", "exchanged contents") == "D2"


@pytest.mark.parametrize(
    ("peak", "name"), [(0.99, "always normalised"), (10 ** (-1 / 20), "always normalised"), (0.6, None)]
)
def test_an_input_that_is_scaled_up_to_a_peak_is_named(peak: float, name: str | None) -> None:
    case = store.open_case(store.GOLDENS / "v1-32k-pm-2026")
    raw = np.asarray(case["audio16k.raw"])
    ours = raw * np.float32(peak / np.abs(raw).max())
    assert _names("v1-32k-pm-2026", "audio16k", "audio16k", ours, "audio16k.raw") == ([name] if name else [])
    assert number_of("audio16k", "always normalised") == "D15"


@pytest.mark.parametrize("golden", ["v2-40k-pm-classic", "alone-f0-edges-classic"])  # without, and with F0 below 1 Hz
@pytest.mark.parametrize(("own", "name"), [(0, "protect as multiplication"), (1, "protect at 0 Hz only")])
def test_protect_of_frames_at_0_hz_alone_is_named(golden: str, own: int, name: str) -> None:
    case = store.open_case(store.GOLDENS / golden)
    content, hz = np.asarray(case["seg0.content.upsampled"]), np.asarray(case["f0.hz"])[:, :, None]
    share = np.where(hz[:, : content.shape[1]] > 0, 1.0, case.options["protect"])
    features = np.repeat(np.asarray(case["seg0.hubert.features"]), 2, 1)[:, : content.shape[1]]
    ours = (content * share + own * features * (1 - share)).astype(np.float32)
    inputs = ("seg0.content.upsampled", "seg0.hubert.features", "f0.hz")
    names = _names(golden, "content.protected", "seg0.content.protected", ours, *inputs)
    assert names == ([name] if golden.startswith("alone") or not own else [])  # elsewhere it is the original's protect
    assert number_of("content.protected", name) == "D2"


def test_a_missing_protect_states_that_a_threshold_at_0_hz_shows_the_same() -> None:
    case = store.open_case(store.GOLDENS / "alone-f0-edges-2026")
    stage, inputs = stages.stage_named("content.protected"), ("content.upsampled", "hubert.features")
    assert stage is not None
    given = {f"seg0.{name}": np.asarray(case[f"seg0.{name}"]) for name in inputs} | {"f0.hz": np.asarray(case["f0.hz"])}
    name, ours = TensorName.parse("seg0.content.protected"), given["seg0.content.upsampled"]
    (guess,) = [
        guess
        for guess in registry.guesses(registry.Deviation(case, stage, name, given, ours))
        if guess.name == "missing protect"
    ]
    assert guess.sentence == (
        "unvoiced frames are not protected; "
        "the same shows where only frames at 0 Hz count as unvoiced, because this golden has none"
    )
