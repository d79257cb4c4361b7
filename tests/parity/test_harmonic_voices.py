"""The voices whose output can be judged by ear: harmonics dominate, F0 is that of the source, and stages matter."""

from pathlib import Path

import numpy as np
import pytest
import test_tracing
from recorded_stages import Replay, relative_change

from parity import voices
from parity.goldens import store
from parity.goldens.time_axes import first_frame
from parity.waveforms import pitch

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
OF_EAR = ("ear-turn-v1-classic", "ear-turn-v2-2026", "ear-word-v1-2026", "ear-word-v2-classic")
RATE, WINDOW = 40000, 1024  # Hz, samples: 26 ms, in which a glide moves by less than three semitones


def output(case: store.Case) -> tuple[np.ndarray, np.ndarray]:
    """The untrimmed waveform of a golden and the F0 of its frames."""
    start = first_frame(0, case.get("segment.cuts"))
    wave = case["seg0.waveform.segment.full"].astype(np.float64)
    return wave, case["f0.hz"][0, start : start + len(wave) // (RATE // 100)].astype(np.float64)


@pytest.mark.parametrize(
    ("name", "share"), [(name, 0.95 if "turn" in name else 0.5) for name in OF_EAR]
)  # F0 of the word changes within the tracker's window, and RMVPE fills its unvoiced frames
def test_the_output_has_the_pitch_of_the_source(name: str, share: float) -> None:
    wave, hz = output(store.open_case(GOLDENS / name))
    tracked = pitch.track(wave, RATE, 0.01)[: len(hz)]
    both = (hz[: len(tracked)] > 0) & (tracked > 0)
    assert both.sum() > 0.5 * (hz > 0).sum()
    cents = 1200 * np.abs(np.log2(tracked[both] / hz[: len(tracked)][both]))
    assert np.mean(cents < 50) > share


@pytest.mark.parametrize("name", ["ear-turn-v1-classic", "ear-turn-v2-2026"])
def test_harmonics_dominate_the_output(name: str) -> None:
    wave, hz = output(store.open_case(GOLDENS / name))
    shares = []
    for frame in np.flatnonzero(hz > 0):
        middle = frame * RATE // 100
        piece = wave[max(middle - WINDOW // 2, 0) : middle + WINDOW // 2]
        if len(piece) == WINDOW:
            power = np.abs(np.fft.rfft(piece * np.hanning(WINDOW))) ** 2
            frequency = np.fft.rfftfreq(WINDOW, 1 / RATE)
            number = np.maximum(np.rint(frequency / hz[frame]), 1)
            near = np.abs(frequency - number * hz[frame]) < 0.2 * hz[frame]  # 40 % of a white spectrum
            shares.append(power[near].sum() / power.sum())
    assert len(shares) > 20
    assert np.mean(shares) > 0.8


def test_the_twelve_kinds_are_none_of_these() -> None:
    assert not set(voices.KINDS) & set(voices.HARMONIC)
    assert set(voices.VOICES) == set(voices.KINDS) | set(voices.HARMONIC)


@pytest.mark.slow
@pytest.mark.parametrize("kind", voices.HARMONIC)
def test_every_stage_of_the_synthesizer_moves_the_output(kind: str) -> None:
    networks = test_tracing.networks_of(kind)
    trace, config = test_tracing.converted(networks, "speech_word", "pm")
    replay = Replay(networks, config, trace)
    assert 0.03 <= replay.values["waveform.concat"].std() <= 0.3
    for name in (
        "content.protected",
        "hz",
        "coarse",
        "enc_p.m",
        "enc_p.logs",
        "noise.z",
        "z_p",
        "flow.z",
        "nsf.source",
    ):
        changed = test_tracing.one_frame_late(replay.values[name], *test_tracing.FRAMES[name])
        values = replay.with_(name, np.ascontiguousarray(changed))
        moved = relative_change(values[test_tracing.WAVEFORM], replay.values[test_tracing.WAVEFORM])
        assert moved >= 100 * test_tracing.limit(test_tracing.WAVEFORM, "chained"), (name, moved)
