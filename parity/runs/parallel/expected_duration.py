"""How long the judgment of a golden is expected to take, so that several processes can begin with the longest."""

from math import prod
from pathlib import Path

from parity import stages
from parity.candidates import candidate
from parity.errors import GoldenError
from parity.goldens import store, time_axes
from parity.goldens.store import Case
from parity.stages import TensorName
from parity.stages.profile_table import METHODS

# Duration of a call of a stage in seconds for each second of its input, measured with `rvc` on two cores; that of any
# other stage is small beside the constant of a case.
_OF_STAGES = {"hubert.features": 0.15, "enc_p": 0.05, "flow": 0.05, "generator": 0.5, "rmsmixed": 0.05}
# Duration of F0 in seconds for each second of input, for a method whose cost is 1 in the table of methods.
_F0 = 0.7
_CASE = 1.0  # seconds for reading a golden and its voice, and for the stages that are short
LONG = 8.0  # seconds from which on a golden is judged before all shorter ones


def expected_duration(case: Case) -> float:
    """The expected duration of judging a case, in seconds: each stage alone, and the conversion where it holds one."""
    alone = sum(_of_stage(case, stage, prefix) for stage, prefix in candidate.steps(case))
    return _CASE + alone * (1 if case.facts.isolated else 2)


def _of_stage(case: Case, stage: stages.Stage, prefix: str) -> float:
    """The expected duration of one call of a stage, in seconds."""
    local = stage.name.removeprefix("rt.")
    factor = _OF_STAGES.get(local, 0.0)
    if local in ("f0.raw", "f0"):
        method = METHODS.get(str(case.options.get("f0_method")))
        factor = _F0 * (method.cost if method is not None else 1)
    if not factor:
        return 0.0
    read: dict[str, float] = {}  # local name → seconds, those of earlier blocks added
    for name in stages.reads(stage, prefix, case):
        parsed = TensorName.parse(name)
        read[parsed.local] = read.get(parsed.local, 0.0) + (
            _seconds(case, name) if parsed.prefix or not prefix else 0.0
        )
    return factor * max(read.values(), default=0.0)


def _seconds(case: Case, name: str) -> float:
    """The length of a tensor in time, in seconds; 0 where it has no time axis."""
    step = time_axes.step(name, case.document)
    axis = stages.tensor(name).time_axis
    shape = case.entry(name)["shape"]
    return 0.0 if step is None or axis is None or axis >= len(shape) or not prod(shape) else float(shape[axis] * step)


def of_folder(folder: Path) -> float:
    """The expected duration of a golden, in seconds; 0 for one that cannot be opened."""
    try:
        return expected_duration(store.open_case(folder))
    except GoldenError:
        return 0.0


def in_order(folders: list[Path]) -> list[Path]:
    """Goldens in the order in which several processes take them.

    The longest come first, so that no process is left alone with one of them at the end. The short ones follow voice
    by voice, because a process loads a voice again where the golden before it has another.
    """

    def place(folder: Path) -> tuple[bool, str, float]:
        seconds = of_folder(folder)
        return (False, "", -seconds) if seconds >= LONG else (True, _voice(folder), -seconds)

    return sorted(folders, key=place)


def _voice(folder: Path) -> str:
    """The voice of a golden; "" for one that cannot be opened."""
    try:
        return str(store.open_case(folder).voice.get("kind"))
    except GoldenError:
        return ""
