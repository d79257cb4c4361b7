"""Arrays in a temporary file come back with the same bits, and results do not depend on where they are."""

import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from rvc.audio import segments
from rvc.audio.segments import Window
from rvc.scratch import ScratchArrays, ScratchFrames, frame_store


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
