"""parity.hooks.estimators: a program of one stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.hooks.estimators import PitchEstimator
from parity.hooks.serving import Array, Lacks, Tape


class Doubled(PitchEstimator):
    """F0 is twice the first sample; its model counts how often it was loaded."""

    name, version, methods = "doubled", "1", ("rmvpe", "fcpe")
    opened = 0

    def open(self, weights: Path) -> Any:
        self.opened += 1
        return weights.name

    def estimate(self, model: Any, audio: Array) -> Array:
        assert model == "b.safetensors"
        return audio[:1] * 2


def case(method: str) -> dict[str, Any]:
    return {"options": {"f0_method": method}, "files": {"rmvpe_tensors": "a/b.safetensors"}}


def test_it_loads_the_weights_once_and_estimates_the_padded_input() -> None:
    adapter = Doubled()
    for _ in range(2):
        made = adapter.run_stage(case("rmvpe"), "f0.raw", "", {"padded": np.full(3, 110.0)})
        assert made["f0.raw"].tolist() == [220.0]
    assert adapter.opened == 1
    assert (adapter.stages, adapter.chain) == (("f0.raw",), False)


def test_what_it_does_not_have_is_not_tested() -> None:
    with pytest.raises(Lacks, match=r"^it has no F0 method pm$"):
        Doubled().run_stage(case("pm"), "f0.raw", "", {})
    with pytest.raises(Lacks, match=r"^it is a pitch estimator$"):
        Doubled().run(case("rmvpe"), {}, Tape())
