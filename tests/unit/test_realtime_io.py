"""Sources, sinks and the stop signal of a stream."""

from __future__ import annotations

import io
import signal

import numpy as np
import pytest
import soundfile
import soxr

from rvc.realtime.io.sinks import to_pcm
from rvc.realtime.io.sources import FileSource, PipeSource, blocks, device_rate
from rvc.realtime.io.stop import StopSignal


@pytest.mark.parametrize("cuts", [(5,), (1, 2, 3, 30), (10, 10, 10), (), (0, 7, 0), (29, 2)])
def test_blocks_hold_every_sample_and_end_with_zeros(cuts):
    sound = np.arange(1, sum(cuts) + 1, dtype=np.float32)
    pieces = iter(np.split(sound, np.cumsum(cuts))[:-1])
    cut = [(block.copy(), real) for block, real in blocks(pieces, 10)]
    assert all(block.shape == (10,) for block, _ in cut)
    assert sum(real for _, real in cut) == len(sound)
    joined = np.concatenate([np.zeros(0), *(block for block, _ in cut)])
    np.testing.assert_array_equal(joined[: len(sound)], sound)
    assert not joined[len(sound) :].any()


def test_a_file_read_in_pieces_equals_the_file_resampled_at_once(tmp_path):
    sound = np.random.default_rng(0).normal(size=(150000, 2)).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "a.wav", sound, 44100, subtype="FLOAT")
    pieces = np.concatenate(list(FileSource(tmp_path / "a.wav", 40000)))
    at_once = soxr.resample(sound.mean(axis=1), 44100, 40000, quality="HQ")
    assert abs(len(pieces) - len(at_once)) <= 1
    np.testing.assert_allclose(pieces[:136000], at_once[:136000], atol=1e-6)


def test_rates_are_doubled_until_10_ms_are_whole_samples():
    assert [device_rate(rate) for rate in (48000, 44100, 22050, 11025, 16000, 6000)] == [
        48000,
        44100,
        44100,
        44100,
        16000,
        12000,
    ]


@pytest.mark.parametrize("rate", [7999, 22254, 44056, 11127, 1, 384000, 37])
def test_every_rate_has_a_device_rate(rate):
    """Rates that no doubling brings to a multiple of 100 made the search run without end."""
    chosen = device_rate(rate)
    assert chosen >= max(rate, 8000) and chosen % 100 == 0 and chosen < 16000 + 2 * rate + 200


@pytest.mark.parametrize("form", ["s16le", "f32le"])
def test_pipes_carry_both_formats(form):
    samples = np.array([[0.5, 0.25], [-1.0, 1.0], [0.0, -0.5]], np.float32)
    data = to_pcm(samples.ravel()).tobytes() if form == "s16le" else samples.tobytes()
    source = PipeSource(io.BytesIO(data + b"\x01"), 48000, form, 2, 2)
    np.testing.assert_allclose(np.concatenate(list(source)), samples.mean(axis=1), atol=1e-4)


def test_pipe_samples_that_are_not_finite_become_zero():
    data = np.array([np.nan, 0.5, np.inf], np.float32).tobytes()
    np.testing.assert_array_equal(next(iter(PipeSource(io.BytesIO(data), 48000, "f32le", 1, 3))), [0, 0.5, 0])


def test_samples_are_rounded_and_clipped_to_int16():
    assert to_pcm(np.array([0.5, 1.5, -1.5, 1 / 65536 * 1.1], np.float32)).tolist() == [16384, 32767, -32768, 1]


def test_a_stop_while_waiting_for_input_ends_it():
    stop, before = StopSignal(), signal.getsignal(signal.SIGINT)  # a shell's background job starts with it ignored

    def forever():
        yield 1
        signal.raise_signal(signal.SIGINT)
        yield 2

    with stop.installed():
        pieces = forever()
        assert stop.next(pieces) == 1
        assert stop.next(pieces) is None
    assert stop.requested
    assert signal.getsignal(signal.SIGINT) is before


def test_a_stop_during_a_block_waits_for_its_end():
    stop = StopSignal()
    with stop.installed():
        signal.raise_signal(signal.SIGINT)  # does not raise
        assert stop.next(iter([1])) is None
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
