"""Limits of tensors whose spread was not measured, each with its reason.

They are the limits of the first comparison with the originals, before the spread was measured
(`parity/data/spread.json`). "Between instruction sets" means the original run with the vector instructions of different
processors.
"""

from parity import stages
from parity.judge.states import Metric, Mode
from parity.stages import Scope, TensorKind, TensorName

WORST_FRAME = 10  # times the limit of the tensor
ONE_STEP = 1e-5  # relative RMS of one step in one sample of a thousand, of a waveform of RMS 0.1
TRUNCATION = 3e-4  # relative RMS that truncation to 16 bits adds

_COPY = (5e-7, "a copy or a few float32 operations: four steps of the format")
_FLOAT64 = (1e-9, "float64 arithmetic: another order of operations gives 1e-12")
# Relative RMS of stages run alone that are a few operations.
_ARITHMETIC: dict[str, tuple[float, str]] = {
    **dict.fromkeys(
        (
            "audio16k",
            "audio",
            "f0.hz",
            "retrieval.blended",
            "content.upsampled",
            "content.protected",
            "spk.g",
            "waveform.segment",
            "waveform.concat",
        ),
        _COPY,
    ),
    **dict.fromkeys(("highpassed", "quiet.profile", "padded", "f0.filled"), _FLOAT64),
    "retrieval.weights": (2e-6, "two divisions and a sum in float32"),
    "retrieval.mean": (2e-6, "a sum of eight products in float32"),
    "z_p": (2e-6, "one exponential and three float32 products"),
    "waveform.rmsmixed": (5e-6, "two float32 powers"),
}


def unmeasured(name: str, mode: str, metric: str, network: bool) -> tuple[float, str]:
    """The limit of a tensor and its reason; arguments as for `parity.judge.limits.Limits.find`."""
    row = stages.tensor(name)
    if metric == Metric.UNEQUAL:
        return 0.0, "a decision is equal or it is not; a flip must be explained by its margin"
    if metric == Metric.STEPS:
        if mode == Mode.ISOLATED:
            return 0.0, "one float32 product, truncated: exact arithmetic from the same bits"
        return (64.0, "a network's F0 moves the source's phase") if network else (8.0, "5e-5 of full scale in steps")
    parsed = TensorName.parse(name)
    if row.kind is TensorKind.PCM and mode == Mode.ISOLATED:
        return ONE_STEP, "a float32 product rounds otherwise and truncates a sample in a thousand the other way"
    limit, because = _isolated(parsed, row) if mode == Mode.ISOLATED else _chained(parsed.local, row, network)
    if row.kind is TensorKind.PCM:
        limit, because = limit + TRUNCATION, because + "; truncation to 16 bits adds a step in one sample of six"
    if metric == Metric.WORST_FRAME:
        return WORST_FRAME * limit, because + "; one frame may hold ten times the mean"
    return limit, because


def _isolated(name: TensorName, row: stages.Tensor) -> tuple[float, str]:
    if name.scope is Scope.BLOCK and name.local == "f0.hz":
        return 2e-6, "a block's F0 stage is a complete pitch method: 3e-7 between instruction sets"
    if name.local in _ARITHMETIC:
        return _ARITHMETIC[name.local]
    if row.is_waveform or name.local in ("nsf.sine", "nsf.source"):
        return 3e-5, "sums of thousands of products in the generator; float32 phase in the sine"
    if name.local == "retrieval.distances":
        return 2e-5, "a distance is a difference of near squares"
    return 1e-5, "five times 2e-6, the largest difference seen between instruction sets"


def _chained(local: str, row: stages.Tensor, network: bool) -> tuple[float, str]:
    if network and row.is_waveform:
        return 5e-4, "the waveform follows the source's phase, which sums a network's F0"
    if network and local in ("nsf.sine", "nsf.source"):
        return 3e-3, "the source's phase sums a network's F0: 5e-4 between instruction sets"
    if row.is_waveform:
        return 5e-5, "7e-6 between instruction sets, times seven"
    if local in ("f0.raw", "f0.filled", "f0.hz"):
        return 2e-6, "3e-7 between instruction sets, times five"
    return 3e-5, "4e-6 to 7e-6 between instruction sets, times five"
