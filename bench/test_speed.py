"""The stages timed one by one on a golden's own inputs. A fast wrong answer fails for being wrong."""

from typing import Any

import pytest

from bench.measure.workload import ROOT
from parity.candidates import candidate
from parity.goldens import store
from parity.judge import ledger
from parity.judge import limits as tolerance
from parity.judge.states import Mode
from parity.rvc_bridge.offline import RvcTorch

CASE = "retrieval-loudness-2026"
TIMED = ("hubert.features", "retrieval.search", "content.protected", "enc_p", "flow", "nsf", "generator")


@pytest.fixture(scope="module")
def case() -> store.Case:
    return store.open_case(ROOT / "goldens" / "cases" / CASE)


@pytest.fixture(scope="module")
def ours() -> RvcTorch:
    return RvcTorch()


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMED)
def test_stage(name: str, case: store.Case, ours: RvcTorch, benchmark: Any) -> None:
    """From the original's own inputs, as fast as it goes, and still within the stage's limit."""
    stage = next(row for row, prefix in candidate.steps(case) if prefix == "seg0." and row.name == name)
    inputs = candidate.inputs(case, stage, "seg0.")
    made = benchmark(ours.run_stage, case, stage, "seg0.", inputs)
    limits = tolerance.load()
    known = [(key, value) for key, value in made.items() if key in case]
    judged = [cell for key, value in known for cell in ledger.judge_tensor(case, key, Mode.ISOLATED, value, limits)[0]]
    assert judged, "nothing was compared"
    assert not [cell.sentence for cell in judged if cell.failed]
