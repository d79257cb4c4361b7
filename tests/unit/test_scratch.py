"""Arrays in a temporary file come back with the same bits, and results do not depend on where they are."""

import mmap
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from rvc import scratch
from rvc.audio import output, preparation, segments
from rvc.audio.segments import Window
from rvc.scratch import ScratchArrays, ScratchFrames, frame_store
from rvc.weights.memory import trim_heap


def arrays():
    generator = np.random.default_rng(0)
    shapes = [(1, 50, 768), (3,), (0, 4), (2, 2), (1, 7, 3)]
    return [generator.standard_normal(shape).astype(np.float32) for shape in shapes] + [np.arange(9), np.array(2.5)]


@pytest.mark.parametrize("budget", [0, 100, 1 << 20])
def test_arrays_come_back_with_the_same_bits(budget):
    scratch = ScratchArrays(budget)
    with ThreadPoolExecutor(3) as threads:
        stored = list(threads.map(scratch.put, arrays() * 20))
        loaded = list(threads.map(lambda entry: entry.load(), stored))
    for array, back in zip(arrays() * 20, loaded, strict=True):
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)


def test_the_first_arrays_stay_in_memory():
    scratch, array = ScratchArrays(20), np.ones(4, np.float32)
    assert scratch.put(array).load() is array
    assert scratch.put(array).load() is not array


@pytest.mark.parametrize("store", [ScratchFrames(10, 3), torch.zeros(10, 3)])
def test_frames_are_read_as_from_a_tensor(store):
    values = torch.arange(30.0).view(10, 3)
    for start in (6, 0, 3):
        store[start : start + 4] = values[start : start + 4]
    assert len(store) == 10
    for frames in (slice(0, 4), slice(7, 12), slice(3, 3), slice(0, 10)):
        assert torch.equal(store[frames], values[frames])


def test_without_a_folder_for_temporary_files_memory_is_used(monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    array = np.ones(4, np.float32)
    assert ScratchArrays(0).put(array).load() is array
    assert isinstance(frame_store(4, 4, budget=0), torch.Tensor)


@pytest.mark.parametrize("count", [8000, 8161, 20000, 56017, 100000])
def test_cuts_do_not_depend_on_where_the_loudness_is_computed(count):
    window = Window(pad=0.1, query=0.2, center=0.5, max=0.6)
    sound = np.random.default_rng(count).standard_normal(count)
    sound[3000:5000] = 0
    profile, cuts = segments.cut_points(sound, window)
    assert np.array_equal(cuts, segments.cut_points_without_profile(sound, window))
    if profile is not None:
        magnitude = np.abs(np.pad(sound, 80, mode="reflect"))
        expected = np.zeros(count)
        for shift in range(160):
            expected += magnitude[shift : shift + count]
        assert np.array_equal(profile, expected)
        assert np.array_equal(segments.loudness(sound, 777, 5001), expected[777:5001])


@pytest.fixture
def small_budget(monkeypatch):
    """Every signal is in a temporary file, and every block has 1000 elements."""
    monkeypatch.setattr(scratch.new_signal, "__defaults__", (0,))
    monkeypatch.setattr(scratch.join, "__defaults__", (0,))
    monkeypatch.setattr(scratch.frame_store, "__defaults__", ("cpu", 0))
    monkeypatch.setattr(scratch.blocks, "__defaults__", (1000,))


def sound(count=50_000):
    return (np.random.default_rng(0).standard_normal(count) * 3).astype(np.float32)


def processed(raw):
    """What the audio stages make of a sound."""
    window = Window(pad=0.1, query=0.2, center=0.5, max=0.6)
    guarded = preparation.guard_peak(raw)
    highpassed = preparation.highpass(guarded)
    waveform = output.mix_loudness(raw[::-1].copy(), output.loudness(highpassed), 16000, 0.3)
    return [
        guarded,
        highpassed,
        segments.cut_points_without_profile(highpassed, window),
        segments.pad(highpassed, window),
        segments.pad(highpassed[:50], window),
        waveform,
        output.resample(waveform, 16000, 44100),
        output.to_int16(waveform),
        output.guard(waveform),
    ]


def test_signals_in_temporary_files_have_the_same_bits(small_budget, monkeypatch):
    in_files = processed(sound())
    assert scratch.in_memory(in_files[1]) is not in_files[1]
    monkeypatch.undo()
    for mapped, plain in zip(in_files, processed(sound()), strict=True):
        assert mapped.dtype == plain.dtype
        assert np.array_equal(mapped, plain)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_file_written_in_blocks_has_the_same_bytes(name, tmp_path, small_budget, monkeypatch):
    integers = output.to_int16(sound())
    output.write_audio(tmp_path / name, integers, 40000)
    in_blocks = (tmp_path / name).read_bytes()
    monkeypatch.undo()
    soundfile.write(tmp_path / name, np.array(integers), 40000, subtype="PCM_16")
    assert in_blocks == (tmp_path / name).read_bytes()


def test_pieces_are_joined_in_memory_and_in_a_file(small_budget):
    pieces = [sound(300), sound(0), sound(5000), sound(7)]
    for budget in (0, 2000, 1 << 20):
        assert np.array_equal(scratch.join(iter(pieces), budget), np.concatenate(pieces))
    assert scratch.join(iter([])).shape == (0,)


def test_released_pages_keep_their_values():
    signal = scratch.new_signal(10_000, np.float64, budget=0)
    signal[:] = np.arange(10_000)
    scratch.release(signal[::-1][5:])
    assert np.array_equal(signal, np.arange(10_000))
    scratch.release(np.zeros(3))


def test_pieces_are_joined_in_memory_where_a_file_cannot_be_written(monkeypatch):
    def refuse(file, held):
        if file.tell() > 10_000:  # literal: Python's file position
            raise OSError(28, "No space left on device")
        append(file, held)

    append = scratch._append
    monkeypatch.setattr(scratch, "_append", refuse)
    pieces = [sound(1000)] * 9
    assert np.array_equal(scratch.join(iter(pieces), 100), np.concatenate(pieces))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak can be read on Linux alone")
def test_the_memory_of_the_audio_stages_does_not_grow_with_length(monkeypatch):
    def peak(seconds):
        monkeypatch.setattr(scratch.new_signal, "__defaults__", (0,))
        raw = scratch.new_signal(16000 * seconds, np.float32)
        for block in scratch.blocks(raw):
            block[:] = np.sin(np.arange(len(block)) * 0.05)
        trim_heap()
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        padded = segments.pad(preparation.highpass(preparation.guard_peak(raw)), Window())
        scratch.release(padded)
        output.to_int16(output.resample(raw, 16000, 48000))
        return resident("VmHWM") - before

    peak(5)  # what is allocated once for good
    assert peak(300) - peak(60) < 0.1 * 240


def resident(field):
    """MiB that this process holds (VmRSS) or held at most (VmHWM)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def test_mappings_of_others_are_left_alone(tmp_path):
    (tmp_path / "a").write_bytes(bytes(8192))
    with (tmp_path / "a").open("rb") as file:
        changed = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)
    changed[:] = 1
    scratch.release(changed)
    assert changed.all()
