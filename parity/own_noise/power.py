"""False alarms and power of the statistical mode: `rvc` with other noise, and with ten planted faults of its noise.

`rvc` stands in for the original, whose results it reproduces. It converts from the golden's own tensors before noise
on. Each run draws its own noise from its own seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.own_noise import noise_stages
from parity.own_noise.noise_stages import PRIOR, UNVOICED
from parity.own_noise.statistical_mode import CaseResult, StatisticalMode

Draw = Callable[[np.random.Generator, Array, Case, str], Array]  # generator, its draw, case, prefix → the noise used
_WIDTH = np.sqrt(3.0)  # half the width of a uniform distribution of variance 1


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        name: what it does.
        stage: the stage whose noise it changes, z_p or nsf.
        expected: the kinds of findings that name it.
        change: the noise that the faulty program uses, from a right draw.
        once: whether every call gets the noise of the first.
        unvoiced: whether it changes unvoiced samples alone.
    """

    name: str
    stage: str
    expected: tuple[str, ...]
    change: Draw
    once: bool = False
    unvoiced: bool = False


def _scaled(factor: float) -> Draw:
    return lambda generator, drawn, case, prefix: drawn * factor


def _unvoiced(level: float) -> Draw:
    def change(generator: np.random.Generator, drawn: Array, case: Case, prefix: str) -> Array:
        voiced = noise_stages.voiced(case, prefix)
        assert voiced is not None
        return drawn * np.where(voiced, 1.0, level / UNVOICED).reshape(drawn.shape)

    return change


def _without_deviation(generator: np.random.Generator, drawn: Array, case: Case, prefix: str) -> Array:
    return drawn * np.exp(-case[f"{prefix}enc_p.logs"])


def _same_in_channels(generator: np.random.Generator, drawn: Array, case: Case, prefix: str) -> Array:
    return np.broadcast_to(drawn[:, :1], drawn.shape)


def _repeated(generator: np.random.Generator, drawn: Array, case: Case, prefix: str) -> Array:
    return np.repeat(drawn, 2, axis=-1)[..., : drawn.shape[-1]]


FAULTS = (
    Fault("the factor 0.66666 is missing", "z_p", ("scale",), _scaled(1.0 / PRIOR)),
    Fault("the factor 0.66666 is applied twice", "z_p", ("scale",), _scaled(PRIOR)),
    Fault("the factor is 2/3 in place of 0.66666", "z_p", ("scale",), _scaled(2.0 / 3.0 / PRIOR)),
    Fault(
        "uniform noise of the right variance in the prior",
        "z_p",
        ("shape",),
        lambda generator, drawn, case, prefix: generator.uniform(-_WIDTH, _WIDTH, drawn.shape),
    ),
    Fault("the same noise in all channels", "z_p", ("channels",), _same_in_channels),
    Fault("noise of 50 frames a second, each repeated", "z_p", ("white",), _repeated),
    Fault("a seed that is set before each conversion", "z_p", ("fresh",), _scaled(1.0), once=True),
    Fault("exp(logs) is missing", "z_p", ("deviation",), _without_deviation),
    Fault("0.1 in place of 0.1/3 in unvoiced frames", "nsf", ("scale",), _unvoiced(0.1), unvoiced=True),
    Fault(
        "noise of torch.rand in place of torch.randn in the source",
        "nsf",
        ("mean", "shape"),
        lambda generator, drawn, case, prefix: generator.random(drawn.shape),
    ),
)


def of_case(case: Case) -> list[Fault]:
    """The faults that change something in a golden: it has their stage, and unvoiced samples where they need them."""
    held = [(local_stage(stage.name), prefix) for stage, prefix in candidate.steps(case)]
    tracks = [noise_stages.voiced(case, prefix) for name, prefix in held if name == "nsf"]
    has_unvoiced = any(track is not None and not track.all() for track in tracks)
    names = {name for name, _ in held}
    return [fault for fault in FAULTS if fault.stage in names and (has_unvoiced or not fault.unvoiced)]


def local_stage(name: str) -> str:
    """The name of a stage without the prefix of streams."""
    return name.removeprefix("rt.")


class OwnNoise:
    """A proven program that draws its own noise, right or with a fault.

    It converts from the golden's tensors before noise on.
    """

    def __init__(self, program: Candidate, seed: int, fault: Fault | None = None) -> None:
        """Wrap a program whose stages take noise as an input.

        Args:
            program: `rvc`.
            seed: the seed of the program's own noise.
            fault: the fault that is planted; None for a correct program.
        """
        self.program, self.fault = program, fault
        self._generator = np.random.default_rng(seed)
        self._first: dict[str, Array] = {}

    @property
    def about(self) -> Mapping[str, object]:
        """name, version, and that it draws its own noise."""
        return {"name": "rvc with its own noise", "version": "1", "command": None, "declares": {"noise": False}}

    @property
    def chains(self) -> bool:
        """Always."""
        return True

    def takes(self, case: Case) -> bool:
        """Every case."""
        return True

    def offers(self, stage: stages.Stage) -> bool:
        """Every stage of the program."""
        return self.program.offers(stage)

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """The stage, with noise of its own in place of the recorded one."""
        drawn = {
            name: self._noise(case, stage, prefix, name, value) if ".noise." in name else value
            for name, value in inputs.items()
        }
        return self.program.run_stage(case, stage, prefix, drawn)

    def _noise(self, case: Case, stage: stages.Stage, prefix: str, name: str, recorded: Array) -> Array:
        fault = self.fault if self.fault is not None and self.fault.stage == local_stage(stage.name) else None
        if fault is not None and fault.once and name in self._first:
            return self._first[name]
        drawn = self._generator.standard_normal(recorded.shape)
        if fault is not None:
            drawn = fault.change(self._generator, drawn, case, prefix)
        value: Array = np.ascontiguousarray(drawn, np.float32)
        self._first.setdefault(name, value)
        return value

    def run(self, case: Case) -> Tensors:
        """The stages from noise on, each on what the one before made; before noise, the golden's tensors."""
        kept = noise_stages.before_noise(case, stages.prefixes_of(case))
        made: Tensors = {name: case[name] for name in kept}
        current = case
        for stage, prefix in candidate.steps(case):
            names = [prefix + row.name for row in stage.makes if prefix + row.name in case]
            if names and not kept.issuperset(names):
                fresh = self.run_stage(case, stage, prefix, candidate.inputs(current, stage, prefix))
                made |= fresh
                current = case.after(made)
        return made

    def run_final(self, case: Case) -> Tensors:
        """As `run`."""
        return self.run(case)

    def restart(self) -> bool:
        """Always False."""
        return False


@dataclass(frozen=True)
class Trial:
    """One run of the statistical mode: the fault, None for right noise; the result; whether it is right."""

    fault: Fault | None
    result: CaseResult

    @property
    def right(self) -> bool:
        """Right noise has no finding, a fault has one that names it."""
        kinds = {finding.kind for finding in self.result.findings}
        return not kinds if self.fault is None else bool(kinds.intersection(self.fault.expected))


def trial(program: Candidate, case: Case, seed: int, fault: Fault | None = None) -> Trial:
    """Run the statistical mode once."""
    return Trial(fault, StatisticalMode(OwnNoise(program, seed, fault)).after_case(case))
