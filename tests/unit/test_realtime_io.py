"""Sources, sinks and the stop signal of a stream."""

from __future__ import annotations

import io
import signal

import numpy as np
import pytest
import soundfile
import soxr

from rvc.audio.decoding import decode
from rvc.errors import BadInput
from rvc.realtime.io.sinks import to_pcm
from rvc.realtime.io.sources import FileSource, PipeSource, blocks, device_rate
from rvc.realtime.io.stop import StopSignal
from rvc.realtime.io.wav_pipe import read_start


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


def wav(samples, rate, subtype, kind="WAV"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=kind)
    return file.getvalue()


def from_pipe(data, rate, block=64):
    pipe = io.BytesIO(data)
    return np.concatenate([*PipeSource(pipe, rate, "s16le", 1, block, read_start(pipe)), np.zeros(0, np.float32)])


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_file_in_a_pipe_equals_the_file(tmp_path, kind, subtype):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (999, 2))
    data = wav(samples, 44100, subtype, kind)
    (tmp_path / "a.wav").write_bytes(data)
    expected = np.concatenate(list(FileSource(tmp_path / "a.wav")))
    np.testing.assert_array_equal(from_pipe(data, 44100), expected)


def test_the_chunks_around_the_samples_are_not_sound():
    data = wav(np.full(100, 0.25), 16000, "PCM_16")
    junk = b"JUNK" + (7).to_bytes(4, "little") + b"sevenxx\0"
    np.testing.assert_array_equal(from_pipe(data[:12] + junk + data[12:] + junk, 16000), np.full(100, 0.25))


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x00\xf0\xff\x7f"])
def test_the_samples_of_an_unknown_length_go_on_to_the_end(size):
    """As ffmpeg, sox and arecord write the header to a pipe."""
    data = bytearray(wav(np.full(100, 0.25), 16000, "PCM_16"))
    at = data.index(b"data") + 4
    data[at : at + 4] = size
    np.testing.assert_array_equal(from_pipe(bytes(data), 16000), np.full(100, 0.25))


def test_a_wav_file_of_another_rate_is_resampled():
    assert len(from_pipe(wav(np.zeros(4410), 44100, "PCM_16"), 48000)) == 4800


@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_raw_samples_lose_nothing_of_their_start(channels):
    samples = np.arange(channels * 50, dtype="<f4").reshape(-1, channels)
    pipe = io.BytesIO(samples.tobytes())
    pieces = list(PipeSource(pipe, 48000, "f32le", channels, 1, read_start(pipe)))
    np.testing.assert_array_equal(np.concatenate(pieces), samples.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "stdin holds no samples; expected raw samples or a WAV file"),
        (wav(np.zeros(9), 16000, "PCM_16", "FLAC"), "stdin carries a FLAC file, expected raw samples or a WAV file; "),
        (wav(np.zeros(9), 16000, "ULAW"), "stdin carries a WAV file with samples of format 7 and 8 bits, expected PCM"),
        (wav(np.zeros(9), 16000, "PCM_16")[:30], "stdin carries a WAV file that ends before its samples; record it ag"),
        (wav(np.zeros(0), 16000, "PCM_16"), "stdin holds no samples; expected raw samples or a WAV file"),
        (wav(np.zeros(9), 2**31 - 1, "PCM_16"), "stdin carries a WAV file without a usable format; it is damaged"),
    ],
)
def test_a_pipe_without_samples_is_refused(data, message):
    with pytest.raises(BadInput) as error:
        read_start(io.BytesIO(data))
    assert str(error.value).startswith(message)


def test_a_file_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    with pytest.raises(BadInput, match="holds no samples"):
        FileSource(tmp_path / "a.wav")


def test_a_stream_reads_what_a_conversion_reads(tmp_path):
    """A FLAC file that is cut, and a WAV file whose header declares no samples, are read as far as they go."""
    noise = np.random.default_rng(0).integers(-9000, 9000, 100000, np.int16)
    soundfile.write(tmp_path / "a.flac", noise, 16000)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    whole = wav(noise, 16000, "PCM_16")
    at = whole.index(b"data") + 4
    (tmp_path / "a.wav").write_bytes(whole[:at] + bytes(4) + whole[at + 4 :])
    for name, least in (("a.flac", 40000), ("a.wav", 100000)):
        samples = np.concatenate(list(FileSource(tmp_path / name)))
        np.testing.assert_array_equal(samples, decode(tmp_path / name))
        np.testing.assert_array_equal(samples, (noise / np.float32(32768))[: len(samples)])
        assert len(samples) >= least


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
