"""Entries of voices that forks and tools write: what is read, what is passed over, and what is noted."""

import collections
import datetime
import json
import pathlib
import re
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_voice import content, saved

from rvc.errors import BadCheckpoint
from rvc.voices.model_tools import export, merge
from rvc.voices.voice import load_voice
from rvc.weights.checkpoint import read


class HParams:
    """An object of a training program."""

    def __init__(self):
        self.train = {"epochs": 3}


@pytest.mark.parametrize(
    "entry",
    [
        np.float64(1.5),
        np.zeros(4),
        np.zeros(9999),
        np.array(["a"]),
        datetime.datetime(2026, 1, 1),
        pathlib.PurePosixPath("/a/b"),
        b"\x89PNG",
        {1, 2},
        HParams(),
        types.SimpleNamespace(a=1),
        complex(1, 2),
        torch.float16,
    ],
    ids=lambda entry: type(entry).__name__,
)
@pytest.mark.parametrize("legacy", [False, True])
def test_entries_that_nothing_needs_are_passed_over(tmp_path, entry, legacy):
    torch.save(content() | {"extra": entry}, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    voice = load_voice(tmp_path / "a.pth")
    assert len(voice.odd) == 1
    assert "'extra'" in voice.odd[0]
    assert voice.odd[0].endswith("is ignored")


def test_numbers_of_numpy_are_read_as_numbers(tmp_path):
    made = content() | {"loss": np.float32(0.5), "hist": np.arange(6).reshape(2, 3), "f0": np.int64(1)}
    made["config"] = [np.int64(entry) if isinstance(entry, int) else entry for entry in made["config"]]
    path = saved(tmp_path, made)
    entries = read(path).content
    assert (entries["loss"], entries["hist"]) == (0.5, [[0, 1, 2], [3, 4, 5]])
    assert all(type(entry) is not np.int64 for entry in entries["config"])
    assert load_voice(path).config == load_voice(saved(tmp_path, content(), "b.pth")).config


def test_a_whole_pickled_module_is_named(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pth")
    with pytest.raises(BadCheckpoint) as refusal:
        load_voice(tmp_path / "m.pth")
    assert str(refusal.value) == (
        "m.pth is a whole pickled module (torch.nn.modules.linear.Linear), which can only be read by running its "
        "program; save its weights there with torch.save(model.state_dict(), …)"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": "2"},
        {"version": "v2 "},
        {"version": "V2"},
        {"version": ""},
        {"sr": 40},
        {"sr": "40 kHz"},
        {"sr": 40000.0},
        {"sr": None},
    ],
)
def test_other_spellings_of_version_and_rate_are_read(tmp_path, change):
    voice = load_voice(saved(tmp_path, content() | change))
    assert (voice.version, voice.rate, voice.warnings) == ("v2", 40000, [])


def test_whole_numbers_may_be_written_as_floats(tmp_path):
    made = content()
    made["config"] = [float(entry) if isinstance(entry, int) else entry for entry in made["config"]]
    assert load_voice(saved(tmp_path, made)).config == load_voice(saved(tmp_path, content(), "b.pth")).config
    made["config"][3] = 192.5
    with pytest.raises(BadCheckpoint, match=r"config entry hidden is 192\.5, expected a whole number"):
        load_voice(saved(tmp_path, made))


def test_the_nineteen_entries_of_ddpn08_are_read(tmp_path):
    made = content()
    made["config"] = [*made["config"][:17], 768, made["config"][17]]
    path = saved(tmp_path, made)
    assert load_voice(path).rate == 40000
    assert len(export(path, tmp_path / "b.pth").config) == 18
    assert len(read(tmp_path / "b.pth").content["config"]) == 18


def test_export_corrects_an_f0_that_the_tensors_contradict(tmp_path):
    path = saved(tmp_path, content() | {"f0": 0, "version": "v2 "})
    export(path, tmp_path / "b.pth")
    entries = read(tmp_path / "b.pth").content
    assert (entries["f0"], entries["version"]) == (1, "v2")
    assert load_voice(tmp_path / "b.pth").warnings == []
    assert merge(path, path, tmp_path / "c.pth").warnings == []


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "entry", [range(3), collections.defaultdict(int), ..., NotImplemented, torch.eye(2).to_sparse(), re.compile("a")]
)
def test_plain_values_are_passed_over_under_their_names_in_python_2_too(tmp_path, entry, protocol):
    torch.save(content() | {"extra": entry}, tmp_path / "a.pth", pickle_protocol=protocol)
    load_voice(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "f0, shown", [(torch.tensor(1), "as a tensor of 1"), (torch.ones(99), "as a tensor of 99 numbers"), ("y" * 99, "…")]
)
def test_an_f0_of_any_type_is_noted_in_one_line(tmp_path, f0, shown):
    (note,) = load_voice(saved(tmp_path, content() | {"f0": f0})).warnings
    assert shown in note
    assert len(note) < 150
    assert "\n" not in note


def test_lists_of_a_config_may_be_tensors(tmp_path):
    made = content()
    made["config"][12] = torch.tensor(made["config"][12])
    assert load_voice(saved(tmp_path, made)).config == load_voice(saved(tmp_path, content(), "b.pth")).config


def test_the_config_in_the_metadata_of_a_safetensors_file_is_read(tmp_path):
    made = content()
    save_file(dict(made["weight"]), tmp_path / "a.safetensors", {"config": json.dumps(made["config"])})
    voice = load_voice(tmp_path / "a.safetensors")
    assert "the file holds no config" not in voice.odd
