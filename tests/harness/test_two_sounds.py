"""Two sounds beside each other: what `rvc-parity compare A.wav B.wav` finds, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import butter, sosfiltfilt

from parity.cli.main import main
from parity.waveforms import sound_file
from parity.waveforms.differences import Kind
from parity.waveforms.pair import Pair, PairState, compare
from parity.waveforms.sound_file import Sound

RATE = 40000  # Hz


def hertz(turned: bool = False) -> np.ndarray:
    """F0 that moves between 160 and 250 Hz; `turned`: a semitone higher from 0.8 s to 1.2 s."""
    time = np.arange(round(1.8 * RATE)) / RATE
    curve = 200 * 2 ** (0.3 * np.sin(2 * np.pi * 1.3 * time))
    if turned:
        curve[round(0.8 * RATE) : round(1.2 * RATE)] *= 2 ** (1 / 12)
    return curve


def voice(turned: bool = False, seed: int = 0) -> np.ndarray:
    """1.8 s like a voice: harmonics that swell, a hiss from 0.4 s to 0.55 s, and a little noise."""
    curve = hertz(turned)
    phase, time = 2 * np.pi * np.cumsum(curve) / RATE, np.arange(len(curve)) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 30)) * 0.1 * (0.6 + 0.4 * np.sin(2 * np.pi * 2.1 * time))
    generator = np.random.default_rng(seed)
    hiss = slice(round(0.4 * RATE), round(0.55 * RATE))
    sound[hiss] = 0.02 * generator.standard_normal(hiss.stop - hiss.start)
    return sound + 0.002 * generator.standard_normal(len(sound))


VOICE = voice()


def sound(samples: np.ndarray, rate: int = RATE, name: str = "mine.wav") -> Sound:
    """Samples as a sound."""
    return Sound(name, np.asarray(samples, float).reshape(len(samples), -1), rate, "FLOAT")


def beside(samples: np.ndarray, rate: int = RATE) -> Pair:
    """The comparison of samples with the voice."""
    return compare(sound(VOICE, name="original.wav"), sound(samples, rate))


def value(pair: Pair, kind: Kind) -> float:
    """The value of the one difference of a kind."""
    (only,) = [difference.value for difference in pair.differences if difference.kind is kind]
    return only


def kinds(pair: Pair) -> set[Kind]:
    """The kinds of the differences."""
    return {difference.kind for difference in pair.differences}


def test_samples_rounded_to_16_bits_are_the_same() -> None:
    pair = beside(np.round(VOICE * 32768) / 32768)
    assert pair.state is PairState.SAME and not pair.differences and not pair.places


def test_one_moved_sample_differs() -> None:
    moved = VOICE.copy()
    moved[RATE // 2] += 0.01
    assert beside(moved).state is not PairState.SAME


@pytest.mark.parametrize(
    ("samples", "rate", "kind", "expected"),
    [
        (VOICE * 0.5, RATE, Kind.GAIN, -6.02),
        (-VOICE, RATE, Kind.POLARITY, -1),
        (np.concatenate([np.zeros(417), VOICE]), RATE, Kind.DELAY, 417 / RATE),
        (VOICE[1000:], RATE, Kind.HEAD, 1000 / RATE),
        (VOICE[: -RATE // 4], RATE, Kind.TAIL, 0.25),
        (soxr.resample(VOICE, RATE, 48000), 48000, Kind.RATE, 48000),
        (VOICE, 48000, Kind.SPEED, 1.2),
        (soxr.resample(VOICE, RATE, 32000), RATE, Kind.SPEED, 1.25),
        (np.stack([VOICE, VOICE], 1), RATE, Kind.CHANNELS, 2),
        (np.stack([0 * VOICE, VOICE], 1), RATE, Kind.CHANNELS, 2),
        (VOICE + 0.01, RATE, Kind.OFFSET, 0.01),
    ],
    ids=["gain", "polarity", "delay", "head", "tail", "rate", "header", "samples", "equal", "silent", "offset"],
)
def test_an_alteration_is_named_with_its_size_and_nothing_else(
    samples: np.ndarray, rate: int, kind: Kind, expected: float
) -> None:
    pair = beside(samples, rate)
    assert pair.state is PairState.ALTERED
    assert value(pair, kind) == pytest.approx(expected, rel=0.01, abs=1e-4)
    assert kinds(pair) - {Kind.DELAY} <= {kind}


def test_exchanged_channels_are_named() -> None:
    other = voice(seed=3)[::-1] * 0.5
    pair = compare(sound(np.stack([VOICE, other], 1), name="original.wav"), sound(np.stack([other, VOICE], 1)))
    assert kinds(pair) == {Kind.CHANNELS} and "exchanged" in pair.differences[0].sentence


def test_missing_samples_in_the_middle_are_located() -> None:
    cut = round(0.9 * RATE)
    pair = beside(np.concatenate([VOICE[:cut], VOICE[cut + 400 :]]))
    assert pair.state is PairState.DIFFERS
    assert value(pair, Kind.DELAY_STEP) == pytest.approx(-0.01, abs=1e-4)
    (step,) = [difference for difference in pair.differences if difference.kind is Kind.DELAY_STEP]
    assert 0.7 < float(step.sentence.split()[1]) < 1.1


def test_a_gap_is_located_by_level_and_is_no_gain() -> None:
    gap = VOICE.copy()
    gap[RATE : RATE + 4000] = 0.0
    pair = beside(gap)
    (place,) = [place for place in pair.places if place.measure == "loudness"]
    assert (place.begin, place.end) == pytest.approx((1.0, 1.1), abs=0.03)
    assert Kind.GAIN not in kinds(pair)


def test_a_semitone_in_one_part_is_located_by_cents() -> None:
    pair = beside(voice(turned=True))
    (place,) = [place for place in pair.places if place.measure == "cents"]
    assert (place.begin, place.end) == pytest.approx((0.8, 1.2), abs=0.03)
    assert abs(place.worst) == pytest.approx(100, abs=15)
    assert not {Kind.DELAY_STEP, Kind.DELAY_VARIES, Kind.SPEED} & kinds(pair)


def test_a_missing_high_band_is_named_by_its_measure() -> None:
    pair = beside(sosfiltfilt(butter(8, 7000, fs=RATE, output="sos"), VOICE))
    assert pair.summary.high_band > 20 and pair.summary.cents < 1


def test_clipped_samples_are_counted() -> None:
    pair = beside(np.clip(VOICE * 6, -1, 1))
    assert Kind.CLIPPED in kinds(pair) and pair.state is PairState.DIFFERS


def test_unrelated_and_silent_sounds_have_nothing_in_common() -> None:
    generator = np.random.default_rng(9)
    assert beside(0.1 * generator.standard_normal(len(VOICE))).state is PairState.OTHER
    silent = beside(0 * VOICE)
    assert silent.state is PairState.OTHER and silent.differences[0].sentence == "mine.wav is silent"


def test_other_noise_of_one_level_is_aligned_by_level() -> None:
    time = np.arange(2 * RATE) / RATE
    swell = 0.02 + 0.1 * (np.sin(2 * np.pi * 1.1 * time) + np.sin(2 * np.pi * 2.7 * time)) ** 2
    first, second = (swell * np.random.default_rng(seed).standard_normal(len(swell)) for seed in (1, 2))
    pair = compare(sound(first, name="original.wav"), sound(second))
    assert pair.state is PairState.DIFFERS and pair.alignment.by_level and Kind.NOISE in kinds(pair)
    assert pair.summary.loudness < 2.0


def test_the_command_writes_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "original.wav", tmp_path / "mine.flac"
    soundfile.write(one, VOICE, RATE)
    soundfile.write(other, VOICE * 0.5, RATE)
    assert main(["compare", str(one), str(one)]) == 0
    assert "same samples" in capsys.readouterr().out
    assert main(["compare", str(one), str(other), "--json", "--out", str(tmp_path / "out")]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["state"] == "the same sound, altered" and document["format"] == "rvc-sounds/1"
    assert document == json.loads((tmp_path / "out" / "sounds.json").read_text())
    assert len(document["frames"]["times"]) == len(document["frames"]["cents"]) > 170


def test_a_golden_and_a_sound_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from parity.goldens import store

    golden = store.GOLDENS / "v1-40k-pm-classic"
    case = store.open_case(golden)
    soundfile.write(tmp_path / "mine.wav", case["waveform.final"], 40000, subtype="PCM_16")
    assert main(["compare", str(golden), str(tmp_path / "mine.wav")]) == 0
    assert "same samples" in capsys.readouterr().out


def test_every_kind_of_bad_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, empty, broken, nan = (tmp_path / name for name in ("good.wav", "empty.wav", "broken.wav", "nan.wav"))
    soundfile.write(good, VOICE, RATE)
    soundfile.write(empty, VOICE[:10], RATE)
    broken.write_bytes(b"RIFF" + bytes(60))
    soundfile.write(nan, np.where(np.arange(4000) == 7, np.nan, 0.1), RATE, subtype="FLOAT")
    trace = tmp_path / "trace.safetensors"
    trace.write_bytes(b"no trace")
    for arguments, expected in [
        ([good, empty], "0.000 s of sound; at least 0.05 s can be compared"),
        ([good, broken], "cannot be read as a sound"),
        ([good, nan], "holds samples that are NaN or infinite"),
        ([good, trace], "is a sound and"),
        ([good, tmp_path / "none.wav"], "is a sound and"),
        ([good, good, "--stage", "flow"], "--stage, --waivers and --names belong to dumps"),
    ]:
        assert main(["compare", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1


@pytest.mark.parametrize("rate", [1000, 768000])
def test_sounds_of_the_lowest_and_a_very_high_rate_are_compared(
    rate: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    soundfile.write(tmp_path / "a.wav", soxr.resample(VOICE[: RATE // 4], RATE, rate), rate)
    soundfile.write(tmp_path / "b.wav", VOICE[: RATE // 4], RATE)
    for pair in (("a", "a"), ("a", "b"), ("b", "a")):
        assert main(["compare", *(str(tmp_path / f"{name}.wav") for name in pair)]) == int(pair[0] != pair[1])
    assert capsys.readouterr().err == "" and not recwarn.list


def test_no_more_memory_is_taken_than_the_samples_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((2500, 2), 0.25), RATE)
    monkeypatch.setattr(sound_file, "PIECE", 1000)
    assert sound_file.read(path).samples.shape == (2500, 2)
    monkeypatch.setattr(sound_file, "PIECE", 1250)
    assert np.all(sound_file.read(path).samples == 0.25) and sound_file.read(path).samples.shape == (2500, 2)
    monkeypatch.setattr(sound_file, "PIECE", 1 << 20)
    asked: list[int] = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile,
        "read",
        lambda self, frames, **options: asked.append(frames) or read(self, frames, **options),
    )
    assert len(sound_file.read(path).samples) == 2500 and asked == [1 << 20]
