"""A recorder keeps copies of the tensors it is called with, and a trace is written completely or not at all."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from rvc import trace
from rvc.errors import BadInput, RvcError


def test_a_recorder_copies_a_value_and_returns_it():
    recorder, value = trace.Recorder(), np.zeros(3)
    assert recorder("a", value) is value
    value[0] = 1
    assert recorder["a"].tolist() == [0, 0, 0]


def test_tensors_become_arrays():
    recorder = trace.Recorder()
    recorder("a", torch.ones(2, 3).T)
    assert recorder["a"].shape == (3, 2)
    assert recorder["a"].flags.c_contiguous


def test_a_name_recorded_twice_is_refused():
    recorder = trace.Recorder()
    recorder("a", np.zeros(1))
    with pytest.raises(RvcError, match="'a' was recorded twice in one run; give each tensor its own name"):
        recorder("a", np.zeros(1))


def test_a_trace_holds_tensors_and_the_header_entry(tmp_path):
    tensors = {"f0.coarse": np.arange(4)[None], "segment.cuts": np.zeros(0, np.int64)}
    trace.write(tmp_path / "t.safetensors", tensors, {"profile": "rvc-python"})
    with safe_open(tmp_path / "t.safetensors", "np") as file:
        assert np.array_equal(file.get_tensor("f0.coarse"), tensors["f0.coarse"])
        assert file.get_tensor("segment.cuts").shape == (0,)
        assert json.loads(file.metadata()["rvc"]) == {"profile": "rvc-python"}


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"TRACE's folder .* does not exist; make it first"):
        trace.write(tmp_path / "no" / "t.safetensors", {}, {})
