"""Predictions of `rvc` for a dump, whose weights are unknown: used only where `rvc` makes the dump's own tensors."""

from pathlib import Path

import numpy as np
import pytest

from parity import stages
from parity.goldens import store, trace_file
from parity.judge.diagnosis.acceptance import Comparison, decide
from parity.runs import dumps
from parity.rvc_bridge import counterfactual
from parity.voices import KINDS

CASE = Path("goldens/cases/v2-40k-rmvpe-rpy")


@pytest.fixture
def case(tmp_path: Path) -> store.Case:
    """A golden as a dump of tensors, without the kind of its voice."""
    golden = store.open_case(CASE)
    return dumps.from_trace(trace_file.Trace({name: golden[name] for name in golden}).write(tmp_path / "a.safetensors"))


def test_the_kind_of_a_dumps_voice_follows_from_its_tensors(case: store.Case) -> None:
    assert case.voice["kind"] == "unknown"
    synthetic = counterfactual.with_synthetic_voice(case)
    assert synthetic is not None
    assert synthetic.voice["kind"] == "v2-40k-f0" and synthetic.voice["kind"] in KINDS


def test_predictions_are_refused_for_a_rate_without_a_synthetic_voice(case: store.Case) -> None:
    odd = store.MemoryCase({**case.meta, "voice": {**case.voice, "rate": 44100}}, {name: case[name] for name in case})
    assert counterfactual.with_synthetic_voice(odd) is None
    networks = counterfactual.RvcCounterfactuals(odd)
    assert list(networks.guesses(odd, "spk.g", "seg0.", "seg0.spk.g", {})) == []
    assert networks.refused


def test_predictions_are_made_where_the_network_is_the_same(case: store.Case) -> None:
    networks, name = counterfactual.RvcCounterfactuals(case), "seg0.spk.g"
    other = next(
        guess.value for guess in networks.guesses(case, "spk.g", "seg0.", name, {}) if guess.name == "another speaker"
    )
    assert not networks.refused
    best = decide(networks.guesses(case, "spk.g", "seg0.", name, {}), Comparison(other, case[name])).fit
    assert best is not None and best.guess.name == "another speaker"


def test_predictions_are_refused_where_the_network_is_another(case: store.Case) -> None:
    tensors = {name: np.array(case[name]) for name in case}
    tensors["seg0.spk.g"] = tensors["seg0.spk.g"] * np.float32(1.5)
    other = store.MemoryCase(case.meta, tensors)
    networks = counterfactual.RvcCounterfactuals(other)
    assert list(networks.guesses(other, "spk.g", "seg0.", "seg0.spk.g", {})) == []
    assert networks.refused
    assert stages.is_known("seg0.spk.g")
