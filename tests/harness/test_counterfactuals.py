"""Our networks beside a dump that does not say whose networks made it: believed where they make the same of it."""

from pathlib import Path

import numpy as np
import pytest

from parity import stages
from parity.goldens import store, trace_file
from parity.judge.diagnosis import causes
from parity.runs import dumps
from parity.rvc_bridge import counterfactual
from parity.voices import KINDS

CASE = Path("goldens/cases/v2-40k-rmvpe-rpy")


@pytest.fixture
def case(tmp_path: Path) -> store.Case:
    """A golden as a dump: what it is, but not whose voice."""
    golden = store.open_case(CASE)
    return dumps.from_trace(trace_file.Trace({name: golden[name] for name in golden}).write(tmp_path / "a.safetensors"))


def test_a_dumps_voice_is_read_off_its_tensors(case: store.Case) -> None:
    assert case.voice["kind"] == "unknown"
    here = counterfactual.with_synthetic_voice(case)
    assert here is not None and here.voice["kind"] == "v2-40k-f0" and here.voice["kind"] in KINDS


def test_a_voice_of_no_kind_is_not_known(case: store.Case) -> None:
    odd = store.MemoryCase({**case.meta, "voice": {**case.voice, "rate": 44100}}, {name: case[name] for name in case})
    assert counterfactual.with_synthetic_voice(odd) is None
    networks = counterfactual.RvcCounterfactuals(odd)
    assert list(networks.guesses(odd, "spk.g", "seg0.", "seg0.spk.g", {})) == []
    assert networks.refused


def test_a_network_that_makes_the_same_is_believed(case: store.Case) -> None:
    networks, name = counterfactual.RvcCounterfactuals(case), "seg0.spk.g"
    other = next(
        guess.value for guess in networks.guesses(case, "spk.g", "seg0.", name, {}) if guess.name == "another speaker"
    )
    assert not networks.refused
    found = causes.best(networks.guesses(case, "spk.g", "seg0.", name, {}), other, case[name])
    assert found is not None and found[1].divergence == "D22"


def test_a_network_that_makes_something_else_is_not(case: store.Case) -> None:
    tensors = {name: np.array(case[name]) for name in case}
    tensors["seg0.spk.g"] = tensors["seg0.spk.g"] * np.float32(1.5)
    foreign = store.MemoryCase(case.meta, tensors)
    networks = counterfactual.RvcCounterfactuals(foreign)
    assert list(networks.guesses(foreign, "spk.g", "seg0.", "seg0.spk.g", {})) == []
    assert networks.refused
    assert stages.is_known("seg0.spk.g")
