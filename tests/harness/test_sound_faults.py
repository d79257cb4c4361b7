"""Faults of one part of a sound, and of its clock, spectrum and form: each is named with its size and its place."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import butter, sosfiltfilt

from parity.cli.main import main
from parity.waveforms import delay_path
from parity.waveforms.differences import Difference, Kind
from parity.waveforms.pair import Pair, PairState, compare
from parity.waveforms.sound_file import Sound, is_sound
from tests.harness.test_two_sounds import RATE as VOICE_RATE
from tests.harness.test_two_sounds import VOICE, voice

pytest.importorskip("librosa")
RATE = 16000  # Hz; lower than that of the other tests, for speed
SMALL = soxr.resample(VOICE, VOICE_RATE, RATE)
HALF = len(SMALL) // 2
BLOCK = round(0.02 * RATE)


def pair(samples: np.ndarray) -> Pair:
    """The comparison of samples with the voice."""
    sounds = [
        Sound(name, np.asarray(each).reshape(-1, 1), RATE, "FLOAT") for name, each in (("a", SMALL), ("b", samples))
    ]
    return compare(*sounds)


def one(compared: Pair, kind: Kind) -> Difference:
    """The one difference of a kind."""
    (only,) = [difference for difference in compared.differences if difference.kind is kind]
    return only


def moved(delay: np.ndarray) -> np.ndarray:
    """The voice with a delay in samples at each time."""
    return delay_path.read_at(SMALL, np.arange(len(SMALL)) - delay)


@pytest.mark.parametrize("ppm", [-300, 120, 2000])
def test_a_clock_that_drifts_is_named_with_its_size(ppm: float) -> None:
    count = round(len(SMALL) * (1 + ppm * 1e-6))
    compared = pair(delay_path.read_at(SMALL, np.arange(count) / (1 + ppm * 1e-6)))
    assert 1e6 * (one(compared, Kind.SPEED).value - 1) == pytest.approx(-ppm, abs=10)
    assert not {Kind.DELAY_STEP, Kind.DELAY_VARIES, Kind.GAIN} & {each.kind for each in compared.differences}
    assert compared.remainder < -35


def test_a_delay_that_varies_is_named_and_followed() -> None:
    time = np.arange(len(SMALL)) / len(SMALL)
    compared = pair(moved(6 * np.sin(2 * np.pi * time)))
    difference = one(compared, Kind.DELAY_VARIES)
    assert difference.value * RATE == pytest.approx(12, abs=2) and "latest near" in difference.sentence
    assert compared.state is PairState.DIFFERS and compared.summary.log_spectral < 2


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.delete(SMALL, HALF), [(HALF, -1)]),
        (np.concatenate([SMALL[:HALF], SMALL[HALF - BLOCK :]]), [(HALF, BLOCK)]),
        (
            np.concatenate([SMALL[: HALF // 2], np.zeros(150), SMALL[HALF // 2 : HALF], SMALL[HALF + 150 :]]),
            [(HALF // 2, 150), (HALF, -150)],
        ),
    ],
    ids=["one sample is missing", "20 ms are repeated", "inserted and missing"],
)
def test_each_change_of_the_delay_is_located(samples: np.ndarray, expected: list[tuple[int, int]]) -> None:
    compared = pair(samples)
    steps = [each for each in compared.differences if each.kind is Kind.DELAY_STEP]
    assert [round(step.value * RATE) for step in steps] == [count for _, count in expected]
    for step, (place, _) in zip(steps, expected, strict=True):
        assert float(step.sentence.split()[1]) == pytest.approx(place / RATE, abs=0.03)


@pytest.mark.parametrize("fault", ["click", "zeros", "repeated"])
def test_what_differs_in_one_short_part_is_located(fault: str) -> None:
    samples = SMALL.copy()
    if fault == "click":
        samples[HALF] += 0.5
    else:
        samples[HALF : HALF + BLOCK] = 0.0 if fault == "zeros" else SMALL[HALF - BLOCK : HALF]
    compared = pair(samples)
    assert compared.state is PairState.DIFFERS
    assert one(compared, Kind.PLACE).value == pytest.approx(HALF / RATE, abs=0.005)
    assert {each.kind for each in compared.differences} == {Kind.PLACE}


def test_f0_that_is_20_cents_higher_everywhere_is_named() -> None:
    time = np.arange(len(SMALL)) / RATE
    swell = 0.05 + 0.1 * np.sin(2 * np.pi * 1.7 * time) ** 2

    def tone(cents: float, seed: int) -> np.ndarray:
        phase = 2 * np.pi * np.cumsum(180 * 2 ** (cents / 1200 + 0.1 * np.sin(2 * np.pi * time))) / RATE
        return swell * sum(np.sin(k * phase + seed) / k for k in range(1, 12))

    first, second = (
        Sound(name, each.reshape(-1, 1), RATE, "FLOAT") for name, each in (("a", tone(0, 0)), ("b", tone(20, 2)))
    )
    compared = compare(first, second)
    assert one(compared, Kind.PITCH).value == pytest.approx(20, abs=4)
    assert not {Kind.SPEED, Kind.DELAY_STEP, Kind.DELAY_VARIES} & {each.kind for each in compared.differences}


@pytest.mark.parametrize(("kind", "edge", "word"), [("lowpass", 4000, "above"), ("highpass", 600, "below")])
def test_a_lost_end_of_the_spectrum_is_named(kind: str, edge: float, word: str) -> None:
    difference = one(pair(sosfiltfilt(butter(8, edge, kind, fs=RATE, output="sos"), SMALL)), Kind.BAND)
    assert difference.value == pytest.approx(edge, rel=0.2) and difference.sentence.startswith(word)


def test_a_gain_of_any_size_that_explains_all_is_named() -> None:
    compared = pair(SMALL * 10 ** (-0.05 / 20))
    assert compared.state is PairState.ALTERED and one(compared, Kind.GAIN).value == pytest.approx(-0.05, abs=1e-3)


def test_16_bit_numbers_written_as_floats_are_named_and_not_clipped() -> None:
    compared = pair(SMALL * 32768)
    assert compared.state is PairState.ALTERED and "times full scale" in compared.differences[-1].sentence


def test_samples_that_were_clipped_and_made_quieter_are_counted() -> None:
    clipped = 0.5 * np.clip(SMALL * 20, -1, 1)
    assert one(pair(clipped), Kind.CLIPPED).value > 100


def test_a_reversed_sound_has_nothing_in_common() -> None:
    time = np.arange(len(SMALL)) / RATE
    swell = np.exp(-3 * time) + 0.3 * np.exp(-40 * (time - 0.6) ** 2)
    noisy = 0.1 * swell * np.random.default_rng(4).standard_normal(len(time))
    sounds = [Sound(name, each.reshape(-1, 1), RATE, "FLOAT") for name, each in (("a", noisy), ("b", noisy[::-1]))]
    assert compare(*sounds).state is PairState.OTHER


def test_a_short_excerpt_of_a_quiet_part_is_found(recwarn: pytest.WarningsRecorder) -> None:
    begin = round(0.45 * RATE)  # in the hiss
    compared = pair(SMALL[begin : begin + 4 * BLOCK])
    assert compared.state is PairState.ALTERED and not recwarn.list
    assert one(compared, Kind.HEAD).value == pytest.approx(0.45, abs=1e-3)


def test_other_sound_at_an_end_is_no_mere_alteration() -> None:
    other = soxr.resample(voice(seed=5), VOICE_RATE, RATE)[: RATE // 2][::-1]
    for samples in (np.concatenate([SMALL, other]), np.concatenate([other, SMALL])):
        compared = pair(samples)
        assert compared.state is PairState.DIFFERS and one(compared, Kind.ADDED).value == pytest.approx(0.5, abs=1e-3)
    silent = pair(np.concatenate([SMALL, 0 * other]))
    assert silent.state is PairState.ALTERED


def test_a_second_channel_of_the_other_polarity_and_silent_channels_are_named() -> None:
    one_channel = Sound("a", SMALL.reshape(-1, 1), RATE, "FLOAT")
    for others, expected in [
        ([SMALL, -SMALL], "channel 2 is channel 1 with the other polarity"),
        ([0 * SMALL, SMALL, 0 * SMALL], "channels 1 and 3 are silent; channel 2 is compared"),
    ]:
        compared = compare(one_channel, Sound("b", np.stack(others, 1), RATE, "FLOAT"))
        assert compared.state is PairState.ALTERED and expected in one(compared, Kind.CHANNELS).sentence


@pytest.mark.parametrize(
    ("suffix", "form"), [("au", "AU"), ("w64", "W64"), ("rf64", "RF64"), ("aiff", "AIFF"), ("caf", "CAF")]
)
def test_sound_files_of_every_form_are_recognized(suffix: str, form: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", SMALL, RATE, subtype="PCM_16", format=form)
    assert is_sound(tmp_path / f"a.{suffix}")


def test_a_sound_of_a_form_that_is_not_read_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.wav", SMALL, RATE)
    (tmp_path / "b.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    (tmp_path / "b.webm").write_bytes(b"\x1aE\xdf\xa3" + bytes(100))
    for name in ("b.m4a", "b.webm"):
        assert main(["compare", str(tmp_path / "a.wav"), str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert f"{name} cannot be read as a sound" in error and error.count("\n") == 1
