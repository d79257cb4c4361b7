"""What was heard is kept as it was, and written whole."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from rvc import trace
from rvc.errors import BadInput, RvcError


def test_a_recorder_copies_and_hands_on():
    recorder, value = trace.Recorder(), np.zeros(3)
    assert recorder("a", value) is value
    value[0] = 1
    assert recorder["a"].tolist() == [0, 0, 0]


def test_tensors_become_arrays():
    recorder = trace.Recorder()
    recorder("a", torch.ones(2, 3).T)
    assert recorder["a"].shape == (3, 2)
    assert recorder["a"].flags.c_contiguous


def test_a_name_heard_twice_is_a_mistake():
    recorder = trace.Recorder()
    recorder("a", np.zeros(1))
    with pytest.raises(RvcError, match="'a' was heard twice in one run"):
        recorder("a", np.zeros(1))


def test_a_trace_holds_tensors_and_their_story(tmp_path):
    tensors = {"f0.coarse": np.arange(4)[None], "segment.cuts": np.zeros(0, np.int64)}
    trace.write(tmp_path / "t.safetensors", tensors, {"profile": "rvc-python"})
    with safe_open(tmp_path / "t.safetensors", "np") as file:
        assert np.array_equal(file.get_tensor("f0.coarse"), tensors["f0.coarse"])
        assert file.get_tensor("segment.cuts").shape == (0,)
        assert json.loads(file.metadata()["rvc"]) == {"profile": "rvc-python"}


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInput, match=r"TRACE's folder .* does not exist; make it first"):
        trace.write(tmp_path / "no" / "t.safetensors", {}, {})
