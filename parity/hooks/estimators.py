"""Programs that estimate F0 and do nothing else: one stage, f0.raw, of the cases whose F0 method they have.

class MyEstimator(PitchEstimator):
    name, version = "my-rmvpe", "0.1"
    def open(self, weights): return my_rmvpe.load(weights)
    def estimate(self, model, audio): return model.infer(audio)

serve(MyEstimator())
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parity.hooks.serving import Array, Arrays, Case, Lacks, Tape


class PitchEstimator:
    """An adapter of one stage.

    Attributes:
        methods: the F0 methods that it has; a case with another one is "not tested".
    """

    name: str
    version: str
    methods: Sequence[str] = ("rmvpe",)
    stages: Sequence[str] = ("f0.raw",)
    chain = False
    profiles: Sequence[str] = ("webui-2026",)

    def __init__(self) -> None:
        self._model: Any = None

    def open(self, weights: Path) -> Any:
        """Load the program with the weights of a case.

        Args:
            weights: a safetensors file with the tensors of the method's PyTorch file, under their names there.
        Returns:
            what `estimate` gets.
        """
        raise NotImplementedError

    def estimate(self, model: Any, audio: Array) -> Array:
        """F0 in Hz, float (frames,), a frame every 10 ms, 0 where unvoiced, of float64 (samples,) at 16 kHz."""
        raise NotImplementedError

    def run(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """Raise Lacks: an estimator has no conversion."""
        raise Lacks("it is a pitch estimator")

    def run_stage(self, case: Case, stage: str, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """f0.raw of padded audio."""
        method = case["options"]["f0_method"]
        if method not in self.methods:
            raise Lacks(f"it has no F0 method {method}")
        if self._model is None:
            self._model = self.open(Path(case["files"][f"{method}_tensors"]))
        return {"f0.raw": self.estimate(self._model, inputs["padded"])}
