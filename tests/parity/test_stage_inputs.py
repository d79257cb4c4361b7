"""Every input that the stage table names changes the stage's output, and the stages of rvc read no other tensor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity import stages
from parity.calibration import stage_inputs
from parity.goldens import store
from parity.rvc_bridge.rvc_torch import RvcTorch
from rvc.pipeline.voice_networks import VoiceNetworks

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
# Short goldens that show every stage and input between them; of the streams, the last reduces the output's noise.
NAMES = (
    "v1-48k-pm-rpy",
    "two-segments-rpy",
    "retrieval-loudness-2026",
    "rt-harvest-vocoder-classic",
    "rt-nof0-down-2026",
)
# Inputs that only goldens of a slow F0 method have; `rvc-parity inputs` tries them too.
NOT_TRIED = ("noise.crepe",)
PROGRAM = RvcTorch()


READS = {  # method of `VoiceNetworks` → the weights that it gives
    "borrow_synthesizer": stages.Weights.VOICE,
    "borrow_hubert": stages.Weights.HUBERT,
    "borrow_index": stages.Weights.INDEX,
    "f0_weights": stages.Weights.F0,
}


@pytest.fixture
def weights_read(monkeypatch: pytest.MonkeyPatch) -> set[stages.Weights]:
    """The weights that stages of `rvc` read from now on."""
    read: set[stages.Weights] = set()

    def recording(method: str) -> Callable[..., Any]:
        borrow = getattr(VoiceNetworks, method)
        return lambda *arguments, **options: read.add(READS[method]) or borrow(*arguments, **options)

    for method in READS:
        monkeypatch.setattr(VoiceNetworks, method, recording(method))
    return read


@pytest.mark.slow
@pytest.mark.parametrize("stage", stages.every(), ids=lambda stage: stage.name)
def test_every_declared_input_changes_the_output_and_no_other_is_read(
    stage: stages.Stage, weights_read: set[stages.Weights]
) -> None:
    if not PROGRAM.offers(stage):
        pytest.skip("no golden shows this stage")
    cases = [store.open_case(GOLDENS / name) for name in NAMES]
    places = list(stage_inputs.places(cases, stage))
    if not places:
        pytest.skip("none of these goldens shows this stage")
    case, prefix = places[0]
    rows = stage_inputs.influences(PROGRAM, cases, stage)
    assert [row for row in rows if not row.holds] == []
    shown = {row.local.removeprefix("earlier ") for row in rows} | set(NOT_TRIED)
    assert [read for read in stage.reads if not shown & set(stages.alternatives(read))] == []
    assert stage_inputs.undeclared(lambda: PROGRAM, case, stage, prefix) == []
    # A stream loads all weights when it starts, and `rvc` cuts a segment in the step that extracts its features.
    if stage in stages.offline() and stage.name != "seg.audio":
        # `rvc` has the formula of z_p and the rate of the voice in its synthesizer; some F0 methods have no network.
        assert weights_read - {stages.Weights.VOICE} <= set(stage.weights)
        assert set(stage.weights) - {stages.Weights.F0} <= weights_read


@pytest.mark.slow
def test_a_read_of_an_undeclared_tensor_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    case = store.open_case(GOLDENS / "rt-harvest-vocoder-classic")
    sola = stages.stage_named("rt.sola")
    assert sola is not None
    assert stage_inputs.undeclared(RvcTorch, case, sola, "rt.2.") == []
    without = stages.Stage("rt.sola", sola.scope, sola.what, sola.makes, sola.reads[:1])
    assert stage_inputs.undeclared(RvcTorch, case, without, "rt.2.") == ["rt.1.sola_buffer"]
