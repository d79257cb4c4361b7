"""Small voices and merged voices equal the WebUI's bit for bit (goldens/tools, recorded by reference.model_tools)."""

import json
from pathlib import Path

import pytest

from parity import voices
from parity.voices import exported_models
from rvc.voices.model_tools import export, merge

GOLDEN = json.loads((Path(__file__).parents[2] / "goldens" / "tools" / "webui-2026.json").read_text(encoding="utf-8"))
KINDS = sorted({call["kind"] for call in GOLDEN["calls"]})
pytestmark = pytest.mark.slow


def calls(tool, kind):
    return [call for call in GOLDEN["calls"] if (call["tool"], call["kind"]) == (tool, kind)]


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory):
    """(kind, its training checkpoint with config.json beside it)."""
    return request.param, exported_models.training(request.param, tmp_path_factory.mktemp("trained"))


def test_a_small_voice_equals_the_one_that_the_webui_extracts(trained, tmp_path):
    kind, source = trained
    export(source, tmp_path / "small.pth", info=calls("extract", kind)[0]["info"])
    assert exported_models.summary(tmp_path / "small.pth") == calls("extract", kind)[0]["written"]


def test_without_info_it_equals_the_one_that_a_training_saves(trained, tmp_path):
    kind, source = trained
    export(source, tmp_path / "small.pth")
    assert exported_models.summary(tmp_path / "small.pth") == calls("training", kind)[0]["written"]


MERGES = [call for kind in KINDS for call in calls("merge", kind)]


@pytest.mark.parametrize("call", MERGES, ids=lambda call: f"{call['kind']}-{call['ratio']}")
def test_a_merged_voice_equals_the_webuis(call, tmp_path):
    first = voices.make_voice(call["kind"])
    second = exported_models.second_voice(call["kind"], tmp_path, call["speakers"])
    merge(first, second, tmp_path / "merged.pth", call["ratio"], info=call["info"])
    assert exported_models.summary(tmp_path / "merged.pth") == call["written"]
